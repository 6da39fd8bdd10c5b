"""Scores of tasks, categories and languages are those of the metrics themselves, and differences are paired."""

from collections.abc import Sequence
from typing import Any

import pytest

from eval.config import Bootstrap
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scores import MetricScores, QuickScores
from eval.examples.scoring import OF_TEXTS, score
from eval.examples.tables import render, sentence
from eval.metrics.metric import Judged
from eval.metrics.registry import metric

BOOTSTRAP = Bootstrap(resamples=200, confidence=0.9, seed=1)
OPTIONS = ("yes", "no")


def text(task: str, id: str, prediction: str, reference: str = "the right answer", **row: Any) -> AnsweredRow:
    own = ExampleRow(task=task, id=id, prompt="p", references=(reference,), **row)
    return AnsweredRow(row=own, raw=prediction, prediction=prediction)


def choice(task: str, id: str, right: str, scores: tuple[float, ...], options: Sequence[str] = OPTIONS) -> AnsweredRow:
    row = ExampleRow(task=task, id=id, prompt="p", references=(right,), options=tuple(options))
    said = row.options[scores.index(max(scores))]
    return AnsweredRow(
        row=row,
        raw=said,
        prediction=said,
        option_log_likelihoods=scores,
        option_tokens=(1,) * len(scores),
        option_scores=scores,
        confidence=0.75,
    )


def scored(answers: dict[str, list[AnsweredRow]], *metrics: str) -> QuickScores:
    return score(answers, metrics, stemming=False, bootstrap=BOOTSTRAP)[0]


def named(scores: QuickScores, name: str) -> MetricScores:
    (found,) = [one for one in scores.metrics if one.metric == name]
    return found


TEXTS = [
    text("b", "1", "the right answer", category="x", language="sw"),
    text("b", "2", "a wrong answer", category="y", language="sw"),
    text("a", "1", "the right one", category="x", language="sw"),
    text("b", "3", "", category="x", language="sw"),
]


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_task_s_score_is_the_metric_of_its_rows(name: str) -> None:
    found = named(scored({"m": TEXTS}), name)
    judge = metric(name, "rouge_score", stemming=False)

    def value(rows: list[AnsweredRow]) -> float:
        judged = [Judged(one.prediction, one.row.references) for one in rows]
        return float(judge.value(judge.statistics(judged).sum(axis=0)))

    tasks = {task: [one for one in TEXTS if one.row.task == task] for task in ("a", "b")}
    assert {part.name: part.models["m"].value for part in found.tasks} == {
        task: pytest.approx(value(rows)) for task, rows in tasks.items()
    }
    assert found.macro.models["m"].value == pytest.approx((value(tasks["a"]) + value(tasks["b"])) / 2)
    assert (found.macro.tasks, found.macro.rows) == (2, 4)
    x = (value([TEXTS[0], TEXTS[3]]) + value([TEXTS[2]])) / 2
    assert [(part.name, part.rows, part.tasks) for part in found.categories] == [("x", 3, 2), ("y", 1, 1)]
    assert found.categories[0].models["m"].value == pytest.approx(x)
    assert found.languages == []  # all rows have one


def test_each_row_has_the_metrics_that_mean_something_for_it() -> None:
    _, answers = score({"m": TEXTS}, (), stemming=False, bootstrap=BOOTSTRAP)
    assert [one.row for one in answers["m"]] == [one.row for one in TEXTS]
    assert [one.scores["exact_match"] for one in answers["m"]] == [1, 0, 0, 0]
    assert answers["m"][2].scores["rouge_l"] == pytest.approx(2 / 3)
    assert "bleu" not in answers["m"][0].scores


CHOICES = [choice("c", "1", "yes", (-1, -2)), choice("c", "2", "no", (-1, -2)), choice("c", "3", "no", (-2, -1))]


def test_choices_have_accuracy_macro_f1_and_calibration() -> None:
    scores = scored({"m": CHOICES})
    assert [one.metric for one in scores.metrics] == ["exact_match", "macro_f1", "calibration_error"]
    values = [one.macro.models["m"].value for one in scores.metrics]
    assert values == pytest.approx([2 / 3, 2 / 3, 0.75 - 2 / 3])
    assert not named(scores, "calibration_error").higher_is_better


def test_accuracy_is_told_by_each_length() -> None:
    row = choice("c", "1", "longer", (-1, -2), ("a", "longer"))
    other = choice("d", "1", "a", (-1, -7), ("a", "longer"))
    lengths = scored({"m": [row, other, TEXTS[0]]}).accuracy_by_length
    assert lengths == {"m": {"none": 0.5, "tokens": 0.5, "characters": 1.0, "bytes": 1.0}}
    assert scored({"m": TEXTS}).accuracy_by_length == {}


