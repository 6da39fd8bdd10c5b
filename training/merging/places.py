"""Where the stage merge keeps what: each merge in work/ until it is measured, then the better one in model/."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.merging.merged_model import MadeFrom, Weights, is_whole
from training.merging.parity_record import PARITY


@dataclass(frozen=True)
class Places:
    """The stage's folder. A merged model in it is known by its record, wherever it stands."""

    folder: Path

    @property
    def model(self) -> Path:
        """The model that is kept."""
        return self.folder / "model"

    def other(self, weights: Weights) -> Path:
        """The other merge, where both are kept."""
        return self.folder / f"model-{weights}"

    def work(self, weights: Weights) -> Path:
        """A merge before it is measured."""
        return self.folder / "work" / weights

    def gguf(self, kind: str) -> Path:
        """The GGUF file of the model that is kept."""
        return self.folder / f"model-{kind}.gguf"

    def find(self, origin: MadeFrom) -> Path | None:
        """The folder of a finished merge of exactly this origin; None if it is not there."""
        places = (self.model, self.other(origin.weights), self.work(origin.weights))
        return next((place for place in places if is_whole(place, origin)), None)

    def forget_results(self, origins: Mapping[Weights, MadeFrom]) -> None:
        """Delete what an earlier start left: its record, its exports, and models that none of `origins` made."""
        for path in (self.folder / PARITY, *self.folder.glob("model-*.gguf")):
            path.unlink(missing_ok=True)
        kept = {self.find(origin) for origin in origins.values()}
        for place in (self.model, self.other("full"), self.other("nf4")):
            if place not in kept:
                shutil.rmtree(place, ignore_errors=True)

    def settle(self, origins: Mapping[Weights, MadeFrom], better: Weights, keep_both: bool) -> None:
        """Put the better merge into model/, keep or delete the other, clear the work away. Whole after any kill."""
        for weights, origin in origins.items():
            place = self.find(origin)
            if weights == better or place is None:
                continue
            if not keep_both:
                shutil.rmtree(place)
            elif place != self.other(weights):
                self._move(place, self.other(weights))
        place = self.find(origins[better])
        assert place is not None, "the better merge was made before it was measured"
        if place != self.model:
            self._move(place, self.model)
        shutil.rmtree(self.folder / "work", ignore_errors=True)

    def _move(self, source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)
