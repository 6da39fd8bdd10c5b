"""Prompts -> text by Hugging Face transformers in this process, on CPU or one GPU."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from serve.grouped_attention import use_grouped_attention
from serve.tokens import load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

Precision = Literal["float32", "bfloat16", "nf4"]


class LoadedModel(NamedTuple):
    """A model with its tokenizer, for one engine or several."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"


@dataclass(frozen=True)
class PromptBatch:
    """Prompts that are worked on together. `ids` and `mask` are [prompts, width]; `positions` are those asked for.

    `cache` holds the keys and values of the tokens that all prompts of the task share, and has room for the rest and
    for the new ones. Padding stands between the shared tokens and each prompt's own.
    """

    positions: list[int]
    ids: "torch.Tensor"
    mask: "torch.Tensor"
    cache: "DynamicCache"


class TransformersEngine:
    """A Hugging Face model in memory. The key/value cache of the tokens that all prompts share is computed once."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", batch_size: int) -> None:
        from transformers import GenerationConfig

        self.ends = end_tokens(model, tokenizer)
        self.model = model.eval()
        use_grouped_attention(self.model)
        # Plain decoding, whatever the model suggests; what ends a text stays, for a second engine on the same model.
        self.model.generation_config = GenerationConfig(eos_token_id=self.ends)
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; batches hold prompts of like length. ValueError if a prompt has no token."""
        for batch in self.batches(prompts, max_new_tokens, done):
            yield list(zip(batch.positions, self.texts(batch, max_new_tokens, stop), strict=True))

    def batches(self, prompts: Sequence[str], new_tokens: int, done: Collection[int] = ()) -> Iterator[PromptBatch]:
        """The prompts in batches of like length, those left out whose prompts are all in `done`.

        ValueError if a prompt has no token.
        """
        return self.token_batches([self.tokenizer(prompt)["input_ids"] for prompt in prompts], new_tokens, done)

    def token_batches(
        self, tokens: Sequence[list[int]], new_tokens: int, done: Collection[int] = ()
    ) -> Iterator[PromptBatch]:
        """See `batches`; prompts that are tokens already."""
        if not all(tokens):
            raise ValueError(f"prompt {[not row for row in tokens].index(True)} is empty")
        shared = shared_prefix_length(tokens) if self._keeps_all_keys(tokens, new_tokens) else 0
        order = sorted(range(len(tokens)), key=lambda position: (len(tokens[position]), position))
        prefix = None
        for start in range(0, len(order), self.batch_size):
            positions = order[start : start + self.batch_size]
            if all(position in done for position in positions):
                continue
            if prefix is None and shared:
                prefix = self._prefix_cache(tokens[0][:shared])
            yield self._batch(positions, [tokens[p] for p in positions], shared, prefix, new_tokens)

    def _keeps_all_keys(self, tokens: Sequence[Sequence[int]], max_new_tokens: int) -> bool:
        """Whether the model's cache still holds the first token's keys when the longest text is done.

        A sliding window that is shorter than the text, or a layer without keys, cannot start from a shared prefix.
        """
        from transformers import DynamicCache

        length = max(map(len, tokens), default=0) + max_new_tokens
        layers = DynamicCache(config=self.model.config).layers
        return all(
            hasattr(layer, "keys") and length <= (getattr(layer, "sliding_window", None) or length) for layer in layers
        )

    def _prefix_cache(self, tokens: list[int]) -> list[tuple["torch.Tensor", "torch.Tensor"]]:
        """The keys and values of each layer for the shared tokens, [1, heads, tokens, head size] each."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        with torch.inference_mode():
            ids = torch.tensor([tokens], device=self.model.device)
            self.model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _batch(
        self, positions: list[int], tokens: list[list[int]], shared: int, prefix: list[Any] | None, new_tokens: int
    ) -> PromptBatch:
        """The tensors for prompts of `shared` common tokens."""
        import torch

        from serve.roomy_cache import roomy_cache

        width = max(map(len, tokens))
        padding = self.tokenizer.pad_token_id
        ids = [row[:shared] + [padding] * (width - len(row)) + row[shared:] for row in tokens]
        mask = [[1] * shared + [0] * (width - len(row)) + [1] * (len(row) - shared) for row in tokens]
        cache = roomy_cache(self.model.config, width + new_tokens)
        for layer, (keys, values) in enumerate(prefix or []):
            rows = (len(tokens), -1, -1, -1)
            cache.update(keys.expand(rows), values.expand(rows), layer)
        device = self.model.device
        return PromptBatch(positions, torch.tensor(ids, device=device), torch.tensor(mask, device=device), cache)

    def texts(self, batch: PromptBatch, max_new_tokens: int, stop: str) -> list[str]:
        """What the model says after each prompt of the batch."""
        import torch

        width = batch.ids.shape[1]

        def stopped(input_ids: "torch.Tensor", scores: Any, **_: Any) -> "torch.Tensor":
            texts = self.tokenizer.batch_decode(input_ids[:, width:], skip_special_tokens=True)
            return torch.tensor([stop in text for text in texts], device=input_ids.device)

        with torch.inference_mode():
            output = self.model.generate(
                batch.ids,
                attention_mask=batch.mask,
                past_key_values=batch.cache,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=self.ends,
                stopping_criteria=[stopped] if stop else [],
            )
        return list(self.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True))

    def read(self, batch: PromptBatch, leave: int = 0) -> "torch.Tensor":
        """Put the prompts into the batch's cache; the model's logits after them, [prompts, vocabulary].

        The last `leave` tokens stay out. At least one token must be left to read.
        """
        import torch

        start, end = batch.cache.get_seq_length(), batch.ids.shape[1] - leave
        positions = (batch.mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            output = self.model(
                batch.ids[:, start:end],
                attention_mask=batch.mask[:, :end],
                position_ids=positions[:, start:end],
                past_key_values=batch.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def end_tokens(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that end a text, by the tokenizer and by the model's own settings."""
    ends = model.generation_config.eos_token_id
    return sorted({tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None})


