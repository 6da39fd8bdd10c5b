"""A data set of the Hugging Face hub -> one Parquet file of a split, and the commit that it is from.

Scripts of data sets are never run.
"""

import re
from pathlib import Path
from typing import Any

from oneday.files import sha256_json

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


def download(name: str, config: str | None, split: str, revision: str, folder: Path) -> tuple[Path, str | None]:
    """The split as a file below `folder`, made once, and the commit of the revision, if the hub can be asked for it.

    ValueError says what to check if it cannot be loaded.
    """
    from datasets import disable_progress_bars, load_dataset
    from datasets.exceptions import DatasetsError
    from httpx import HTTPError

    commit = commit_of(name, revision)
    key = sha256_json([name, config, split, commit or revision])[:16]
    path = folder / key / f"{split}.parquet"
    if path.is_file():
        return path, commit
    disable_progress_bars()
    try:
        part = _part_of(name, config, commit or revision)
        data = load_dataset(name, **part, split=split, revision=commit or revision)
    except (OSError, ValueError, RuntimeError, DatasetsError, HTTPError) as error:
        raise ValueError(
            f"the data set {name} at revision {revision} could not be loaded: {error}; check path, revision, config "
            f"and split on https://huggingface.co/datasets/{name}. The revision refs/convert/parquet of one that "
            f"needs a script is plain Parquet. Or download the data set and give its folder as path"
        ) from error
    export(data, path)
    return path, commit


def _part_of(name: str, config: str | None, revision: str) -> dict[str, str]:
    """What chooses a part of a data set: a config that it names, or a folder, as in what the hub converts."""
    from datasets import get_dataset_config_names

    if config is None:
        return {}
    return {"name" if config in get_dataset_config_names(name, revision=revision) else "data_dir": config}


def export(data: Any, path: Path) -> None:
    """Write a loaded data set as Parquet, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    data.to_parquet(str(partial))
    partial.replace(path)


def commit_of(name: str, revision: str) -> str | None:
    """The commit that a branch or tag names; None if the hub cannot be reached or does not know it."""
    if COMMIT.fullmatch(revision):
        return revision
    from httpx import HTTPError
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(name, revision=revision, timeout=30).sha
    except (HTTPError, OSError):
        return None
