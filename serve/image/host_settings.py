"""How this machine reaches its package registries -> what a build is lent of it, mounted read-only, never copied.

Read from pip's own configuration: its files, its variables, and the local folders and files that these name.
"""

import ast
import subprocess
import sys
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

CONTAINER_PIP_CONF = "/etc/pip.conf"


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine, and where a container sees it."""

    source: Path
    target: str

    @property
    def option(self) -> list[str]:
        """As an option of buildah."""
        return ["--volume", f"{self.source}:{self.target}:ro"]


def registry_mounts(folder: Path) -> list[Mount]:
    """pip's settings as one file, written to `folder`, and the local places that they name."""
    settings = pip_settings()
    if not settings:
        return []
    conf = folder / "pip.conf"
    with conf.open("w", encoding="utf-8") as file:
        as_configuration(settings).write(file)
    places = [Mount(path, str(path)) for path in local_places(settings)]
    return [Mount(conf, CONTAINER_PIP_CONF), *places]


def pip_settings() -> dict[str, str]:
    """pip's settings as `section.option` -> value. A variable wins over a file, as it does for pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return merged_settings(listed.splitlines())


def merged_settings(lines: list[str]) -> dict[str, str]:
    """The lines of `pip config list` as one set of settings."""
    pairs = [(name, str(ast.literal_eval(value))) for name, _, value in (line.partition("=") for line in lines)]
    variables = {name.replace(":env:", "global", 1): value for name, value in pairs if name.startswith(":env:")}
    return {name: value for name, value in pairs if not name.startswith(":env:")} | variables


def as_configuration(settings: dict[str, str]) -> RawConfigParser:
    """The settings in the form of a pip.conf."""
    configuration = RawConfigParser()
    for name, value in settings.items():
        section, _, option = name.partition(".")
        if not configuration.has_section(section):
            configuration.add_section(section)
        configuration.set(section, option, value)
    return configuration


def local_places(settings: dict[str, str]) -> list[Path]:
    """The files and folders of this machine that the settings name, without those below another."""
    words = [word.removeprefix("file://") for value in settings.values() for word in value.split()]
    there = sorted({Path(word) for word in words if word.startswith("/") and Path(word).exists()})
    whole = [_registry_root(path) for path in there]
    return [path for path in dict.fromkeys(whole) if not any(other in path.parents for other in whole)]


def _registry_root(path: Path) -> Path:
    """A folder `simple` is an index, whose links may lead to its neighbours."""
    return path.parent if path.is_dir() and path.name == "simple" else path
