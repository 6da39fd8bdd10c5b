"""What HELM writes of a run, read into models: every request with its answer, and the statistics of each instance."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from oneday.files import read_json
from oneday.stage import StageError


class OutputText(BaseModel):
    """A text of an answer option."""

    text: str


class Reference(BaseModel):
    """An answer option."""

    output: OutputText


class Instance(BaseModel):
    """What was asked."""

    id: str
    references: list[Reference]


class Request(BaseModel):
    """The fields of a request that its answer is checked by."""

    prompt: str
    max_tokens: int
    stop_sequences: list[str]
    echo_prompt: bool


class Token(BaseModel):
    """A token of an answer."""

    text: str
    logprob: float


class Completion(BaseModel):
    """An answer's text with its tokens."""

    text: str
    logprob: float
    tokens: list[Token]


class Result(BaseModel):
    """An answer. `request_time`: the server's seconds."""

    success: bool
    completions: list[Completion] = Field(min_length=1)
    request_time: float


class RequestState(BaseModel):
    """A request and its answer. `reference_index`: the option that it scores, if it scores one."""

    instance: Instance
    reference_index: int | None = None
    request: Request
    result: Result
    prompt_truncated: bool

    @property
    def completion(self) -> Completion:
        """The completion that HELM reads."""
        return self.result.completions[0]


class _ScenarioState(BaseModel):
    request_states: list[RequestState]


class StatName(BaseModel):
    """A metric; with a perturbation it is another one."""

    name: str
    perturbation: object = None


class Stat(BaseModel):
    """A metric's values, added up."""

    name: StatName
    count: int
    sum: float = 0.0


class InstanceStats(BaseModel):
    """The metrics of one instance."""

    instance_id: str
    stats: list[Stat]

    def stat(self, name: str) -> Stat | None:
        """The metric of that name, over the instance as it is, if HELM computed it."""
        return next((stat for stat in self.stats if stat.name.name == name and stat.name.perturbation is None), None)


@dataclass(frozen=True)
class RunOutput:
    """One run of HELM."""

    name: str
    states: list[RequestState]
    instances: list[InstanceStats]

    def mean(self, metric: str) -> float | None:
        """The metric's mean over the instances, or None if HELM computed none."""
        stats = [stat for row in self.instances if (stat := row.stat(metric)) is not None and stat.count > 0]
        return sum(stat.sum / stat.count for stat in stats) / len(stats) if stats else None


def read_run(folder: Path) -> RunOutput:
    """A run's folder. Raises StageError if HELM has not finished it, ValueError that names a file that is damaged."""
    try:
        states = read_json(folder / "scenario_state.json", _ScenarioState).request_states
        rows = read_json(folder / "per_instance_stats.json", list[InstanceStats])
    except FileNotFoundError as error:
        raise StageError(f"{error.filename} is absent: HELM did not finish this run; see its log") from error
    return RunOutput(folder.name, states, rows)
