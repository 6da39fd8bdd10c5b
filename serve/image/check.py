"""Build the Dockerfile from a recipe's submission, run the image and ask it; no Docker engine is needed, but root is.

    python -m serve.image.check recipes/quickstart [--work DIR]

Needs the recipe's trained model, and `apt-get install buildah debootstrap`. Prints the seconds of each part.
"""

import secrets
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from oneday.console import run_command, typer_main
from oneday.options import RecipeFolder
from oneday.recipe import load_recipe
from serve.image.base_image import BASE, Debian, make_base_image
from serve.image.buildah import Buildah, ImageError, lacking, own_store
from serve.image.context import ROOT, build_context
from serve.image.host_settings import Mount, pip_settings, registry_mounts
from serve.image.inspection import config_faults, file_faults, record_faults
from serve.image.submission import write_zip
from serve.image.trial import ask_all, served

IMAGE = "localhost/oneday-submission:check"
Report = Callable[[str], None]


def check_image(recipe: Path, work: Path, debian: Debian, keep: bool, report: Report = print) -> None:
    """All of it. ImageError at the first thing that is not as it must be."""
    log = work / "log.txt"
    log.unlink(missing_ok=True)
    mounts = registry_mounts(work)
    with own_store(work, keep) as buildah:
        report(f"          store: {buildah.driver}")
        if not buildah.has(BASE):
            with timed(report, f"base image: Debian {debian.suite}, Python, torch"):
                make_base_image(buildah, debian, ROOT / "constraints.txt", mounts, log)
        with timed(report, "submission: made and unpacked"):
            context = _unpacked_submission(recipe, work)
        secret = f"hf_{secrets.token_hex(20)}"
        with timed(report, "image: built from the Dockerfile"):
            build(buildah, context, mounts, secret, log)
        with timed(report, "image: looked through"):
            container = buildah.run("from", "--name", "oneday-trial", IMAGE)
            _refuse_faults(buildah, container, mounts, secret, report)
        with timed(report, "container: started, asked, stopped"):
            _try_container(buildah, container, log, report)


@contextmanager
def timed(report: Report, part: str) -> Iterator[None]:
    """Report how long a part took, if it ends well."""
    start = time.monotonic()
    yield
    report(f"{time.monotonic() - start:6.1f} s  {part}")


def _unpacked_submission(recipe: Path, work: Path) -> Path:
    """The submission's zip, unpacked as by a user whose files are for nobody else: what the judges would build from."""
    archive, context = work / "submission.zip", work / "context"
    shutil.rmtree(context, ignore_errors=True)  # of an earlier check in the same folder
    write_zip(build_context(load_recipe(recipe), None, None), archive)
    with zipfile.ZipFile(archive) as file:
        file.extractall(context)
    archive.unlink()
    for path in (context, *context.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return context


def build(buildah: Buildah, context: Path, mounts: list[Mount], secret: str, log: Path) -> None:
    """The Dockerfile's image, its layers as one. The secret stands for a hub token."""
    token = context.parent / "token"
    token.write_text(secret, encoding="utf-8")
    lent = [word for mount in mounts for word in mount.option]
    options = ["--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never"]
    given = ["--build-arg", f"BASE_IMAGE={BASE}", "--secret", f"id=hf_token,src={token}", "--tag", IMAGE]
    try:
        buildah.run("build", *options, *given, *lent, str(context), log=log)
    finally:
        token.unlink()


def _refuse_faults(buildah: Buildah, container: str, mounts: list[Mount], secret: str, report: Report) -> None:
    """ImageError lists what is wrong with the image, of which `container` is a fresh one."""
    config, record = buildah.inspected(IMAGE)
    root = Path(buildah.run("mount", container))
    faults = config_faults(config) + record_faults(record, pip_settings(), secret) + file_faults(root, mounts, secret)
    size, ours = folder_bytes(root), folder_bytes(root / "app") + folder_bytes(root / "model")
    report(f"          {size / 1e6:.0f} MB, of it code and weights {ours / 1e6:.0f} MB; user {config['User']}")
    buildah.run("umount", container)
    if faults:
        raise ImageError("the image is not fit to be given away:\n  " + "\n  ".join(faults))


def folder_bytes(folder: Path) -> int:
    """The bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _try_container(buildah: Buildah, container: str, log: Path, report: Report) -> None:
    """ImageError if the container does not answer as it must, or runs as root."""
    start = time.monotonic()
    entry = buildah.inspected(IMAGE)[0]["Entrypoint"]
    with served(buildah, container, entry, log) as (port, server):
        user = server.uids().real
        report(f"          ready after {time.monotonic() - start:.1f} s, user {user}")
        if user == 0:
            raise ImageError("the server runs as root")
        ask_all(port)


Work = Annotated[Path | None, typer.Option(help="Keep base image and log here [default: a folder that is removed].")]
Suite = Annotated[str, typer.Option(help="Debian release of the base image.")]
Mirror = Annotated[str, typer.Option(help="Where debootstrap gets it.")]


def main(argv: list[str] | None = None) -> int:
    """Check the image of a recipe; 0 if it is as it must be."""

    def command(
        recipe: RecipeFolder = Path("recipes/quickstart"),
        work: Work = None,
        suite: Suite = "bookworm",
        mirror: Mirror = "http://deb.debian.org/debian",
    ) -> int:
        return run_command(lambda: _check(recipe, work, Debian(suite, mirror)))

    return typer_main(command, __doc__ or "", argv)


def _check(recipe: Path, work: Path | None, debian: Debian) -> None:
    if missing := lacking():
        raise ValueError(f"an image cannot be built here; needed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="oneday-image-") as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        check_image(recipe, folder.resolve(), debian, keep=work is not None)


if __name__ == "__main__":
    sys.exit(main())
