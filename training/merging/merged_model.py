"""Adapter + base model -> a standalone model, by Axolotl's own merge command.

Base (safetensors) and 06_train/model -> a folder that plain `AutoModelForCausalLM.from_pretrained` loads. A QLoRA
adapter can go into the full-precision base or into the base as training saw it, rounded to NF4. Axolotl's command
holds one file of weights in memory at a time. `training.merging.repairs` mends what it leaves wrong.
"""

import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from oneday import code
from oneday.console import progress
from oneday.files import read_json, sha256_file, write_json
from oneday.models import model_digest
from oneday.stage import StageError
from training.logged_command import run_logged
from training.merging.repairs import ADAPTER, WEIGHTS, keep_model_files, restore_unquantised, take_tokenizer

Weights = Literal["full", "nf4"]
WORDS: Mapping[Weights, str] = {"full": "the full-precision base", "nf4": "the base rounded to NF4"}
RECORD = "oneday_merge.json"
APPLIED = re.compile(r"Applied LoRA to (\d+)/\d+ tensors")


class MadeFrom(BaseModel):
    """`oneday_merge.json` in a merged model's folder, written last: what it is and what it was made from."""

    model_config = ConfigDict(frozen=True)

    weights: Weights
    base_model: str
    base_digest: str
    adapter_sha256: str
    axolotl: str
    code: str


def merges_of(settings: Mapping[str, Any]) -> tuple[Weights, ...]:
    """Which merges a training's adapter allows; none for a full fine-tune. StageError for other kinds of adapter."""
    adapter = settings.get("adapter")
    if adapter is None:
        return ()
    if adapter not in ("lora", "qlora"):
        raise StageError(f"adapter: {adapter} cannot be merged; only lora and qlora can (train.yaml)")
    return ("full", "nf4") if adapter == "qlora" else ("full",)


def made_from(weights: Weights, base_model: str, adapter: Path) -> MadeFrom:
    """What a merge of this adapter would be made from. StageError if the adapter's weights are absent."""
    if not (adapter / ADAPTER).is_file():
        raise StageError(f"{adapter / ADAPTER} is absent: that folder holds no trained adapter; run the stage 'train'")
    return MadeFrom(
        weights=weights,
        base_model=base_model,
        base_digest=model_digest(base_model),
        adapter_sha256=sha256_file(adapter / ADAPTER),
        axolotl=metadata.version("axolotl"),
        code=code.fingerprint("training.merging.merged_model"),
    )


def is_whole(folder: Path, expected: MadeFrom) -> bool:
    """Whether a folder holds a finished merge of exactly this origin."""
    try:
        return read_json(folder / RECORD, MadeFrom) == expected
    except (FileNotFoundError, ValueError):
        return False


def merge(
    train_file: Path, origin: MadeFrom, adapter: Path, folder: Path, log: Path, settings: Mapping[str, Any]
) -> None:
    """Make a whole merged model in `folder`, in place of what is there. StageError with the end of the log."""
    shutil.rmtree(folder, ignore_errors=True)
    scratch = folder.with_name(f"{folder.name}-axolotl")
    shutil.rmtree(scratch, ignore_errors=True)
    base = base_folder(origin.base_model, settings.get("revision_of_model"))
    command = merge_command(train_file, origin.weights, adapter, scratch, settings)
    if base != Path(origin.base_model):  # given a hub id, Axolotl would download the whole repository, copies and all
        command.append(f"--base-model={str(base)!r}")
    with progress(weight_bytes(base), f"merge {origin.weights}", "B") as bar:
        run_logged(command, log, lambda: bar.update(weight_bytes(scratch / "merged") - bar.n), "Axolotl's merge")
    _check_applied(log, adapter)
    merged = scratch / "merged"
    keep_model_files(merged)
    if origin.weights == "nf4":
        restore_unquantised(merged, base, adapter, settings)
    take_tokenizer(adapter, merged)
    write_json(merged / RECORD, origin.model_dump())
    merged.rename(folder)
    shutil.rmtree(scratch)


def merge_command(
    train_file: Path, weights: Weights, adapter: Path, output_dir: Path, settings: Mapping[str, Any]
) -> list[str]:
    """Axolotl's merge of the recipe's own file; only what the merge needs is overridden.

    Axolotl rounds to NF4 where the file says `adapter: qlora`, but without the double quantisation that training
    uses unless the file turns it off (0.19: `cfg.bnb_4bit_use_double_quant`, which no file sets, reads as off).
    """
    options: dict[str, object] = {"lora_model_dir": str(adapter), "output_dir": str(output_dir)}
    options["merge_method"] = "memory_efficient"
    if weights == "full":
        options |= {"adapter": "lora", "load_in_4bit": False}
    elif "bnb_4bit_use_double_quant" not in (settings.get("bnb_config_kwargs") or {}):
        options["bnb_config_kwargs__bnb_4bit_use_double_quant"] = True
    overrides = [
        f"--{name.replace('_', '-') if '__' not in name else name}={value!r}" for name, value in options.items()
    ]
    return [sys.executable, "-m", "axolotl.cli.merge_lora", str(train_file), *overrides]


def _check_applied(log: Path, adapter: Path) -> None:
    """StageError if Axolotl left a part of the adapter out, of which it only warns."""
    from safetensors import safe_open

    with safe_open(adapter / ADAPTER, framework="pt") as file:
        expected = sum(key.endswith("lora_A.weight") for key in file.keys())  # noqa: SIM118 - no mapping
    found = APPLIED.search(log.read_text(encoding="utf-8", errors="replace"))
    applied = int(found[1]) if found else 0
    if applied < expected:
        raise StageError(
            f"Axolotl merged {applied} of the adapter's {expected} layers ({log}): their names do not fit the base "
            f"model's. Check that base_model in train.yaml is the model that was trained"
        )


def base_folder(base_model: str, revision: str | None = None) -> Path:
    """The base model's folder: a local one, or that of a hub model in the cache (downloaded if it is not there)."""
    if Path(base_model).is_dir():
        return Path(base_model)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(base_model, revision=revision, allow_patterns=[WEIGHTS, "*.json"]))


def weight_bytes(folder: Path) -> int:
    """The size of a folder's safetensors, in bytes."""
    return sum(path.stat().st_size for path in folder.glob(WEIGHTS))