def test_macro_f1_is_of_tasks_whose_rows_have_one_set_of_options() -> None:
    mixed = [choice("d", "1", "a", (-1, -2), ("a", "b")), choice("d", "2", "a", (-1, -2), ("a", "c"))]
    scores = scored({"m": [*CHOICES, *mixed, *TEXTS]})
    assert [part.name for part in named(scores, "macro_f1").tasks] == ["c"]
    assert [part.name for part in named(scores, "exact_match").tasks] == ["a", "b", "c", "d"]
    assert [part.name for part in named(scores, "bleu").tasks] == ["a", "b"]


@pytest.mark.parametrize(
    ("answers", "name", "message"),
    [
        (TEXTS, "rouge", r"unknown metric 'rouge'; allowed: exact_match, .*rouge_l"),
        (TEXTS, "macro_f1", "macro_f1 fits no task: it needs rows with one set of options"),
        (TEXTS, "calibration_error", "calibration_error fits no task: it needs rows with options"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(answers: list[AnsweredRow], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored({"m": answers}, name)


def test_differences_are_paired_and_to_the_first_model() -> None:
    ids = [str(number) for number in range(40)]
    worse = [text("t", id, "the wrong answer") for id in ids]
    better = [text("t", id, "the right answer" if int(id) % 4 == 0 else "the wrong answer") for id in ids]
    found = named(scored({"one": worse, "same": worse, "two": better}, "exact_match"), "exact_match").macro
    same, gap = found.differences
    assert (same.baseline, same.candidate, same.value, same.low, same.high) == ("one", "same", 0, 0, 0)
    assert same.p_value == 1
    assert (gap.baseline, gap.candidate) == ("one", "two")
    assert gap.value == pytest.approx(0.25) and 0 < gap.low < 0.25 < gap.high and gap.p_value < 0.02


def test_the_tables_of_one_model_have_a_column_a_metric() -> None:
    lines = render(scored({"m": [*TEXTS, *CHOICES]}, "exact_match", "calibration_error")).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "task",
        "rows",
        "exact match",
        "calibration error",
    ]
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines if "|" in line
    }
    assert cells["b"] == ["3", "0.333", "-"] and cells["c"] == ["3", "0.667", "0.083"]
    assert cells["macro average"][:2] == ["7", "0.333"]
    assert cells["x"] == ["3", "0.250", "-"] and cells["(none)"] == ["3", "0.667", "-"]
    assert any(line.startswith("| characters (acc_norm)") for line in lines)


def test_the_tables_of_two_models_say_the_difference_and_whether_it_is_clear() -> None:
    ids = [str(number) for number in range(40)]
    first = [choice("t", id, "yes", (-2, -1)) for id in ids]
    second = [choice("t", id, "yes", (-1, -2)) for id in ids]
    shown = render(scored({"base": first, "tuned": second, "same": first}, "exact_match"))
    (row,) = [line for line in shown.splitlines() if line.startswith("| t ")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("t", "40", "0.000", "1.000", "0.000", "+1.000*", "+0.000")
    ]
    assert "macro average" not in shown.splitlines()[4]
    assert "exact match: tuned scores 1.000 over 1 task, 1.000 more than base with 0.000 (90 % interval" in shown
    assert "p = 0.01)." in shown
    assert "exact match: same scores 0.000 over 1 task, 0.000 more than base" in shown
    assert "p = 1; it includes 0, so these rows do not show which is better" in shown


@pytest.mark.parametrize(("rows", "told"), [(4, True), (5, False)])
def test_too_few_rows_get_no_star_and_no_p(rows: int, told: bool) -> None:
    ids = [str(number) for number in range(rows)]
    first = [choice("t", id, "yes", (-2, -1)) for id in ids]
    second = [choice("t", id, "yes", (-1, -2)) for id in ids]
    answers = {"base": first, "tuned": second}
    shown = render(scored(answers, "exact_match"))
    assert ("+1.000 (too few rows)" in shown, "+1.000*" in shown, "p = " in shown) == (told, not told, not told)
    assert ("+1.000, too few rows differ to say which is better)." in shown) == told


def test_a_sentence_names_the_macro_average_of_several_tasks() -> None:
    two = [*TEXTS, *CHOICES]
    found = named(scored({"a": two, "b": two}, "exact_match"), "exact_match")
    told = sentence(found, found.macro.differences[0], "90")
    assert "b scores 0.333 in macro average over 3 tasks, 0.000 more than a with 0.333" in told
