"""What a rule is worth, on answers by hand: one rule pays, one does nothing, one harms, two do the same job."""

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.metrics.scorer import Scorer
from eval.score import compare
from oneday.records import Kind
from postprocess.ablation import Cleaner, Trials, ablate, what_changes
from postprocess.ablation_page import render_page
from postprocess.ablation_record import Ablation, Gain, RuleGain, SetResult, Verdict
from postprocess.ablation_table import pays_after_all, render
from postprocess.cases import Case, PromptMatch, RuleSet
from postprocess.chain import Step, step
from postprocess.paired_bootstrap import Draws
from postprocess.saved_answers import SavedAnswers, Texts

BOOTSTRAP = Bootstrap(resamples=400, confidence=0.95, seed=3)
KINDS: dict[str, Kind] = {"choice": "exact_match", "free": "generation"}
CUT, SAME_JOB = step("cut_at_blank_line"), step("cut_at_stop", stops=("\n\n",))
NO_GAIN = Gain(gain=0, low=0, high=0, texts=0, better=0, worse=0, verdict="changes nothing")
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
    """Twelve choices, six of them right but for what follows a blank line, and twelve free texts, right as they are."""
    raw = texts or {"choice": ["B\n\nnext", "A"] * 6, "free": ["red and blue"] * 12}
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
    assert (result.rows, result.tasks) == (24, 2)
    assert result.none.score == 0.5  # no choice is right, all free texts are
    assert result.all.score == pytest.approx((0.5 + 2 * 1 / (1 + 3)) / 2)  # half the choices; one word of three
    assert result.kept.score == pytest.approx((0.5 + 1) / 2)
    assert (result.all_gain.gain, result.kept_gain.gain) == pytest.approx((0.0, 0.25))


def test_a_rule_that_pays_is_told_from_one_that_does_nothing_and_one_that_harms() -> None:
    of = gains(measured(answers())[1][0])
    assert {of[CUT].alone.verdict, of[SAME_JOB].alone.verdict} == {"pays"}
    assert of[CUT].alone.gain == 0.25
    assert of[NOTHING].alone == of[NOTHING].chain == NO_GAIN
    every_free_text_loses_the_same = {"gain": -0.25, "low": -0.25, "high": -0.25, "texts": 12, "better": 0, "worse": 12}
    assert of[HARM].chain.model_dump() == {**every_free_text_loses_the_same, "verdict": "harms"}
    assert of[HARM].by_task == {"free": -0.5}


def test_two_rules_that_do_the_same_job_have_no_gain_beside_each_other_and_one_is_kept() -> None:
    kept, (result,), dropped = measured(answers())
    of = gains(result)
    assert of[CUT].chain == of[SAME_JOB].chain == NO_GAIN
    assert of[CUT].beside_kept == of[CUT].alone  # the only one that is kept
    assert of[SAME_JOB].beside_kept == NO_GAIN
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
    (gain,) = draws.gains([[values[1] - values[0] for values in table.values()]], [37])
    assert (gain.gain, gain.low, gain.high) == pytest.approx((difference.score, difference.low, difference.high))
    interval = draws.interval([values[1] for values in table.values()])
    assert interval.model_dump() == pytest.approx(macro["more"].model_dump())


def test_gains_and_losses_that_cancel_out_are_exactly_nothing() -> None:
    thirds = np.array([0.1, 0.2, -0.3])
    (gain,) = Draws([3], Bootstrap(resamples=200, confidence=0.5, seed=0)).gains([[thirds]], [3])
    assert gain.gain == 0
    assert Draws([3], BOOTSTRAP).gains([], []) == []


def test_a_task_of_many_rows_counts_draws_beyond_a_byte() -> None:
    ones = np.ones(300)
    (gain,) = Draws([300], BOOTSTRAP).gains([[ones]], [300])
    assert (gain.low, gain.gain, gain.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("better", "worse", "texts", "verdict"),
    [
        (0, 0, 0, "changes nothing"),
        (0, 0, 9, "not shown"),  # other texts, the same scores
        (5, 0, 5, "not shown"),  # above 0 in every resample with one of the five
        (6, 0, 6, "pays"),
        (0, 6, 6, "harms"),
        (0, 5, 5, "not shown"),
        (7, 5, 12, "not shown"),
    ],
)
def test_a_verdict_takes_an_interval_on_one_side_of_0_and_a_sign_test(
    better: int, worse: int, texts: int, verdict: Verdict
) -> None:
    rows = np.array([1.0] * better + [-1.0] * worse + [0.0] * (60 - better - worse))
    (gain,) = Draws([60], BOOTSTRAP).gains([[rows]], [texts])
    assert (gain.better, gain.worse, gain.texts, gain.verdict) == (better, worse, texts, verdict)
    if max(better, worse) in (5, 6) and min(better, worse) == 0:
        assert gain.low > 0 or gain.high < 0


