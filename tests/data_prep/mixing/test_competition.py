"""Rows of a competition: found as whole inputs, however they are written, and never by a part."""

from pathlib import Path

import polars as pl
import pytest

from data_prep.mixing.competition import (
    CompetitionFound,
    comparable,
    find_competition,
    forget_competition,
    forms_of,
    premise_or_input,
    save_competition,
)
from data_prep.mixing.decontaminate import EvalRow
from oneday.buzuzu_mavi import entailment_input

ROWS = [
    EvalRow("sentiment", "s0", "Ina\u0301 da\u0301di  SOSAI"),  # decomposed
    EvalRow("sentiment", "s1", ""),
    EvalRow("hypotheses", "h0", "Paka analala."),
    EvalRow("pairs", "p0", "Paka ni mnyama. Paka analala."),
    EvalRow("sentiment", "s2", "Paka analala."),
]


def found(tmp_path: Path, *inputs: str) -> tuple[list[bool], dict[str, CompetitionFound]]:
    save_competition(ROWS, tmp_path / "competition.json")
    forget_competition()
    flags, by_set = find_competition(pl.Series(inputs, dtype=pl.String), tmp_path / "competition.json")
    return flags.tolist(), by_set


@pytest.mark.parametrize(
    "text", ["in\u00e1 d\u00e1di sosai", " Ina\u0301 DA\u0301DI\tsosai\n", "In\u00e1\u00a0d\u00e1di\u3000sosai"]
)
def test_case_white_space_and_encoding_do_not_count(tmp_path: Path, text: str) -> None:
    flags, by_set = found(tmp_path, text, "something else")
    assert flags == [True, False]
    assert by_set == {"sentiment": CompetitionFound(rows=1, hit=[0])}


@pytest.mark.parametrize("text", ["ina dadi sosai", "In\u00e1 d\u00e1di sosai!", "In\u00e1 d\u00e1di", "", " \n"])
def test_a_part_another_accent_and_an_empty_text_are_not_found(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == ([False], {})


def test_an_entailment_input_is_found_by_its_second_sentence_and_by_both(tmp_path: Path) -> None:
    flags, by_set = found(tmp_path, entailment_input("Paka ni mnyama.", "PAKA analala."))
    assert flags == [True]
    assert {name: (one.rows, one.hit) for name, one in by_set.items()} == {
        "hypotheses": (1, [2]),
        "pairs": (1, [3]),
        "sentiment": (1, [4]),
    }
    flags, by_set = found(tmp_path, entailment_input("Mbwa ni mnyama.", "Paka analala."))
    assert (flags, set(by_set)) == ([True], {"hypotheses", "sentiment"})


def test_an_entailment_input_is_not_found_by_its_first_sentence(tmp_path: Path) -> None:
    assert found(tmp_path, entailment_input("Paka analala.", "Mbwa analala.")) == ([False], {})


def test_a_row_counts_once_for_a_set_that_has_it_twice(tmp_path: Path) -> None:
    text = entailment_input("In\u00e1 d\u00e1di", "sosai")
    save_competition([*ROWS, EvalRow("sentiment", "s3", "sosai")], tmp_path / "competition.json")
    forget_competition()
    _, by_set = find_competition(pl.Series([text, text]), tmp_path / "competition.json")
    assert by_set == {"sentiment": CompetitionFound(rows=2, hit=[0, 5])}


@pytest.mark.parametrize("text", ["Sentence A: only one", "Sentence B: only one", "x\nSentence B: y", "plain"])
def test_what_is_no_entailment_input_counts_as_itself_alone(text: str) -> None:
    assert forms_of(text) == [comparable(text)]


def test_a_premise_of_several_lines_is_one_sentence() -> None:
    text = entailment_input("One.\nSentence B: two.", "Three.")
    assert forms_of(f" {text}\n")[1:] == ["three.", "one. sentence b: two. three."]


def test_entailment_inputs_of_one_premise_stay_together_and_other_inputs_are_themselves() -> None:
    pairs = [entailment_input("  In\u00e1  d\u00e1di.", "sosai"), entailment_input("ina\u0301 da\u0301di.", "A'a.")]
    assert [premise_or_input(text) for text in pairs] == ["in\u00e1 d\u00e1di."] * 2
    assert premise_or_input("Sentence A: Only  one") == "sentence a: only one"
