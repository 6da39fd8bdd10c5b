"""What a rule is worth, on answers by hand: one rule pays, one does nothing, one harms, two do the same job."""

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.metrics import Scorer
from eval.score import compare
from oneday.records import Kind
from postprocess.ablation import Cleaner, Trials, ablate, what_changes
from postprocess.ablation_record import Ablation, Gain, RuleGain, SetResult
from postprocess.cases import Case, PromptMatch, RuleSet
from postprocess.chain import Step, step
from postprocess.paired_bootstrap import Draws
from postprocess.saved_answers import SavedAnswers, Texts

BOOTSTRAP = Bootstrap(resamples=400, confidence=0.95, seed=3)
KINDS: dict[str, Kind] = {"choice": "exact_match", "free": "generation"}
CUT, SAME_JOB = step("cut_at_blank_line"), step("cut_at_stop", stops=("\n\n",))
NOTHING, HARM = step("strip"), step("cut_at_stop", stops=(" and",))
RULES = RuleSet(
    cases=(
        Case(name="options", tasks=("choice",), prompt=PromptMatch(options=2), rules=(CUT, SAME_JOB, NOTHING)),
        Case(name="free", tasks=("free",), prompt=PromptMatch(contains=("Describe",)), rules=(HARM,)),
    ),
    default=(),
)


def judge(task: str, text: str, references: tuple[str, ...]) -> float:
    return Scorer("rouge_score", False).score(KINDS[task], text, references)


def answers(name: str = "model", reference: str = "B", texts: dict[str, list[str]] | None = None) -> SavedAnswers:
    """Ten choices, five of them right but for what follows a blank line, and ten free texts, right as they are."""
    raw = texts or {"choice": ["B\n\nnext", "A"] * 5, "free": ["red and blue"] * 10}
    return SavedAnswers(
        name,
        {
            task: Texts([f"{task}-{n}" for n in range(len(of_task))], ["Describe it."] * len(of_task), of_task)
            for task, of_task in raw.items()
        },
        {task: [(reference if task == "choice" else "red and blue",)] * len(of_task) for task, of_task in raw.items()},
    )


def measured(*sets: SavedAnswers) -> tuple[dict[Step, bool], list[SetResult], list[str]]:
    facts, results, dropped = ablate(sets, RULES, judge, BOOTSTRAP)
    return {s: fact.kept for s, fact in zip(RULES.steps, facts, strict=True)}, results, [each.rule for each in dropped]


def gains(result: SetResult) -> dict[Step, RuleGain]:
    return dict(zip(RULES.steps, result.rules, strict=True))


def test_scores_are_those_worked_out_by_hand() -> None:
    _, (result,), _ = measured(answers())
    assert (result.rows, result.tasks) == (20, 2)
    assert result.none.score == 0.5  # no choice is right, all free texts are
    assert result.all.score == pytest.approx((0.5 + 2 * 1 / (1 + 3)) / 2)  # half the choices; one word of three
    assert result.kept.score == pytest.approx((0.5 + 1) / 2)
    assert (result.all_gain.gain, result.kept_gain.gain) == pytest.approx((0.0, 0.25))


def test_a_rule_that_pays_is_told_from_one_that_does_nothing_and_one_that_harms() -> None:
    of = gains(measured(answers())[1][0])
    assert {of[CUT].alone.verdict, of[SAME_JOB].alone.verdict} == {"pays"}
    assert of[CUT].alone.gain == 0.25
    assert of[NOTHING].alone == of[NOTHING].chain == Gain(gain=0, low=0, high=0)
    assert of[HARM].chain == Gain(gain=-0.25, low=-0.25, high=-0.25)  # every free text loses the same
    assert of[HARM].chain.verdict == "harms"
    assert of[HARM].by_task == {"free": -0.5}


def test_two_rules_that_do_the_same_job_have_no_gain_beside_each_other_and_one_is_kept() -> None:
    kept, (result,), dropped = measured(answers())
    of = gains(result)
    assert of[CUT].chain == of[SAME_JOB].chain == Gain(gain=0, low=0, high=0)
    assert of[CUT].chain.verdict == "not shown"
    assert of[CUT].beside_kept == of[CUT].alone  # the only one that is kept
    assert of[SAME_JOB].beside_kept == Gain(gain=0, low=0, high=0)
    assert dropped == [str(HARM), str(NOTHING), str(SAME_JOB)]
    assert kept == {CUT: True, SAME_JOB: False, NOTHING: False, HARM: False}


def test_of_two_rules_without_gain_the_one_that_is_worth_less_alone_is_dropped_first() -> None:
    rules = RuleSet(default=(NOTHING, CUT, SAME_JOB))
    _, _, dropped = ablate([answers()], rules, judge, BOOTSTRAP)
    assert [each.rule for each in dropped] == [str(NOTHING), str(SAME_JOB)]


def test_a_rule_that_harms_one_set_is_dropped_though_it_pays_on_another() -> None:
    helped = answers("helped")
    harmed = answers("harmed", reference="B\n\nnext", texts={"choice": ["B\n\nnext"] * 8, "free": ["red and blue"]})
    kept, results, _ = measured(helped, harmed)
    assert [gains(result)[CUT].alone.verdict for result in results] == ["pays", "harms"]
    assert not any(kept.values())


