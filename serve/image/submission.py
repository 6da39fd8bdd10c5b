"""A recipe -> the submission: a zip that builds with `docker build .` and serves on port 80, or that as a folder.

    python -m serve.image.submission recipes/quickstart [--out X.zip or FOLDER] [--base-model M] [--adapter A]

The same files give the same bytes. manifest.json in it has the size and hash of each. Nothing is written if a file
looks like a secret.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from oneday.console import run_command, typer_main
from oneday.options import RecipeFolder
from oneday.recipe import load_recipe
from serve.image.context import Context, build_context
from serve.image.leaks import leaks

FIRST_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
CHUNK = 2**20


def manifest(context: Context) -> str:
    """What is in the submission, as JSON: recipe, weights, and each file's size and SHA-256."""
    files = {name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for name, path in context.files.items()}
    files["Dockerfile"] = {
        "bytes": len(context.dockerfile.encode()),
        "sha256": hashlib.sha256(context.dockerfile.encode()).hexdigest(),
    }
    weights = {"base_model": context.weights.base_model, "adapter": context.weights.adapter}
    told = {part: "inside" if isinstance(source, Path) else source for part, source in weights.items()}
    content = {"recipe": context.recipe, "weights": told, "files": dict(sorted(files.items()))}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_zip(context: Context, out: Path) -> None:
    """Write the zip, whole or not at all. ValueError if a file looks like a secret."""
    _refuse_leaks(context)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name, text in (("Dockerfile", context.dockerfile), ("manifest.json", manifest(context))):
                archive.writestr(_entry(name), text.encode(), zipfile.ZIP_DEFLATED, 6)
            for name, path in context.files.items():
                entry = _entry(name)
                entry.file_size = path.stat().st_size
                if path.suffix != ".safetensors":  # weights do not shrink
                    entry.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, CHUNK)
        partial.replace(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _entry(name: str) -> zipfile.ZipInfo:
    """A file of fixed time and rights."""
    entry = zipfile.ZipInfo(name, FIRST_TIME)
    entry.create_system = 3  # Unix, on every machine
    entry.external_attr = 0o100644 << 16
    return entry


def write_folder(context: Context, out: Path) -> None:
    """The same as a folder; large files are linked, not copied, where the disk allows. Replaces what is there."""
    _refuse_leaks(context)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        partial = Path(name) / "context"
        partial.mkdir()
        (partial / "Dockerfile").write_text(context.dockerfile, encoding="utf-8", newline="\n")
        (partial / "manifest.json").write_text(manifest(context), encoding="utf-8", newline="\n")
        for file, path in context.files.items():
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(path.resolve(), partial / file)
        if out.exists():
            if not (out / "manifest.json").is_file():
                raise ValueError(f"{out} is there and no submission; name another folder")
            shutil.rmtree(out)
        partial.replace(out)


def _link_or_copy(source: Path, target: Path) -> None:
    if source.suffix == ".safetensors":
        with suppress(OSError):  # another disk, or one without links
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _refuse_leaks(context: Context) -> None:
    if found := leaks(context.files.items()):
        raise ValueError("nothing was written; these must not be given away:\n  " + "\n  ".join(found))


Out = Annotated[
    Path | None, typer.Option(help="A .zip, or a folder to build from [default: runs/RECIPE/submission.zip].")
]
BaseModel = Annotated[
    str | None, typer.Option(help="Folder, or hub id to fetch while the image is built [default: as trained].")
]
Adapter = Annotated[str | None, typer.Option(help="The same of the adapter [default: what the recipe trained].")]


def main(argv: list[str] | None = None) -> int:
    """Write the submission and say its size."""

    def command(recipe: RecipeFolder, out: Out = None, base_model: BaseModel = None, adapter: Adapter = None) -> int:
        return run_command(lambda: _submit(recipe, out, base_model, adapter))

    return typer_main(command, __doc__ or "", argv)


def _submit(recipe: Path, out: Path | None, base_model: str | None, adapter: str | None) -> None:
    loaded = load_recipe(recipe)
    context = build_context(loaded, base_model, adapter)
    target = out or loaded.default_out / "submission.zip"
    (write_zip if target.suffix == ".zip" else write_folder)(context, target)
    size = sum(path.stat().st_size for path in context.files.values())
    packed = f", packed {target.stat().st_size / 1e6:.1f} MB" if target.is_file() else ""
    print(f"{target}: {len(context.files) + 2} files, {size / 1e6:.1f} MB{packed}")
    for source in (context.weights.base_model, context.weights.adapter):
        if isinstance(source, str) and "@" not in source:
            print(f"{source} is fetched while the image is built, as it is then; write {source}@COMMIT to fix it")


if __name__ == "__main__":
    sys.exit(main())
