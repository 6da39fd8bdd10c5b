"""Evaluation sets of every kind become rows with a text; what is wrong with one is said with its name."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data_prep.mixing.config import HeldOutSet, HelmSet, TableSet
from data_prep.mixing.decontaminate import EvalRow
from data_prep.mixing.eval_sets import COMPETITION_ROWS, eval_set_fingerprints, read_eval_sets

QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "q1",
        "question_stem": "Rain is",
        "choices": {"text": ["wet", "dry"], "label": ["A", "B"]},
        "answerKey": "A",
    },
    {
        "id": "q2",
        "question_stem": "Ice is",
        "choices": {"text": ["hot", "cold"], "label": ["A", "B"]},
        "answerKey": "B",
    },
]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, *fields: str) -> TableSet:
    return TableSet(source="table", name="obqa", path=str(path), fields=list(fields))


def helm(path: Path) -> HelmSet:
    return HelmSet(source="helm", name="helm", path=str(path))


def instance(text: str, id_: str | None = None, split: str = "test", **more: Any) -> dict[str, Any]:
    """An instance as crfm-helm writes it: what is None is left out."""
    references = [{"output": {"text": "yes"}, "tags": ["correct"]}, {"output": {"text": "no"}, "tags": []}]
    ids = {} if id_ is None else {"id": id_}
    return {"input": {"text": text}, "references": references, "split": split, **ids, **more}


def write_run(root: Path, run: str, *instances: dict[str, Any], name: str = "instances.json") -> Path:
    (root / run).mkdir(parents=True, exist_ok=True)
    (root / run / name).write_text(json.dumps(instances, indent=2), encoding="utf-8")
    return root


def read(eval_set: Any, tmp_path: Path) -> list[EvalRow]:
    return read_eval_sets([eval_set], tmp_path / "run", tmp_path / "work")


def test_the_inputs_of_held_out_rows_are_an_evaluation_set(tmp_path: Path) -> None:
    row = {"task": "task1", "id": "i1", "input": "Name a bird.", "output": ["owl"]}
    write_lines(tmp_path / "run/01_collect/held_out.jsonl", [row])
    assert read(HeldOutSet(source="held_out"), tmp_path) == [EvalRow("held_out", "task1/i1", "Name a bird.")]


def test_fields_are_joined_in_their_order_lists_and_nested_ones_too(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", QUESTIONS)
    assert read(table(path, "choices.text", "question_stem"), tmp_path) == [
        EvalRow("obqa", "q1", "wet dry Rain is"),
        EvalRow("obqa", "q2", "hot cold Ice is"),
    ]


def test_a_list_of_objects_is_read_through(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", [{"options": [{"text": "a"}, {"text": "b"}], "number": 7}])
    assert [row.text for row in read(table(path, "options.text", "number"), tmp_path)] == ["a b 7"]


def test_a_parquet_file_and_a_csv_file_give_the_same_rows(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a", "b"], "question": ["One?", "Two, or three?"]})
    frame.write_parquet(tmp_path / "test.parquet")
    frame.write_csv(tmp_path / "test.csv")
    wanted = [EvalRow("obqa", "a", "One?"), EvalRow("obqa", "b", "Two, or three?")]
    assert read(table(tmp_path / "test.parquet", "question"), tmp_path) == wanted
    assert read(table(tmp_path / "test.csv", "question"), tmp_path) == wanted


def test_rows_without_an_id_are_named_by_their_place(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", [{"question": "One?"}, {"question": "Two?"}])
    first, second = read(table(path, "question"), tmp_path)
    assert first.id != second.id
    assert first.id.startswith("test-")


def test_equal_rows_and_rows_without_text_stay(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", [{"question": "One?"}, {"question": "One?"}, {"question": None}])
    assert [row.text for row in read(table(path, "question"), tmp_path)] == ["One?", "One?", ""]


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"question": "a \\ud83d b"}\n', encoding="utf-8")
    assert [row.text for row in read(table(path, "question"), tmp_path)] == ["a ? b"]


def test_an_unknown_field_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", QUESTIONS)
    with pytest.raises(ValueError, match=r"obqa.*no column question.*columns found: .*question_stem"):
        read(table(path, "question"), tmp_path)


def test_an_unknown_inner_field_is_an_error_that_lists_the_keys(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", QUESTIONS)
    with pytest.raises(ValueError, match="no 'txt'; found: the keys text, label"):
        read(table(path, "choices.txt"), tmp_path)
    with pytest.raises(ValueError, match=r"no 'text'; found: no keys, but 'Rain is'"):
        read(table(path, "question_stem.text"), tmp_path)


def test_an_object_as_a_field_is_an_error_that_says_what_to_name(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", QUESTIONS)
    with pytest.raises(ValueError, match=r"choices has the keys text, label; name one of them: choices\.text"):
        read(table(path, "choices"), tmp_path)


def test_a_row_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"question": "One?"}\nnot JSON\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"obqa: .*test\.jsonl: row test-2 cannot be read"):
        read(table(path, "question"), tmp_path)


def test_an_absent_path_is_an_error_with_the_name_of_the_set(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"eval_sets: obqa: there is no file or folder .*gone"):
        read(table(tmp_path / "gone", "question"), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"eval_sets: obqa: there is no file or folder .*gone"):
        eval_set_fingerprints([table(tmp_path / "gone", "question")])
    with pytest.raises(FileNotFoundError, match="eval_sets: helm: there is no folder"):
        read(helm(tmp_path / "gone"), tmp_path)


def test_a_set_without_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="obqa: there is no text in it"):
        read(table(write_lines(tmp_path / "test.jsonl", [{"question": " "}]), "question"), tmp_path)
    write_lines(tmp_path / "run/01_collect/held_out.jsonl", [])
    with pytest.raises(ValueError, match="held_out: there is no text in it"):
        read(HeldOutSet(source="held_out"), tmp_path)


def test_what_helm_asks_is_read_and_its_examples_for_the_prompt_are_not(tmp_path: Path) -> None:
    root = write_run(
        tmp_path / "runs/s1",
        "gsm:model=neurips_local",
        instance("How many?", "id0"),
        instance("How much?", "id1", split="valid"),
        instance("An example.", "id2", split="train"),
    )
    assert read(helm(root), tmp_path) == [
        EvalRow("helm", "gsm:model=neurips_local/id0", "How many?"),
        EvalRow("helm", "gsm:model=neurips_local/id1", "How much?"),
    ]


def test_runs_of_several_models_give_each_question_once(tmp_path: Path) -> None:
    root = write_run(tmp_path / "runs", "gsm:model=a", instance("How many?", "id0"))
    write_run(root, "gsm:model=b", instance("How many?", "id0"), instance("Which?", "id1"))
    assert [row.text for row in read(helm(root), tmp_path)] == ["How many?", "Which?"]


def test_a_perturbed_instance_counts_only_without_its_original(tmp_path: Path) -> None:
    typos: dict[str, Any] = {"perturbation": {"name": "misspellings", "robustness": True}}
    root = write_run(
        tmp_path / "runs",
        "mmlu",
        instance("Waht is it?", "id0", **typos),
        instance("What is it?", "id0"),
        instance("Wich one?", "id1", **typos),
    )
    assert [row.text for row in read(helm(root), tmp_path)] == ["What is it?", "Wich one?"]


def test_cached_instances_without_ids_and_chat_messages_are_read(tmp_path: Path) -> None:
    chat = instance("")
    chat["input"]["messages"] = [{"role": "user", "content": "Hello?"}]
    root = write_run(tmp_path / "runs", "cached", instance("How many?"), chat, name="input_instances.json")
    assert [(row.id, row.text) for row in read(helm(root), tmp_path)] == [
        ("cached/id0", "How many?"),
        ("cached/id1", "Hello?"),
    ]


def test_a_folder_with_runs_but_no_instances_says_how_to_make_them(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no instances\.json below [^;]*$"):
        read(helm(tmp_path / "runs"), tmp_path)
    (tmp_path / "runs/scenario_state.json").touch()
    with pytest.raises(FileNotFoundError, match="make it by helm-summarize"):
        read(helm(tmp_path / "runs"), tmp_path)


@pytest.mark.parametrize("content", ["[{]", '{"a": 1}', '[{"id": "x"}]', '[{"input": {"text": 3}}]', "3"])
def test_a_file_that_is_no_list_of_instances_is_named(tmp_path: Path, content: str) -> None:
    root = write_run(tmp_path / "runs", "gsm")
    (root / "gsm/instances.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"gsm.instances\.json is no list of HELM instances"):
        read(helm(root), tmp_path)


def test_a_run_that_asked_nothing_is_an_error(tmp_path: Path) -> None:
    root = write_run(tmp_path / "runs", "gsm", instance("An example.", "id0", split="train"))
    with pytest.raises(ValueError, match=r"has no instance that is not of the split train"):
        read(helm(root), tmp_path)


def test_fingerprints_change_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "test.jsonl", QUESTIONS)
    root = write_run(tmp_path / "runs", "gsm", instance("How many?", "id0"))
    sets = [table(path, "question_stem"), helm(root), HeldOutSet(source="held_out")]
    before = eval_set_fingerprints(sets)
    assert set(before) == {"obqa", "helm"}
    path.touch()
    assert eval_set_fingerprints(sets) == before
    write_lines(path, QUESTIONS[:1])
    write_run(tmp_path / "runs", "gsm", instance("How much?", "id0"))
    after = eval_set_fingerprints(sets)
    assert after["obqa"] != before["obqa"]
    assert after["helm"] != before["helm"]


def test_a_set_that_a_stage_wrote_is_read_below_the_run_folder_and_is_no_fingerprint(tmp_path: Path) -> None:
    write_lines(tmp_path / "run/04a_translate/rows.jsonl", [{"question": "One?"}])
    below = TableSet(source="table", name="obqa", path="RUN/04a_translate/rows.jsonl", fields=["question"])
    assert [row.text for row in read(below, tmp_path)] == ["One?"]
    assert eval_set_fingerprints([below]) == {}


def test_a_set_of_another_setting_is_told_by_its_place(tmp_path: Path) -> None:
    gone = table(tmp_path / "gone", "question")
    with pytest.raises(FileNotFoundError, match=r"^mix\.competition_rows: obqa: there is no file or folder"):
        read_eval_sets([gone], tmp_path, tmp_path, COMPETITION_ROWS)
    with pytest.raises(FileNotFoundError, match=r"^mix\.competition_rows: obqa: there is no file or folder"):
        eval_set_fingerprints([gone], COMPETITION_ROWS)
