"""Hub -> the weights in the image, while it is built. An empty name means there is nothing to fetch.

    python3 -m serve.image.download --to /model --base-model OWNER/NAME@REVISION --adapter OWNER/NAME

The token, if one is needed, is read by huggingface_hub from the file that HF_TOKEN_PATH names.
"""

import argparse
import shutil
import sys
from pathlib import Path

from serve.image.weight_files import ADAPTER, BASE, PATTERNS

NOT = ["*/*", "consolidated*"]  # other models in folders of their own; the same weights once more, in Mistral's form


def repository(name: str) -> tuple[str, str]:
    """A hub id and its revision, which is `main` where none is named. ValueError if it has no owner."""
    hub_id, _, revision = name.partition("@")
    owner, slash, model = hub_id.partition("/")
    if not (owner and slash and model) or "/" in model:
        raise ValueError(f"{name!r} is no hub id; write OWNER/NAME, or OWNER/NAME@REVISION")
    return hub_id, revision or "main"


def fetched(name: str, folder: Path | None = None) -> Path:
    """The folder with the files that serving needs: `folder`, else one of the hub's cache.

    ValueError if the hub has no safetensors of this name; OSError if it cannot be reached or refuses.
    """
    from huggingface_hub import snapshot_download

    hub_id, revision = repository(name)
    got = Path(
        snapshot_download(
            hub_id, revision=revision, local_dir=folder, allow_patterns=list(PATTERNS), ignore_patterns=NOT
        )
    )
    if not any(got.glob("*.safetensors")):
        raise ValueError(f"{name} has no .safetensors file, and no other weights are taken; convert it first")
    return got


def download(name: str, folder: Path) -> None:
    """Fetch the weights into a folder of the image. ValueError if it has some already."""
    if any(folder.glob("*.safetensors")):
        raise ValueError(f"{folder} has weights of the build context, so {name} is not fetched; give only one of them")
    fetched(name, folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes on what it fetched


def main(argv: list[str] | None = None) -> int:
    """Fetch what is named; 2 if a name is wrong, 1 if the hub does not give it."""
    parser = argparse.ArgumentParser(description="Fetch a model's weights from the hub.")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--base-model", default="")
    parser.add_argument("--adapter", default="")
    arguments = parser.parse_args(argv)
    try:
        for name, folder in ((arguments.base_model, BASE), (arguments.adapter, ADAPTER)):
            if name:
                download(name, arguments.to / folder)
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Error: the hub does not give it: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
