"""What the makers of parts are told: the recipe's side of it, and one job a part."""

from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.mixing.config import Mix
from data_prep.sources.chunks import Chunk
from data_prep.sources.mix_config import MixSource
from oneday.files import sha256_json


@dataclass(frozen=True)
class Context:
    """What all parts share. Paths must be readable wherever parts are made."""

    mix: Mix
    preamble: str
    seed: int
    base_model: str
    parts: Path
    held_out: Path | None
    eval_index: Path | None
    competition: Path | None = None


@dataclass(frozen=True)
class Job:
    """One part to make. `version` is what the source's data is: a hash of its files, or a hub's commit."""

    number: int
    source: MixSource
    chunk: Chunk
    version: str

    @property
    def digest(self) -> str:
        """What the part is made from, beside the recipe; the same place with other data has another one."""
        return sha256_json([asdict(self.chunk), self.version])

    @property
    def folder(self) -> str:
        """The part's name below the folder of all parts."""
        return part_folder(self.number)


def part_folder(number: int) -> str:
    """The name of a part's folder."""
    return f"{number:06}"
