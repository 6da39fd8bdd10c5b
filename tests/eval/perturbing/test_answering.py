"""Rows and variants answered by a tiny model, and their scores and lines."""

from pathlib import Path

import numpy as np
import pytest

from eval.examples.answers import Answering
from eval.examples.models import NamedModel
from eval.examples.row import AnsweredRow, ExampleRow
from eval.perturbing.answering import Answerer, answer_all, check_metric, row_scores, usual_metric
from eval.perturbing.perturbed import Texts, variant_of

ROWS = [
    ExampleRow(task="choice", id="1", prompt="Who?\nAnswer:", options=("he", "Jack"), references=("he",)),
    ExampleRow(task="choice", id="2", prompt="Where is it?\nAnswer:", options=("up", "down"), references=("down",)),
]
TEXT = ExampleRow(task="text", id="1", prompt="Say: a b", references=("a b", "c"))


def answerer(folder: Path) -> Answerer:
    return Answerer(NamedModel("tiny", str(folder)), Answering(), 2, None, "exact_match")


def answered(prediction: str, *references: str) -> AnsweredRow:
    row = ExampleRow(task="t", id="1", prompt="p", references=references)
    return AnsweredRow(row=row, raw=prediction, prediction=prediction)


def test_rows_and_variants_are_answered_and_scores_find_their_rows(tmp_path: Path, tiny_model_dir: Path) -> None:
    variants = [
        variant_of(1, ROWS[1], "lowercase", Texts(input="where is it?\nanswer:", references=("up", "down"))),
        variant_of(0, ROWS[0], "gender", Texts(input="Who?\nAnswer:!", references=("she", "Jack"))),
    ]
    scored = answer_all(ROWS, variants, answerer(tiny_model_dir), tmp_path)
    perturbed = scored.row_scores(["lowercase", "gender", "typos"]).perturbed
    assert [np.isnan(perturbed[name]).tolist() for name in perturbed] == [[True, False], [False, True], [True, True]]
    lines = scored.lines()
    assert [(line.id, line.perturbation) for line in lines] == [
        ("1", ""),
        ("1", "gender"),
        ("2", ""),
        ("2", "lowercase"),
    ]
    assert lines[1].references == ("she",) and lines[1].prediction in ("she", "Jack")
    assert all(line.score == float(line.prediction == line.references[0]) for line in lines)
    assert lines[3].input == "where is it?\nanswer:" and lines[2].input == ROWS[1].prompt


def test_a_second_run_answers_nothing_again_and_other_rows_have_a_journal_of_their_own(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer_all(ROWS, [], answerer(tiny_model_dir), tmp_path)
    other = answer_all(ROWS[:1], [], answerer(tiny_model_dir), tmp_path)
    assert len(list((tmp_path / "work").iterdir())) == 2
    monkeypatch.setattr(NamedModel, "load", lambda *settings: pytest.fail("the model was loaded again"))
    assert answer_all(ROWS, [], answerer(tiny_model_dir), tmp_path).lines() == first.lines()
    assert other.lines() == first.lines()[:1]


def test_a_row_is_scored_against_its_best_reference() -> None:
    answers = [answered("c", "a b", "c"), answered("a x", "a b", "c"), answered("y", "c")]
    assert row_scores(answers, "exact_match").tolist() == [1.0, 0.0, 0.0]
    assert row_scores(answers, "token_f1").tolist() == [1.0, 0.5, 0.0]


def test_words_are_of_every_script_where_a_task_has_one() -> None:
    other = answered("東京", "東京")
    answers = [answered("a", "b"), other.model_copy(update={"row": other.row.model_copy(update={"task": "tokyo"})})]
    assert row_scores(answers, "rouge_l").tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["bleu", "macro_f1", "rouge"])
def test_a_metric_of_a_whole_set_is_an_error_with_those_allowed(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}'.*allowed: exact_match, token_f1"):
        check_metric(name)


def test_the_usual_metric_is_exact_match_for_options_only() -> None:
    assert usual_metric(ROWS) == "exact_match"
    assert usual_metric([*ROWS, TEXT]) == "rouge_l"
