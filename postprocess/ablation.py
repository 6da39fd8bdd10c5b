"""What each rule of a rule set is worth on saved answers: scores with none, each alone, all, all but one, the best few.

Texts in, records out; no files. The rules are applied to the texts of a whole task before any reference is read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from eval.config import Bootstrap
from postprocess.ablation_record import Change, Dropped, Gain, RuleFacts, RuleGain, ServedTask, SetResult, pays
from postprocess.cases import DEFAULT, Case, RuleSet
from postprocess.chain import Step, edits
from postprocess.paired_bootstrap import DECIMALS, Draws, Floats
from postprocess.saved_answers import SavedAnswers, Texts

Judge = Callable[[str, str, tuple[str, ...]], float]  # task, text after the rules, references -> score
Chain = tuple[Step, ...]
MOST_CHANGES = 3  # of a rule, as examples


class Cleaner:
    """Applies chains to texts. What a step makes of a text is computed once."""

    def __init__(self) -> None:
        self._made: dict[Step, dict[str, str]] = {}

    def clean(self, texts: Iterable[str], chain: Chain) -> list[str]:
        """Each text after the chain."""
        cleaned = list(texts)
        for step in chain:
            made = self._made.setdefault(step, {})
            for text in cleaned:
                if text not in made:
                    made[text] = step.apply(text)
            cleaned = [made[text] for text in cleaned]
        return cleaned


class Trials:
    """One set of answers, scored under any choice of the rules; a chain of a task is tried once."""

    def __init__(
        self, answers: SavedAnswers, rules: RuleSet, judge: Judge, bootstrap: Bootstrap, cleaner: Cleaner
    ) -> None:
        self.answers = answers
        self.chains: dict[str, Chain] = {task: rules.for_task(task).rules for task in answers.texts}
        self.draws = Draws([len(texts.raw) for texts in answers.texts.values()], bootstrap)
        self._judge = judge
        self._cleaner = cleaner
        self._judged: dict[tuple[str, str, tuple[str, ...]], float] = {}
        self._cleaned: dict[tuple[str, Chain], list[str]] = {}
        self._tried: dict[tuple[str, Chain], Floats] = {}

    def scores(self, active: Iterable[Step]) -> list[Floats]:
        """The rows' scores, an array a task, when of each task's chain the active steps alone are applied."""
        return [self._scored(task, chain) for task, chain in self._chosen(active)]

    def gains(self, pairs: Iterable[tuple[Iterable[Step], Iterable[Step]]]) -> list[Gain]:
        """What the first choice of each pair scores more than the second, row by row."""
        chosen = [(list(more), list(less)) for more, less in pairs]
        differences = [self.differences(more, less) for more, less in chosen]
        return self.draws.gains(differences, [self.changed(more, less) for more, less in chosen])

    def differences(self, more: Iterable[Step], less: Iterable[Step]) -> list[Floats]:
        """The same for each row."""
        return [a - b for a, b in zip(self.scores(more), self.scores(less), strict=True)]

    def changed(self, more: Iterable[Step], less: Iterable[Step]) -> int:
        """How many rows read otherwise under the first choice than under the second."""
        texts = zip(self._chosen(more), self._chosen(less), strict=True)
        pairs = ((self._texts(*a), self._texts(*b)) for a, b in texts)
        return sum(one != other for of_task in pairs for one, other in zip(*of_task, strict=True))

    def gains_in(self, steps: Sequence[Step]) -> list[Gain]:
        """What each of the steps adds to the others."""
        return self.gains((steps, without(steps, step)) for step in steps)

    def _chosen(self, active: Iterable[Step]) -> Iterator[tuple[str, Chain]]:
        """Each task with the active steps of its chain."""
        chosen = set(active)
        return ((task, tuple(s for s in chain if s in chosen)) for task, chain in self.chains.items())

    def _texts(self, task: str, chain: Chain) -> list[str]:
        if (task, chain) not in self._cleaned:
            self._cleaned[task, chain] = self._cleaner.clean(self.answers.texts[task].raw, chain)
        return self._cleaned[task, chain]

    def _scored(self, task: str, chain: Chain) -> Floats:
        if (task, chain) not in self._tried:
            pairs = zip(self._texts(task, chain), self.answers.references[task], strict=True)
            self._tried[task, chain] = np.array([self._score(task, text, wanted) for text, wanted in pairs])
        return self._tried[task, chain]

    def _score(self, task: str, text: str, references: tuple[str, ...]) -> float:
        key = task, text, references
        if key not in self._judged:
            self._judged[key] = self._judge(*key)
        return self._judged[key]


def ablate(
    sets: Sequence[SavedAnswers], rules: RuleSet, judge: Judge, bootstrap: Bootstrap
) -> tuple[list[RuleFacts], list[SetResult], list[Dropped]]:
    """The rules with what they change, their gains on every set, and which were dropped in turn.

    The same rows are drawn for all choices, so that differences are paired.
    """
    cleaner = Cleaner()
    trials = [Trials(answers, rules, judge, bootstrap, cleaner) for answers in sets]
    steps = rules.steps
    kept, dropped = eliminate(trials, steps)
    changes = what_changes(sets, rules)
    facts = [RuleFacts(rule=str(s), cases=_cases(rules, s), kept=s in kept, changes=changes[s]) for s in steps]
    return facts, [_result(trial, rules, kept, cleaner) for trial in trials], dropped


def eliminate(trials: Sequence[Trials], steps: Sequence[Step]) -> tuple[list[Step], list[Dropped]]:
    """The steps that are left when those that do not pay are dropped in turn, the least gain first.

    Two rules that do the same job have no gain beside each other; so one is dropped at a time, and the rest is
    measured again. Of equal gains (the mean over the sets), the step that is worth less alone goes first, then the
    later one.
    """
    alone = {step: _mean([trial.gains([((step,), ())])[0] for trial in trials]) for step in steps}
    kept, dropped = list(steps), []
    while kept:
        by_step = dict(zip(kept, zip(*(trial.gains_in(kept) for trial in trials), strict=True), strict=True))
        idle = [step for step in kept if not pays(by_step[step])]
        if not idle:
            break
        last = min(idle, key=lambda step: (_mean(by_step[step]), alone[step], -kept.index(step)))
        gains = {trial.answers.name: gain for trial, gain in zip(trials, by_step[last], strict=True)}
        dropped.append(Dropped(rule=str(last), gains=gains))
        kept.remove(last)
    return kept, dropped


def what_changes(sets: Sequence[SavedAnswers], rules: RuleSet) -> dict[Step, list[Change]]:
    """Of each step the first changes that differ, as it meets the texts in the chain."""
    changes: dict[Step, dict[str, Change]] = {step: {} for step in rules.steps}
    for answers in sets:
        for task, texts in answers.texts.items():
            chain = rules.for_task(task).rules
            for id, raw in zip(texts.ids, texts.raw, strict=True):
                before = raw
                for step, _, after in edits(raw, chain):
                    if len(changes[step]) < MOST_CHANGES:
                        change = Change(answers=answers.name, task=task, id=id, before=before, after=after)
                        changes[step].setdefault(before, change)
                    before = after
    return {step: list(of_step.values()) for step, of_step in changes.items()}


def served(task: str, texts: Texts, rules: RuleSet, cleaner: Cleaner) -> ServedTask:
    """The case that the evaluation takes by the task's name, against those that the server takes by its prompts."""
    case = rules.for_task(task)
    chosen = [rules.for_prompt(prompt) for prompt in texts.prompts]
    clean = partial(_cleaned, cleaner)
    other = [
        (raw, of_prompt) for raw, of_prompt in zip(texts.raw, chosen, strict=True) if of_prompt.rules != case.rules
    ]
    return ServedTask(
        task=task,
        case=case.name,
        rows=len(chosen),
        server=dict(sorted(Counter(of_prompt.name for of_prompt in chosen).items())),
        other_rules=len(other),
        other_texts=sum(clean(raw, of_prompt) != clean(raw, case) for raw, of_prompt in other),
    )