def test_many_rows_better_by_little_do_not_pay_where_one_gets_worse_by_as_much() -> None:
    rows = np.array([0.01] * 20 + [-1.0])
    (gain,) = Draws([21], BOOTSTRAP).gains([[rows]], [21])
    assert (gain.better, gain.worse, gain.verdict) == (20, 1, "not shown")  # the interval includes 0


def test_a_rule_that_five_rows_speak_for_is_dropped_and_one_that_six_speak_for_is_kept() -> None:
    rules = RuleSet(default=(CUT,))
    kept = {}
    for rows in (5, 6):
        texts = {"choice": ["B\n\nnext"] * rows + ["A"] * 3}
        (fact,), (result,), _ = ablate([answers(texts=texts)], rules, judge, BOOTSTRAP)
        assert result.rules[0].beside_kept.low > 0
        kept[rows] = fact.kept
    assert kept == {5: False, 6: True}


def test_texts_that_read_otherwise_are_counted_at_the_end_of_the_chain() -> None:
    texts = {"choice": ["B\n\nnext", "A\n\n", "C"], "free": ["you and me"]}
    of = gains(measured(answers(texts=texts))[1][0])
    assert (of[CUT].alone.texts, of[CUT].chain.texts) == (2, 0)  # the second rule cuts there too
    assert of[HARM].chain.texts == 1


def test_the_first_changes_that_differ_are_shown_as_met_in_the_chain() -> None:
    texts = {"choice": ["B\n\nnext", "B\n\nnext", " A ", "A\n\n", " B\n\n", "C \n\n"], "free": ["you and me"]}
    changes = what_changes([answers(texts=texts)], RULES)
    shown = [(change.id, change.before, change.after) for change in changes[CUT]]
    assert shown == [("choice-0", "B\n\nnext", "B"), ("choice-3", "A\n\n", "A"), ("choice-4", " B\n\n", " B")]
    assert changes[SAME_JOB] == []
    assert [change.before for change in changes[NOTHING]] == [" A ", " B", "C "]


def test_what_the_rules_make_of_a_text_does_not_depend_on_references() -> None:
    facts, (right,), _ = ablate([answers()], RULES, judge, BOOTSTRAP)
    others, (wrong,), _ = ablate([answers(reference="Z")], RULES, judge, BOOTSTRAP)
    assert [fact.changes for fact in facts] == [fact.changes for fact in others]
    assert right.none != wrong.all
    assert [rule.chain.texts for rule in right.rules] == [rule.chain.texts for rule in wrong.rules]


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
    assert (choice.case, choice.server) == ("options", {"free": 12})
    assert (choice.other_rules, choice.other_texts) == (12, 6)  # the other six read "A" under any rules
    assert (free.case, free.server, free.other_rules) == ("free", {"free": 12}, 0)


def test_another_case_with_the_same_rules_is_no_disagreement() -> None:
    rules = RuleSet(cases=(Case(name="named", tasks=("free",), rules=(CUT,)),), default=(CUT,))
    _, (result,), _ = ablate([answers()], rules, judge, BOOTSTRAP)
    assert [task.other_rules for task in result.served] == [0, 0]
    assert result.served[1].server == {"default": 12}


def test_a_dropped_rule_that_pays_beside_those_that_are_left_is_told() -> None:
    facts, results, dropped = ablate([answers()], RULES, judge, BOOTSTRAP)
    head = {"recipe": "r", "rules_file": "f", "confidence": 0.95, "resamples": 400}
    record = Ablation.model_validate({**head, "rules": facts, "sets": results, "dropped": dropped, "notes": []})
    assert pays_after_all(record) == [] and "beside those left in the end" not in render(record)
    without = record.model_copy(update={"rules": [fact.model_copy(update={"kept": False}) for fact in facts]})
    assert [fact.rule for fact in pays_after_all(without)] == [str(CUT)]
    assert f"though beside those left in the end it pays: `{CUT}`." in render(without)
    assert "though beside those left in the end it pays" in render_page(without)


def test_a_rule_is_told_with_the_cases_that_have_it() -> None:
    facts, _, _ = ablate([answers()], RULES, judge, BOOTSTRAP)
    assert [fact.cases for fact in facts] == [["options"]] * 3 + [["free"]]
