"""A clone of what an image is made of, in version control of its own, and toy weights for it."""

import shutil
import subprocess
from pathlib import Path

from serve.image.context import CODE, ROOT, SINGLE_FILES


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def make_clone(folder: Path) -> Path:
    """The real code, Dockerfile and quickstart recipe, all tracked."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*CODE, "recipes/quickstart"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in (*SINGLE_FILES, "Dockerfile", ".gitignore"):
        shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    return folder


def make_weights(folder: Path, *names: str) -> Path:
    """A model's folder with these files, each its own name as content."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    return folder
