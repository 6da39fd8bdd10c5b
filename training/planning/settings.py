"""An Axolotl file -> the keys of it that memory, steps and time depend on, with Axolotl 0.19's defaults.

Only what a plan needs is read, and its types are checked; `training.validate` checks the whole file.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from oneday.config import Document, parse
from training.plugin_args import budget_seconds

# Axolotl's older names of an attention, and the attentions that read packed rows without a mask
# (axolotl/utils/schemas/enums.py: LEGACY_ATTN_FLAG_TO_IMPL, ATTN_IMPLS_SUPPORTING_PACKING).
OLDER_NAMES = {
    "xformers_attention": "xformers",
    "sage_attention": "sage",
    "flex_attention": "flex_attention",
    "flash_attention": "flash_attention_2",
    "sdp_attention": "sdpa",
    "eager_attention": "eager",
}
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")
HOURS_OF_A_DAY = 24.0


class TrainSettings(BaseModel):
    """See the module. The names are Axolotl's own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base_model: str
    plugins: tuple[str, ...] = ()
    adapter: Literal["lora", "qlora"] | None = None
    load_in_4bit: bool = False
    load_in_8bit: bool = False
    bnb_config_kwargs: dict[str, Any] = {}
    bf16: bool | str | None = "auto"
    fp16: bool | None = None
    bfloat16: bool | None = None
    float16: bool | None = None
    tf32: bool | str | None = None
    overrides_of_model_config: dict[str, Any] = {}

    datasets: tuple[dict[str, Any], ...] = ()
    test_datasets: tuple[dict[str, Any], ...] = ()
    val_set_size: float = 0
    sequence_len: int = Field(default=512, ge=1)
    excess_length_strategy: Literal["drop", "truncate", "raise"] = "drop"
    sample_packing: bool = False
    eval_sample_packing: bool | None = None
    sample_packing_group_size: int = Field(default=100_000, ge=1)
    sample_packing_bin_size: int = Field(default=200, ge=1)
    sample_packing_sequentially: bool = False
    curriculum_sampling: bool = False
    multipack_real_batches: bool | None = None
    pad_to_sequence_len: bool | None = None
    pad_to_multiple_of: int = Field(default=64, ge=1)
    dataloader_drop_last: bool = False
    micro_batch_size: int = Field(default=1, ge=1)
    eval_batch_size: int | None = Field(default=None, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    num_epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    seed: int = 42

    lora_r: int | None = Field(default=None, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_target_linear: bool = False
    lora_target_modules: tuple[str, ...] = ()
    lora_modules_to_save: tuple[str, ...] = ()
    peft_use_dora: bool = False
    peft_autocast_adapter_dtype: bool | None = None
    lora_mlp_kernel: bool | None = None
    lora_qkv_kernel: bool | None = None
    lora_o_kernel: bool | None = None
    lora_embedding_kernel: bool | None = None

    optimizer: str = "adamw_torch_fused"
    attn_implementation: str | None = None
    sdpa_varlen: bool | None = None
    gradient_checkpointing: bool | Literal["offload", "offload_disk"] = False
    activation_offloading: bool | str | None = None
    liger_rms_norm: bool = False
    liger_glu_activation: bool = False
    liger_cross_entropy: bool = False
    liger_fused_linear_cross_entropy: bool = False
    cut_cross_entropy: bool = False
    chunked_cross_entropy: bool = False
    chunked_cross_entropy_num_chunks: int = Field(default=8, ge=1)
    fsdp_config: dict[str, Any] | None = None
    deepspeed: str | dict[str, Any] | None = None

    eval_steps: float | None = None
    evals_per_epoch: float | None = None
    eval_strategy: str | None = None
    save_steps: float | None = None
    saves_per_epoch: float | None = None
    save_strategy: str | None = None
    oneday_budget_hours: float | None = Field(default=None, gt=0)
    oneday_budget_seconds: float | None = Field(default=None, gt=0)
    oneday_teacher: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_axolotl_reads(cls, values: Any) -> Any:
        """Absent for empty keys, an attention by its newer name, one module name as a list."""
        values = {key: value for key, value in values.items() if value is not None}
        for flag, name in OLDER_NAMES.items():
            if values.get(flag) is True:
                values.setdefault("attn_implementation", name)
        for key in ("lora_target_modules", "lora_modules_to_save"):
            if isinstance(values.get(key), str):
                values[key] = [values[key]]
        return values

    @field_validator("attn_implementation")
    @classmethod
    def _without_revision(cls, name: str | None) -> str | None:
        return None if name is None else re.split("[:@]", name)[0].strip()

    @model_validator(mode="after")
    def _consistent(self) -> "TrainSettings":
        if self.adapter is None and (self.load_in_4bit or self.load_in_8bit):
            raise ValueError("load_in_4bit and load_in_8bit need an adapter: quantised weights are not trained")
        if self.adapter is not None and self.lora_r is None:
            raise ValueError(f"lora_r is required with adapter: {self.adapter}")
        if self.adapter is not None and not self.lora_target_linear and not self.lora_target_modules:
            raise ValueError("lora_target_linear: true, or lora_target_modules, is required with an adapter")
        return self

    @property
    def half(self) -> bool:
        """Whether matrices are multiplied in 16 bits. `bf16: auto` is taken for yes: every card here has it."""
        return bool(self.bf16 or self.fp16 or self.bfloat16 or self.float16)

    @property
    def quantised(self) -> bool:
        """Whether the frozen weights are in 4 or 8 bits."""
        return self.load_in_4bit or self.load_in_8bit

    @property
    def reads_packed_rows(self) -> bool:
        """Whether the attention takes a whole micro-batch as one row with borders; sdpa and eager do not."""
        return self.attn_implementation not in (None, "sdpa", "eager", "fp8")

    @property
    def real_batches(self) -> bool:
        """Whether a packed micro-batch is several rows of sequence_len tokens (axolotl/core/builders/causal.py)."""
        return not self.reads_packed_rows if self.multipack_real_batches is None else self.multipack_real_batches

    @property
    def packs_evaluation(self) -> bool:
        """Whether evaluation rows are packed: as the training's, unless the file says otherwise."""
        return self.sample_packing and self.eval_sample_packing is not False

    @property
    def kernels(self) -> frozenset[str]:
        """The fused LoRA kernels in use. Without any of the keys Axolotl switches all on (not for 8-bit LoRA)."""
        if self.adapter is None:
            return frozenset()
        given = {name: getattr(self, name) for name in KERNELS}
        if all(value is None for value in given.values()):
            return frozenset() if self.load_in_8bit else frozenset(KERNELS)
        return frozenset(name for name, value in given.items() if value)

    @property
    def dropout(self) -> bool:
        """Whether the adapter's inputs lose some of their values."""
        return self.adapter is not None and self.lora_dropout > 0

    @property
    def offloading(self) -> Literal["hidden_states", "all"] | None:
        """What of the activations goes to the host. Full fine-tuning offloads layer inputs only."""
        asked = self.activation_offloading or isinstance(self.gradient_checkpointing, str)
        if not asked or self.activation_offloading in ("false", "none"):
            return None
        return "hidden_states" if self.activation_offloading == "hidden_states" or self.adapter is None else "all"

    @property
    def recomputes(self) -> bool:
        """Whether a layer's activations are computed again in the backward pass."""
        return self.offloading != "all" and bool(self.gradient_checkpointing or self.offloading)

    @property
    def budget_hours(self) -> float:
        """The hours that the training may take: the recipe's own limit, else a day."""
        seconds = budget_seconds(vars(self))
        return HOURS_OF_A_DAY if seconds is None else seconds / 3600

    @property
    def pads_to(self) -> int | None:
        """The multiple to which a batch is padded, with packing sequence_len by default; None for its longest row."""
        if self.pad_to_sequence_len or (self.pad_to_sequence_len is None and self.sample_packing):
            return self.pad_to_multiple_of * -(-self.sequence_len // self.pad_to_multiple_of)
        return self.pad_to_multiple_of if self.pad_to_sequence_len is None else None


def read_settings(document: Document) -> TrainSettings:
    """What the plan needs of a train file. Raises ConfigError with all faults."""
    return parse(document, TrainSettings)
