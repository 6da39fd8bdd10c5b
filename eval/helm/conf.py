"""HELM's conf files: lists of run entries, in HOCON, which HELM's own environment reads for us."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.helm.running import HelmEnvironment
from eval.ranking.helm_stats import scenario_of
from oneday.files import atomic_write, first_fault

CONF_FILES = {stage: Path(__file__).with_name(f"{stage}.conf") for stage in ("open", "hidden")}
TO_JSON = """import json, sys
from pyhocon import ConfigFactory
print(json.dumps(ConfigFactory.parse_string(open(sys.argv[1], encoding="utf-8").read()).as_plain_ordered_dict()))"""
AUGMENTATION = "data_augmentation"
NUMBER = re.compile(r"-?[0-9.]+")


@dataclass(frozen=True)
class Description:
    """A run entry's description, NAME or NAME:KEY=VALUE,KEY=VALUE."""

    scenario: str
    arguments: dict[str, str]

    @classmethod
    def read(cls, text: str) -> "Description":
        """Its parts. ValueError if it has another form."""
        scenario, _, rest = text.partition(":")
        pairs = [pair.split("=", 1) for pair in rest.split(",") if pair]
        if not scenario or any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"{text!r} is no description of a run entry; it must be NAME or NAME:KEY=VALUE,KEY=VALUE")
        return cls(scenario, dict(pair for pair in pairs))

    def __str__(self) -> str:
        pairs = ",".join(f"{key}={value}" for key, value in self.arguments.items())
        return f"{self.scenario}:{pairs}" if pairs else self.scenario


class RunEntry(BaseModel):
    """A run entry, as HELM's conf files have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    priority: int | None = None
    groups: list[str] | None = None

    @property
    def parts(self) -> Description:
        """The description's parts."""
        return Description.read(self.description)

    def with_arguments(self, **changed: str) -> "RunEntry":
        """The entry with other values of some arguments."""
        parts = self.parts
        return self.model_copy(update={"description": str(Description(parts.scenario, parts.arguments | changed))})

    def plain(self) -> "RunEntry":
        """The entry without perturbed copies of its instances."""
        parts = self.parts
        kept = {key: value for key, value in parts.arguments.items() if key != AUGMENTATION}
        return self.model_copy(update={"description": str(Description(parts.scenario, kept))})


def is_of(name: str, entry: RunEntry) -> bool:
    """Whether HELM's run of that name is one of the entry's: of its scenario, and the arguments of both are the same.

    HELM leaves arguments out of names and adds some. It makes numbers, one a run, of a word such as
    big_bench_few_shot_setting, and the model of a word such as text.
    """
    own = dict(part.split("=", 1) for part in re.split("[:,]", name) if "=" in part)
    wanted = entry.parts.arguments
    if "/" not in wanted.get("model", ""):
        own.pop("model", None)
    return scenario_of(name) == entry.parts.scenario and all(
        own[key] == value.replace("/", "_") or (NUMBER.fullmatch(own[key]) and not NUMBER.fullmatch(value))
        for key, value in wanted.items()
        if key in own
    )


class _Conf(BaseModel):
    entries: list[RunEntry]


def read_conf(path: Path, environment: HelmEnvironment) -> list[RunEntry]:
    """The entries of a conf file. ValueError that names the file if HELM could not read it either."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is absent: name a conf file of HELM's run entries")
    command = [str(environment.command("python")), "-c", TO_JSON, str(path)]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    if read.returncode != 0:
        reason = read.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ValueError(f"{path} is not in HELM's form of conf files (HOCON): {reason[0]}")
    try:
        entries = _Conf.model_validate_json(read.stdout).entries
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from error
    for entry in entries:
        try:
            Description.read(entry.description)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return entries


def write_conf(path: Path, entries: Sequence[RunEntry]) -> None:
    """A conf file of the entries, for `helm-run --conf-paths`; JSON is HOCON too.

    A colon without arguments behind it is left out: HELM takes it only where the model is named in the description.
    """
    rows = [entry.model_dump(exclude_none=True) | {"description": str(entry.parts)} for entry in entries]
    with atomic_write(path) as file:
        json.dump({"entries": rows}, file, indent=1)