def test_a_rule_that_pays_on_one_set_and_does_nothing_on_another_is_kept() -> None:
    clean = answers("clean", texts={"choice": ["A", "B"], "free": ["red"]})
    kept, _, _ = measured(clean, answers("helped"))
    assert [each for each, pays in kept.items() if pays] == [CUT]


def test_gains_and_intervals_are_those_of_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    table = {"a": rng.uniform(size=(2, 30)), "b": rng.uniform(size=(2, 7))}
    macro, (difference,) = compare(table, ["less", "more"], [("less", "more")], BOOTSTRAP)
    draws = Draws([30, 7], BOOTSTRAP)
    (gain,) = draws.gains([[values[1] - values[0] for values in table.values()]])
    assert (gain.gain, gain.low, gain.high) == pytest.approx((difference.score, difference.low, difference.high))
    interval = draws.interval([values[1] for values in table.values()])
    assert interval.model_dump() == pytest.approx(macro["more"].model_dump())


def test_gains_and_losses_that_cancel_out_are_exactly_nothing() -> None:
    thirds = np.array([0.1, 0.2, -0.3])
    (gain,) = Draws([3], Bootstrap(resamples=200, confidence=0.5, seed=0)).gains([[thirds]])
    assert gain.gain == 0
    assert Draws([3], BOOTSTRAP).gains([]) == []


def test_a_task_of_many_rows_counts_draws_beyond_a_byte() -> None:
    ones = np.ones(300)
    (gain,) = Draws([300], BOOTSTRAP).gains([[ones]])
    assert (gain.low, gain.gain, gain.high) == (1, 1, 1)


def test_changes_are_counted_in_the_chain_and_the_first_that_differ_are_shown() -> None:
    texts = {"choice": ["B\n\nnext", "B\n\nnext", " A ", "A\n\n", " B\n\n", "C \n\n"], "free": ["you and me"]}
    counts, changes = what_changes([answers(texts=texts)], RULES)
    assert counts["model"] == {CUT: 5, NOTHING: 3, HARM: 1}  # nothing is left for the second that cuts there
    shown = [(change.id, change.before, change.after) for change in changes[CUT]]
    assert shown == [("choice-0", "B\n\nnext", "B"), ("choice-3", "A\n\n", "A"), ("choice-4", " B\n\n", " B")]
    assert changes[SAME_JOB] == []
    assert [change.before for change in changes[NOTHING]] == [" A ", " B", "C "]


def test_a_step_that_stands_twice_in_a_chain_counts_a_text_once() -> None:
    rules = RuleSet(default=(NOTHING, HARM, NOTHING))
    counts, _ = what_changes([answers(texts={"free": [" you  and me"]})], rules)
    assert counts["model"] == {NOTHING: 1, HARM: 1}


def test_what_the_rules_make_of_a_text_does_not_depend_on_references() -> None:
    facts, (right,), _ = ablate([answers()], RULES, judge, BOOTSTRAP)
    others, (wrong,), _ = ablate([answers(reference="Z")], RULES, judge, BOOTSTRAP)
    assert [fact.changes for fact in facts] == [fact.changes for fact in others]
    assert right.none != wrong.all
    assert [rule.changed for rule in right.rules] == [rule.changed for rule in wrong.rules]


def test_each_distinct_text_is_judged_once() -> None:
    judged: list[tuple[str, str]] = []

    def counting(task: str, text: str, references: tuple[str, ...]) -> float:
        judged.append((task, text))
        return judge(task, text, references)

    trials = Trials(answers(), RULES, counting, BOOTSTRAP, Cleaner())
    trials.gains_in(RULES.steps)
    trials.scores(())
    assert sorted(judged) == sorted({("choice", "A"), ("choice", "B"), ("choice", "B\n\nnext"), *FREE})


FREE = {("free", "red"), ("free", "red and blue")}


def test_the_case_of_the_task_is_compared_with_the_case_of_the_prompt() -> None:
    _, (result,), _ = measured(answers())
    choice, free = result.served
    assert (choice.case, choice.server) == ("options", {"free": 10})
    assert (choice.other_rules, choice.other_texts) == (10, 5)  # the other five read "A" under any rules
    assert (free.case, free.server, free.other_rules) == ("free", {"free": 10}, 0)


def test_another_case_with_the_same_rules_is_no_disagreement() -> None:
    rules = RuleSet(cases=(Case(name="named", tasks=("free",), rules=(CUT,)),), default=(CUT,))
    _, (result,), _ = ablate([answers()], rules, judge, BOOTSTRAP)
    assert [task.other_rules for task in result.served] == [0, 0]
    assert result.served[1].server == {"default": 10}


def test_gains_expected_by_chance_count_rules_that_change_a_text() -> None:
    facts, results, dropped = ablate([answers()], RULES, judge, BOOTSTRAP)
    record = Ablation(
        recipe="r", rules_file="f", confidence=0.9, resamples=400, rules=facts, sets=results, dropped=dropped
    )
    assert record.by_chance == pytest.approx(2 * 0.05)  # CUT and HARM; the other two never change one
    assert [fact.rule for fact in record.kept] == [str(CUT)]
    assert facts[0].cases == ["options"]
