"""Rows with HELM's changed texts in their place, and how HELM is run. HELM itself: test_helm_equality.py."""

from pathlib import Path

import pytest

from eval.examples.row import ExampleRow
from eval.helm.running import HelmEnvironment
from eval.perturbing.perturbations import choose, make_ready
from eval.perturbing.perturbed import Texts, perturb, variant_of
from oneday.stage import StageError

SHOWN = "Say who.\n\nWho ran?\nA. Jack\nB. Emily\nAnswer: B\n\n"
ROW = ExampleRow(
    task="t",
    id="7",
    prompt=f"{SHOWN}Who ran?\nA. Jack\nB. Emily\nAnswer:",
    input="Who ran?",
    input_start=len(SHOWN),
    options=("Jack", "Emily"),
    references=("Emily",),
)


def test_the_input_is_changed_where_it_stands_and_demonstrations_stay() -> None:
    changed = variant_of(3, ROW, "lowercase", Texts(input="who ran?", references=ROW.options))
    assert changed.row.prompt == f"{SHOWN}who ran?\nA. Jack\nB. Emily\nAnswer:"
    assert (changed.position, changed.row.id, changed.row.input) == (3, "7~lowercase", "who ran?")
    assert changed.row.input_start == len(SHOWN)
    assert changed.row.options == ROW.options and changed.row.references == ROW.references


def test_changed_options_change_in_the_list_behind_the_input_and_the_answer_follows() -> None:
    changed = variant_of(0, ROW, "person_name", Texts(input="Who went?", references=("Lamar", "Tia"))).row
    assert changed.prompt.endswith("Answer: B\n\nWho went?\nA. Lamar\nB. Tia\nAnswer:")
    assert "A. Jack\nB. Emily\nAnswer: B" in changed.prompt
    assert (changed.options, changed.references) == (("Lamar", "Tia"), ("Tia",))


def test_an_option_that_ends_in_another_is_not_taken_for_it() -> None:
    row = ExampleRow(
        task="t", id="1", prompt="Q\nA. he\nB. not he", input="Q", options=("he", "not he"), references=("he",)
    )
    changed = variant_of(0, row, "gender", Texts(input="q", references=("she", "not HE"))).row
    assert changed.prompt == "q\nA. she\nB. not HE"


def test_options_that_would_become_the_same_stay_as_they_were() -> None:
    changed = variant_of(0, ROW, "person_name", Texts(input="Who went?", references=("Tia", "Tia")))
    assert changed.options_kept
    assert changed.row.options == ROW.options
    assert changed.row.prompt.endswith("Who went?\nA. Jack\nB. Emily\nAnswer:")


def test_a_row_without_an_input_is_changed_as_a_whole_and_its_answers_too() -> None:
    row = ExampleRow(task="t", id="1", prompt="Is he well?", references=("He is.", "Yes"))
    changed = variant_of(0, row, "gender", Texts(input="Is she well?", references=("She is.", "Yes"))).row
    assert (changed.prompt, changed.input, changed.references) == ("Is she well?", "", ("She is.", "Yes"))


def test_the_same_text_behind_the_input_stays() -> None:
    row = ExampleRow(task="t", id="1", prompt="No.\nNo.\nIs it No.?", input="No.", input_start=4, references=("Yes",))
    assert variant_of(0, row, "lowercase", Texts(input="no.", references=("Yes",))).row.prompt == "No.\nno.\nIs it No.?"


@pytest.mark.parametrize(("text", "start"), [("is he", 0), ("he", 0), ("he", 4)])
def test_an_input_that_does_not_stand_at_its_place_is_an_error(text: str, start: int) -> None:
    with pytest.raises(ValueError, match=rf"input '{text}' does not stand at character {start} of the prompt"):
        ExampleRow(task="t", id="1", prompt="Is he well?", input=text, input_start=start, references=("Yes",))


def test_without_helm_the_error_tells_what_makes_it(tmp_path: Path) -> None:
    ready, _ = make_ready(choose(["typos"]), None)
    with pytest.raises(FileNotFoundError, match="`make helm-smoke` makes"):
        perturb([ROW], ready, HelmEnvironment(tmp_path / "absent"))


def test_when_helm_fails_the_end_of_its_errors_is_shown(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 'No module named helm' >&2\nexit 3\n", encoding="utf-8")
    python.chmod(0o755)
    ready, _ = make_ready(choose(["typos"]), None)
    with pytest.raises(StageError, match="exit code 3; the end of its errors:\nNo module named helm"):
        perturb([ROW], ready, HelmEnvironment(tmp_path))
