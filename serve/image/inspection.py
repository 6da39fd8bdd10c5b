"""What a built image must be: run without rights, on port 80, and without anything of the machine that built it."""

from pathlib import Path
from typing import Any

from serve.image.host_settings import Mount
from serve.image.leaks import TOKENS, leaks

OURS = ("app", "model", "home", "run", "root", "tmp")


def config_faults(config: dict[str, Any]) -> list[str]:
    """What is wrong with the image's configuration."""
    user = str(config.get("User", ""))
    faults = [] if user.partition(":")[0] not in ("", "0", "root") else [f"runs as {user or 'root'}"]
    faults += [] if "80/tcp" in config.get("ExposedPorts", {}) else ["does not expose port 80"]
    faults += [] if config.get("Healthcheck") else ["has no health check"]
    named = [entry.partition("=")[0] for entry in config.get("Env", [])]
    return faults + [f"its environment has {name}" for name in named if "TOKEN" in name or name.startswith("PIP_")]


def record_faults(record: str, settings: dict[str, str], secret: str) -> list[str]:
    """What the image's history and environment tell of the machine: pip's addresses, or a secret of the build."""
    addresses = {word for value in settings.values() for word in value.split() if "://" in word}
    faults = [f"its history has {address}" for address in sorted(addresses) if address in record]
    return faults + (["its history has a secret"] if secret in record or TOKENS.search(record.encode()) else [])


def file_faults(root: Path, mounts: list[Mount], secret: str) -> list[str]:
    """Files that look like secrets, hold the build's secret, or hold what was only lent to the build."""
    ours = [path for place in OURS for path in sorted((root / place).rglob("*")) if _is_file(path)]
    faults = leaks((str(path.relative_to(root)), path) for path in ours)
    holding = [path for path in ours if path.suffix != ".safetensors" and secret.encode() in path.read_bytes()]
    faults += [f"{path.relative_to(root)}: has the build's secret" for path in holding]
    return faults + [f"{mount.target}: left in the image" for mount in mounts if _left(root, mount)]


def _left(root: Path, mount: Mount) -> bool:
    """Whether the image has something of a lent file or folder: more than an empty place to mount it."""
    place = root / mount.target.lstrip("/")
    if mount.source.is_dir():
        return any(_is_file(path) and path.stat().st_size > 0 for path in place.rglob("*"))
    return _is_file(place) and place.stat().st_size > 0 and place.read_bytes() == mount.source.read_bytes()


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
