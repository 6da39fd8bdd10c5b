"""`translate.model`, a hub id or a local folder -> the folder of a model, and what it depends on.

Safetensors weights are used where there are any. Other weights (pytorch_model*.bin, as NLLB-200 has on the hub) are
read as tensors alone: torch.load with weights_only runs nothing that is in them.
"""

from pathlib import Path
from typing import Any

from data_prep.sources.hub import HUB_ID
from data_prep.translating.config import Translate
from oneday.files import sha256_once
from oneday.run_paths import located, stage_input

SAFETENSORS, PICKLED = "model*.safetensors", "pytorch_model*.bin"
BESIDE = ("*.json", "*.model", "*.spm", "*.txt")  # config, tokenizer; no code
KEY = "translate.model"


def model_fingerprint(settings: Translate) -> dict[str, Any]:
    """The hash of each file of a local model, or the hub's id and revision. Nothing is downloaded.

    A model that another stage made is one of the stage's inputs, and not told here. Raises as `model_folder` does.
    """
    if stage_input(settings.model) is not None:
        return {}
    folder = _local(settings, None)
    if folder is None:
        return {"hub": settings.model, "revision": settings.model_revision}
    return file_hashes(folder)


def file_hashes(folder: Path) -> dict[str, str]:
    """The hash of each file of a model that shapes its translations."""
    patterns = (*BESIDE, SAFETENSORS if has_safetensors(folder) else PICKLED)
    return {path.name: sha256_once(path) for path in sorted({p for pattern in patterns for p in folder.glob(pattern)})}


def model_folder(settings: Translate, run_dir: Path) -> Path:
    """The model's folder; one of the hub is downloaded into the hub's cache.

    FileNotFoundError or ValueError says what is absent, and what to do.
    """
    folder = _local(settings, run_dir) or _download(settings.model, settings.model_revision)
    _check(folder)
    return folder


def has_safetensors(folder: Path) -> bool:
    """Whether there are weights as safetensors."""
    return any(folder.glob(SAFETENSORS))


def _local(settings: Translate, run_dir: Path | None) -> Path | None:
    """The folder on disk; None for a hub id."""
    path = located(settings.model, run_dir)
    if path.is_dir():
        if settings.model_revision is not None:
            raise ValueError(f"translate.model_revision is for a model of the hub, but {path} is here; remove it")
        _check(path)
        return path
    if stage_input(settings.model) is None and HUB_ID.fullmatch(settings.model):
        return None
    below = "" if path.is_absolute() else f" below {Path.cwd()}, where the command runs"
    advice = "name the folder of a model, or a hub id such as facebook/nllb-200-3.3B"
    raise FileNotFoundError(f"{KEY}: there is no folder {path}{below}; {advice}")


def _check(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{KEY}: {folder} has no config.json; name a folder as transformers saves it")
    if not has_safetensors(folder) and not any(folder.glob(PICKLED)):
        raise FileNotFoundError(f"{KEY}: {folder} has no weights ({SAFETENSORS} or {PICKLED}); download them too")


def _download(hub_id: str, revision: str | None) -> Path:
    """The hub's snapshot of a model, cached; its weights in one form alone."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        for weights in (SAFETENSORS, PICKLED):
            folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=[*BESIDE, weights]))
            if any(folder.glob(weights)):
                break
        return folder
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"{KEY}: {hub_id} is no folder here, and not to be had from the hub ({reason}); name a local folder, or an "
            "id and model_revision that this machine may download (offline mode: unset HF_HUB_OFFLINE)"
        ) from error