def without(steps: Iterable[Step], dropped: Step) -> list[Step]:
    """The other steps."""
    return [step for step in steps if step != dropped]


def _result(trial: Trials, rules: RuleSet, kept: Sequence[Step], cleaner: Cleaner) -> SetResult:
    """One set's part of the record."""
    steps, answers = rules.steps, trial.answers
    alone = trial.gains(((step,), ()) for step in steps)
    in_chain = trial.gains_in(steps)
    beside = trial.gains(([*kept, step], without(kept, step)) for step in steps)
    all_gain, kept_gain = trial.gains([(steps, ()), (kept, ())])
    none, everything, few = (trial.draws.interval(trial.scores(active)) for active in ((), steps, kept))
    return SetResult(
        name=answers.name,
        rows=answers.rows,
        tasks=len(answers.texts),
        none=none,
        all=everything,
        kept=few,
        all_gain=all_gain,
        kept_gain=kept_gain,
        rules=[
            RuleGain(
                alone=alone[n],
                chain=in_chain[n],
                beside_kept=beside[n],
                by_task=_by_task(trial, steps, step),
            )
            for n, step in enumerate(steps)
        ],
        served=[served(task, texts, rules, cleaner) for task, texts in answers.texts.items()],
    )


def _by_task(trial: Trials, steps: Sequence[Step], step: Step) -> dict[str, float]:
    """What the step adds to the others on each task where that is not 0."""
    differences = zip(trial.chains, trial.differences(steps, without(steps, step)), strict=True)
    means = {task: round(float(of_task.mean()), DECIMALS) for task, of_task in differences}
    return {task: mean for task, mean in means.items() if mean}


def _cases(rules: RuleSet, step: Step) -> list[str]:
    """The names of the cases that have the step, in the order of the file."""
    cases: list[tuple[str, Chain]] = [(case.name, case.rules) for case in rules.cases]
    return [name for name, chain in [*cases, (DEFAULT, rules.default)] if step in chain]


def _cleaned(cleaner: Cleaner, raw: str, case: Case) -> str:
    return cleaner.clean([raw], case.rules)[0]


def _mean(gains: Sequence[Gain]) -> float:
    return round(sum(gain.gain for gain in gains) / len(gains), DECIMALS)
