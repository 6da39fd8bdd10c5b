"""One training on one kind of card -> its memory, steps and hours, and whether it fits.

A `Case` holds what is given; `with_changes` is the same case after a change of train.yaml.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from training.planning.activations import Batch, masked
from training.planning.cards import Card
from training.planning.geometry import Geometry
from training.planning.hours import Hours, Measured, Work, assumed_efficiency, hours, with_measured
from training.planning.memory import GIB, Memory, memory, offered
from training.planning.packing import Epoch, full_batch
from training.planning.settings import TrainSettings
from training.planning.steps import Steps, count_steps

Rows = tuple[Epoch, Epoch | None]  # one epoch of the training, and one evaluation
RowsOf = Callable[[TrainSettings], Rows | None]


@dataclass(frozen=True)
class Case:
    """What a plan is made of. `rows_of` gives the batches that settings make of the rows; None if nothing is known."""

    geometry: Geometry
    settings: TrainSettings
    card: Card
    gpus: int
    rows_of: RowsOf
    measured: Measured | None = None
    teacher: Geometry | None = None

    def with_changes(self, changes: dict[str, Any]) -> "Case":
        """The case after a change of these keys; what was measured before does not count any more."""
        settings = TrainSettings.model_validate(self.settings.model_dump() | changes)
        return replace(self, settings=settings, measured=None)


@dataclass(frozen=True)
class Outlook:
    """What the training will take. `steps` and `hours` are None where the rows are not known."""

    memory: Memory
    room: float  # bytes that the card offers
    train: Epoch | None
    evaluate: Epoch | None
    steps: Steps | None
    hours: Hours | None
    budget_hours: float
    measured: Measured | None

    @property
    def peak(self) -> float:
        """Bytes at the most: measured, else calculated."""
        return self.memory.peak if self.measured is None else self.measured.peak_gib * GIB

    @property
    def memory_fits(self) -> bool:
        """Whether the card has enough."""
        return self.peak <= self.room

    @property
    def hours_fit(self) -> bool:
        """Whether it ends in time; yes where the hours are not known."""
        return self.hours is None or self.hours.total <= self.budget_hours

    @property
    def rows_fit(self) -> bool:
        """Whether no row stops the training for its length, and there is a batch to train on."""
        return self.train is None or self.train.micro_batches > 0

    @property
    def fits(self) -> bool:
        """All of it."""
        return self.memory_fits and self.hours_fit and self.rows_fit


def look(case: Case) -> Outlook:
    """Memory, steps and hours of a case."""
    settings = case.settings
    rows = case.rows_of(settings)
    train, evaluate = rows if rows else (None, None)
    evaluates = bool(settings.test_datasets or settings.val_set_size)
    tested: Batch | None = full_batch(settings, training=False) if evaluates else None
    if evaluate is not None and evaluate.micro_batches:
        tested = evaluate.widest
    widest = train.widest if train is not None and train.micro_batches else full_batch(settings)
    found = memory(case.geometry, settings, widest, tested, case.card, case.gpus, case.teacher)
    if train is None:
        return Outlook(found, offered(case.card), None, None, None, None, settings.budget_hours, case.measured)
    steps = count_steps(train, evaluate is not None and evaluate.micro_batches > 0, settings, case.gpus)
    time = _hours(case, Work(train, evaluate, steps, case.gpus, case.teacher))
    return Outlook(found, offered(case.card), train, evaluate, steps, time, settings.budget_hours, case.measured)


def _hours(case: Case, work: Work) -> Hours:
    with_mask = masked(case.geometry, case.settings)
    efficiency = assumed_efficiency(case.settings, with_mask, case.card)
    calculated = hours(case.geometry, case.settings, work, case.card, efficiency)
    return calculated if case.measured is None else with_measured(calculated, work, case.measured)
