"""A training's plan beside what it took: plan.json and run.json -> planned, measured and ratio of each quantity."""

from pydantic import BaseModel, ConfigDict, computed_field

from training.plan_record import Planned, PlanRecord
from training.run_record import RunRecord

NOT_PLANNED = (
    "06_train has no plan.json: it was made before there was one or not by the stage train, or the planner failed "
    "(06_train/work/plan.log has its words)"
)
NOT_MEASURED = "nothing was measured: the training ran without training.plugin.OneDayPlugin"


class Compared(BaseModel):
    """One quantity as planned and as measured."""

    model_config = ConfigDict(frozen=True)

    planned: float
    measured: float

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def ratio(self) -> float | None:
        """Measured over planned; None if nothing was planned."""
        return round(self.measured / self.planned, 4) if self.planned else None


class PlannedAndMeasured(BaseModel):
    """A training that was planned for `card`. Measured seconds are from the first launch, pauses included."""

    model_config = ConfigDict(frozen=True)

    card: str
    tokens: Compared  # passed through the model in training, padding included
    steps: Compared
    seconds: Compared  # all parts
    train_seconds: Compared
    evaluate_seconds: Compared
    save_seconds: Compared
    peak_memory_gib: Compared
    offered_memory_gib: float  # what the card has for programs


def compare_with_plan(record: PlanRecord | None, run: RunRecord | None) -> tuple[PlannedAndMeasured | None, str | None]:
    """The comparison, or None and the reason why there is none."""
    if record is None:
        return None, NOT_PLANNED
    if record.plan is None:
        return None, record.reason
    if run is None:
        return None, NOT_MEASURED
    ran_on, planned_for = (
        _devices(run.hardware.get("gpu"), run.processes),
        _devices(record.plan.gpu, record.plan.devices),
    )
    if ran_on != planned_for:
        return None, f"the plan is for {planned_for}, and the training ran on {ran_on}"
    return _compared(record.plan, run), None


def _devices(gpu: str | None, number: int) -> str:
    return f"{number} x {gpu or 'the processor'}"


def _compared(plan: Planned, run: RunRecord) -> PlannedAndMeasured:
    return PlannedAndMeasured(
        card=plan.card,
        tokens=Compared(planned=plan.tokens, measured=run.tokens),
        steps=Compared(planned=plan.steps, measured=run.steps),
        seconds=Compared(planned=plan.seconds.total, measured=run.wall_seconds),
        train_seconds=Compared(planned=plan.seconds.train, measured=run.seconds.train),
        evaluate_seconds=Compared(planned=plan.seconds.evaluate, measured=run.seconds.evaluate),
        save_seconds=Compared(planned=plan.seconds.save, measured=run.seconds.save),
        peak_memory_gib=Compared(planned=plan.peak_memory_gib, measured=run.peak_memory_gib),
        offered_memory_gib=plan.offered_memory_gib,
    )