def shared_prefix_length(tokens: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, at least one token of each left over.

    Whole prompts are compared as tokens: cutting the text at a common prefix and tokenising the parts would give
    other tokens at the seam.
    """
    if not tokens:
        return 0
    limit = min(map(len, tokens)) - 1
    first = tokens[0]
    return next((n for n in range(limit) if any(row[n] != first[n] for row in tokens)), limit)


def load_transformers_engine(base_model: str, batch_size: int, adapter: Path | None = None) -> TransformersEngine:
    """An engine with the model of `load_model`."""
    return TransformersEngine(*load_model(base_model, adapter), batch_size)


def load_model(
    base_model: str, adapter: Path | None = None, dtype: Precision | None = None, device: str | None = None
) -> LoadedModel:
    """The base model, with the adapter merged into its weights if one is given, and the tokenizer.

    Without `dtype`, float32 on CPU and bfloat16 on a CUDA device; nf4 keeps the weights in 4 bits and the adapter
    beside them. Without `device`, a CUDA device if there is one. Only safetensors weights are read, and no code from a
    model's folder. ValueError if the device is not there or nf4 cannot run here.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from compress.inkuba import register

    register()
    logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {device}: this machine has no CUDA device that PyTorch can use; choose cpu")
    cpu = torch.device(device).type == "cpu"
    precision = dtype or ("float32" if cpu else "bfloat16")
    settings = _nf4(device) if precision == "nf4" else {"dtype": getattr(torch, precision)}
    model: Any = AutoModelForCausalLM.from_pretrained(
        base_model, use_safetensors=True, trust_remote_code=False, **settings
    )
    if adapter is not None:
        from peft import PeftModel

        tuned = PeftModel.from_pretrained(model, str(adapter))
        model = tuned.get_base_model() if precision == "nf4" else tuned.merge_and_unload()
    return LoadedModel(model if precision == "nf4" else model.to(device), load_tokenizer(base_model, adapter))


def _nf4(device: str) -> dict[str, Any]:
    """What loads a model's linear layers in 4 bits on a device; ValueError if bitsandbytes is not installed."""
    from importlib.util import find_spec

    import torch
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ValueError(
            "precision: nf4 needs bitsandbytes, which is not installed; install it or choose bfloat16 or float32"
        )
    compute = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )
    return {"dtype": compute, "device_map": {"": device}, "quantization_config": quantization}
