"""What each rule is worth, as typed records: what `12_ablate/ablation.json` holds."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from eval.scores import Gap, Interval

Verdict = Literal["pays", "harms", "not shown", "changes nothing"]


class Record(BaseModel):
    """Base of the records: values cannot change."""

    model_config = ConfigDict(frozen=True)


class Gain(Record):
    """What one choice of rules scores more than another in macro average, with its bootstrap interval.

    `texts` counts the rows that read otherwise, `better` and `worse` those that score more and less for it.
    It pays or harms if the interval lies on one side of 0 and a sign test on the rows agrees.
    """

    gain: Gap
    low: Gap
    high: Gap
    texts: int = Field(ge=0)
    better: int = Field(ge=0)
    worse: int = Field(ge=0)
    verdict: Verdict


def pays(gains: Sequence[Gain]) -> bool:
    """Whether a rule pays on at least one set and harms none."""
    verdicts = {gain.verdict for gain in gains}
    return "pays" in verdicts and "harms" not in verdicts


class RuleGain(Record):
    """A rule on one set of answers.

    `alone`: the score with the rule alone minus that with none. `chain`: with all rules minus all others; `by_task`
    has that gain for each task where it is not 0. `beside_kept`: with it and the rules that pay minus those without it.
    """

    alone: Gain
    chain: Gain
    beside_kept: Gain
    by_task: dict[str, float]


class ServedTask(Record):
    """The case that the evaluation takes for a task, and how many of its prompts go to each case in the server.

    `other_rules` counts the rows whose rules differ, `other_texts` those of them that then read otherwise.
    """

    task: str
    case: str
    rows: int = Field(ge=1)
    server: dict[str, int]
    other_rules: int = Field(ge=0)
    other_texts: int = Field(ge=0)


class SetResult(Record):
    """One set of answers: scores with no rule, all rules, the rules that pay; `rules` is in the order of the file."""

    name: str
    rows: int = Field(ge=1)
    tasks: int = Field(ge=1)
    none: Interval
    all: Interval
    kept: Interval
    all_gain: Gain
    kept_gain: Gain
    rules: list[RuleGain]
    served: list[ServedTask]


class Change(Record):
    """What a rule made of a text that it met in the chain."""

    answers: str
    task: str
    id: str
    before: str
    after: str


class RuleFacts(Record):
    """A rule with its parameters, as YAML in one line; the cases that have it; the first texts that it changed."""

    rule: str
    cases: list[str]
    kept: bool
    changes: list[Change]


class Dropped(Record):
    """A rule that was dropped, and what it added to the rules that were left then, by set of answers."""

    rule: str
    gains: dict[str, Gain]


class Ablation(Record):
    """All of `ablation.json`. `notes` tell what the texts do not show."""

    recipe: str
    rules_file: str
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)
    rules: list[RuleFacts] = Field(min_length=1)
    sets: list[SetResult] = Field(min_length=1)
    dropped: list[Dropped]
    notes: list[str]

    @property
    def kept(self) -> list[RuleFacts]:
        """The rules that pay."""
        return [rule for rule in self.rules if rule.kept]
