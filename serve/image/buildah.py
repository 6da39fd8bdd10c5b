"""buildah, with a store of its own that is thrown away: no daemon, no registry. Needs root."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oneday.stage import StageError

NEEDED = ("buildah", "debootstrap")


def lacking() -> list[str]:
    """What a build on this machine lacks; empty if it can go ahead."""
    tools = [f"{tool} (apt-get install {tool})" for tool in NEEDED if shutil.which(tool) is None]
    if os.geteuid():
        return [*tools, "root rights"]
    return tools if _may_mount() else [*tools, "the right to mount (in a container: --privileged)"]


def _may_mount() -> bool:
    """Whether this process may make mounts of its own, as a root without all rights may not."""
    unshare = shutil.which("unshare", path="/usr/bin:/bin")
    return (
        unshare is not None
        and subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False).returncode == 0
    )


class ImageError(StageError):
    """The image was not built, or is not as it must be."""


def run_logged(command: list[str], log: Path) -> None:
    """Run a command with its output at the end of `log`. ImageError with the log's last lines if it fails."""
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
    if code:
        raise ImageError(f"{command[0]} ended with {code}:\n{log.read_text(encoding='utf-8')[-2000:]}")


@dataclass(frozen=True)
class Buildah:
    """Commands on one store. Its driver is overlay, or vfs, which copies whole images, where overlays do not work."""

    store: Path
    driver: Literal["overlay", "vfs"]

    @property
    def command(self) -> list[str]:
        """What every command begins with."""
        places = ["--root", str(self.store / "storage"), "--runroot", str(self.store / "run")]
        return ["buildah", *places, "--storage-driver", self.driver]

    def run(self, *arguments: str, log: Path | None = None) -> str:
        """The command's answer; with `log`, its output goes there. ImageError with its last lines if it fails."""
        command = [*self.command, *arguments]
        if log is not None:
            run_logged(command, log)
            return ""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ImageError(f"buildah {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.strip()

    def has(self, name: str) -> bool:
        """Whether an image of this name is in the store."""
        return (
            subprocess.run(
                [*self.command, "inspect", "--type", "image", name], capture_output=True, check=False
            ).returncode
            == 0
        )

    def inspected(self, name: str) -> tuple[dict[str, Any], str]:
        """The image's configuration as Docker would have it, and all that is recorded of the image as text."""
        text = self.run("inspect", "--type", "image", name)
        config: dict[str, Any] = json.loads(text)["Docker"]["config"]
        return config, text


@contextmanager
def own_store(folder: Path, keep: bool = False) -> Iterator[Buildah]:
    """A store below `folder`. Afterwards its containers are removed, and unless it is kept, images and store too."""
    buildah = Buildah(folder / "buildah", driver="overlay" if overlay_works(folder) else "vfs")
    try:
        yield buildah
    finally:
        buildah.run("rm", "--all")
        if not keep:
            _remove(buildah.store)


def overlay_works(folder: Path) -> bool:
    """Whether a container can be made and mounted by overlays below `folder`."""
    probe = Buildah(folder / "probe", driver="overlay")
    try:
        container = probe.run("from", "scratch")
        probe.run("mount", container)
        probe.run("rm", container)
    except ImageError:
        return False
    finally:
        _remove(probe.store)
    return True


def _remove(store: Path) -> None:
    """Delete the store. What is still mounted in it is unmounted first: it would be deleted too."""
    for place in reversed(_mounted_below(store)):
        subprocess.run(["umount", str(place)], check=False)
    if left := _mounted_below(store):
        raise ImageError(f"{left[0]} is still mounted; unmount it, then remove {store}")
    if store.exists():
        shutil.rmtree(store)


def _mounted_below(store: Path) -> list[Path]:
    """The places in the store where something is mounted, in the order in which it was."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    places = [Path(line.split()[4]) for line in lines]
    return [place for place in places if place.is_relative_to(store.resolve())]
