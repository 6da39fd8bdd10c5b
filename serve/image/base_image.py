"""Debian, Python and torch as a local base image, for a machine that has no registry of images within reach.

It stands in for the Dockerfile's own BASE_IMAGE. The package mirror's address stays in it: never publish it.
"""

from dataclasses import dataclass
from pathlib import Path

from serve.image.buildah import Buildah, run_logged
from serve.image.host_settings import Mount

BASE = "localhost/oneday-base:local"
PACKAGES = "python3,python3-pip,ca-certificates"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONSTRAINTS = "/tmp/constraints.txt"


@dataclass(frozen=True)
class Debian:
    """Which release, and from where."""

    suite: str
    mirror: str


def make_base_image(buildah: Buildah, debian: Debian, constraints: Path, mounts: list[Mount], log: Path) -> None:
    """Build the image `BASE`. ImageError with the last lines of the log if a step fails."""
    container = buildah.run("from", "--name", "oneday-base", "scratch")
    root = buildah.run("mount", container)
    unpack = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", debian.suite, root, debian.mirror]
    run_logged(unpack, log)
    pip = ["/usr/bin/python3", "-m", "pip", "install", "--break-system-packages", "--no-cache-dir"]
    lent = [*mounts, Mount(constraints, CONSTRAINTS)]
    options = [word for mount in lent for word in mount.option]
    buildah.run("config", "--env", f"PATH={PATH}", container)
    install = [*pip, "--root-user-action", "ignore", "--constraint", CONSTRAINTS, "torch"]
    buildah.run("run", "--isolation", "chroot", *options, container, "--", *install, log=log)
    buildah.run("umount", container)
    buildah.run("commit", "--rm", "--quiet", container, BASE, log=log)
