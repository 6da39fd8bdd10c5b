"""What Axolotl's merge (0.19) gets wrong, mended: rounded embeddings, the base's tokenizer, files that are no model.

A folder that `axolotl.cli.merge_lora` wrote -> a standalone model. Each repair says what it is for.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneday.files import write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ADAPTER = "adapter_model.safetensors"
WEIGHTS = "model*.safetensors"  # not the copy in another format that some hub repositories hold
# What a standalone model takes of its base. The tokenizer comes with the adapter; code of a model's folder never does.
OF_THE_BASE = (
    "config.json",
    "generation_config.json",
    WEIGHTS,
    "model.safetensors.index.json",
    "LICENSE*",
    "NOTICE*",
)
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.jinja",
    "spiece.model",
)


def keep_model_files(folder: Path) -> None:
    """Delete what Axolotl copied from the base and what is not part of a standalone model."""
    kept = {path for pattern in OF_THE_BASE for path in folder.glob(pattern)}
    for path in folder.glob("*"):
        if path not in kept:
            path.unlink()


def restore_unquantised(merged: Path, base: Path, adapter: Path, settings: Mapping[str, Any]) -> list[str]:
    """Give the tensors that training does not quantise the base's values again; their names.

    Axolotl 0.19 rounds every matrix of the file, the embeddings and the output layer too; QLoRA training leaves those
    as they are. A tensor that the adapter changes stays as merged.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    skip = (settings.get("bnb_config_kwargs") or {}).get("llm_int8_skip_modules")
    wanted = unquantised_weights(base, skip) - _changed_weights(adapter)
    restored: list[str] = []
    for shard in sorted(merged.glob(WEIGHTS)):
        with safe_open(shard, framework="pt") as file:
            names, header = sorted(wanted.intersection(file.keys())), file.metadata()
        if not names:
            continue
        tensors = load_file(shard)
        with safe_open(base / shard.name, framework="pt") as file:
            tensors |= {name: file.get_tensor(name) for name in names}
        partial = shard.with_name(f".{shard.name}.partial")
        save_file(tensors, partial, metadata=header)
        partial.replace(shard)
        restored += names
    return restored


def unquantised_weights(base: Path, skip_modules: list[str] | None = None) -> set[str]:
    """The names of the matrices that stay in full precision when transformers loads this model in 4 bits."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.quantizers.base import HfQuantizer
    from transformers.quantizers.quantizers_utils import should_convert_module

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, trust_remote_code=False))
    kept = HfQuantizer.get_modules_to_not_convert(model, skip_modules, model._keep_in_fp32_modules)
    modules = dict(model.named_modules())
    names = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner = name.rpartition(".")[0]
        quantised = type(modules[owner]) is torch.nn.Linear and should_convert_module(owner, kept)
        if parameter.ndim > 1 and not quantised:
            names.add(name)
    return names


def _changed_weights(adapter: Path) -> set[str]:
    """The names of the base's weights that the adapter changes or replaces."""
    from safetensors import safe_open

    with safe_open(adapter / ADAPTER, framework="pt") as file:
        keys = [key.removeprefix("base_model.model.") for key in file.keys()]  # noqa: SIM118 - no mapping
    return {f"{re.split(r'[.](?:lora_|modules_to_save|weight$)', key)[0]}.weight" for key in keys}


def take_tokenizer(adapter: Path, merged: Path) -> None:
    """Copy the trained tokenizer, and make the model's own settings agree with its special tokens.

    Without that, `generate` of the standalone model would not stop at an end-of-sequence token that the recipe chose.
    """
    from serve.tokens import load_tokenizer

    for pattern in TOKENIZER_FILES:
        for path in adapter.glob(pattern):
            shutil.copyfile(path, merged / path.name)
    tokenizer = load_tokenizer(str(merged))
    for name in ("config.json", "generation_config.json"):
        if (merged / name).is_file():
            values = json.loads((merged / name).read_text(encoding="utf-8"))
            write_json(merged / name, values | special_token_ids(tokenizer, values))


def special_token_ids(tokenizer: "PreTrainedTokenizerBase", values: Mapping[str, Any]) -> dict[str, Any]:
    """The token ids for a model's config: the tokenizer's, and every end of sequence that the config had before."""
    ends = values.get("eos_token_id")
    known = ends if isinstance(ends, list) else [ends]
    ids: dict[str, Any] = {"pad_token_id": tokenizer.pad_token_id}
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in known:
        all_ends = [tokenizer.eos_token_id, *(end for end in known if end is not None)]
        ids["eos_token_id"] = all_ends if len(all_ends) > 1 else all_ends[0]
    return ids
