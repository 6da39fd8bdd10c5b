"""The command on a toy run folder: its files, its tables, other rules and other answers, and every way to be wrong."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eval.generate import STAGE as GENERATE
from eval.score import run as score
from eval.scores import read_scores
from oneday.files import read_json, write_jsonl
from oneday.records import Kind, Prediction, TaskEntry
from oneday.stage import Outcome, Stage, execute
from postprocess.ablate import main
from postprocess.ablation_record import Ablation

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

VARIANT = "base_zero_shot"
KINDS: dict[str, Kind] = {"choice": "exact_match", "free": "generation"}
RULES = """\
cases:
  - {name: options, tasks: [choice], prompt: {options: 2}, rules: [cut_at_blank_line, strip]}
default: [{cut_at_stop: {stops: [" | "]}}]
"""


def predictions(**raw: str) -> list[Prediction]:
    """Six rows of each task, all answered alike."""
    references = {"choice": "B", "free": "red | blue"}
    return [
        Prediction(
            task=task,
            id=f"{task}-{n}",
            orig_input="",
            few_shot_prompt="Why?",
            answer=[references[task]],
            prediction=text,
        )
        for task, text in raw.items()
        for n in range(6)
    ]


@pytest.fixture
def run_dir(recipe: "RecipeFolder", tmp_path: Path) -> Path:
    """A run folder in which collect and generate have finished; the recipe has one variant and the rules above."""
    variant = {"name": VARIANT, "model": "base", "demonstrations": 0}
    recipe.edit("eval.yaml", variants=[variant], bootstrap__resamples=200)
    recipe.edit("eval.yaml", compare={"baseline": VARIANT, "candidate": VARIANT})
    (recipe.path / "candidates.yaml").write_text(RULES, encoding="utf-8")
    folder = tmp_path / "run"
    entries = [
        TaskEntry(task=name, rows=6, definition=["d"], categories=[], kind=kind, positive_examples=[])
        for name, kind in KINDS.items()
    ]
    lines = "".join(entry.model_dump_json(by_alias=True) + "\n" for entry in entries)
    finish(recipe, folder, "01_collect", {"tasks.jsonl": lines})
    rows = predictions(choice="B\n\n### Input:", free="red | blue")
    generate(recipe, folder, rows)
    return folder


def generate(recipe: "RecipeFolder", run_dir: Path, rows: list[Prediction], **settings: object) -> None:
    """07_generate as the recipe makes it, but for these settings; one that is None is absent, as in older reports."""
    made_with = {**GENERATE.settings(recipe.load()), **settings}
    files = {f"{VARIANT}.jsonl": "".join(row.model_dump_json() + "\n" for row in rows)}
    shape = {key: value for key, value in made_with.items() if value is not None}
    finish(recipe, run_dir, "07_generate", files, shape)


def finish(recipe: "RecipeFolder", run_dir: Path, folder: str, files: dict[str, str], settings: object = None) -> None:
    """A stage's folder as the stage leaves it, report and all; its settings are the files if none are given."""

    def write(_recipe: object, _run_dir: Path, output_dir: Path) -> Outcome:
        for name, text in files.items():
            (output_dir / name).write_text(text, encoding="utf-8")
        return Outcome({})

    name = folder.split("_", 1)[1]
    shape = files if settings is None else settings
    stage = Stage(name, folder, "oneday.records", "", inputs=(), settings=lambda recipe: shape, run=write)
    execute(stage, recipe.load(), run_dir, announce=lambda text: None)


def ablate(recipe: "RecipeFolder", run_dir: Path, *options: object) -> int:
    """The command with the candidate rules."""
    rules = ("--rules", recipe.path / "candidates.yaml") if "--rules" not in options else ()
    return main([str(part) for part in (recipe.path, "--out", run_dir, *rules, *options)])


def read(run_dir: Path) -> Ablation:
    return read_json(run_dir / "12_ablate/ablation.json", Ablation)


def test_the_command_writes_record_page_and_report(recipe: "RecipeFolder", run_dir: Path) -> None:
    assert ablate(recipe, run_dir) == 0
    record = read(run_dir)
    assert (record.recipe, record.rules_file, record.resamples) == ("quickstart", "candidates.yaml", 200)
    assert [(fact.rule, fact.kept) for fact in record.rules] == [
        ("cut_at_blank_line", True),
        ("strip", False),
        ("cut_at_stop: {stops: [' | ']}", False),
    ]
    assert record.sets[0].rules[2].chain.verdict == "harms"
    report = json.loads((run_dir / "12_ablate/report.json").read_text(encoding="utf-8"))
    assert report["counts"] == {"rows": 12, "sets": 1, "rules": 3, "rules_that_pay": 1}
    assert sorted(report["outputs"]) == ["ablation.html", "ablation.json"]


def test_the_score_with_all_rules_is_that_of_the_evaluation(recipe: "RecipeFolder", run_dir: Path) -> None:
    (recipe.path / "rules.yaml").write_text("default: [cut_at_blank_line, strip]\n", encoding="utf-8")
    assert ablate(recipe, run_dir, "--rules", recipe.path / "rules.yaml") == 0
    score(recipe.load(), run_dir, run_dir / "08_eval_score")
    assert read(run_dir).sets[0].all == read_scores(run_dir / "08_eval_score/scores.json").macro[VARIANT]


def test_the_terminal_gets_markdown_with_bars_in_parameters_escaped(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(recipe, run_dir) == 0
    lines = capsys.readouterr().out.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    cut, strip, stop = (
        next(line for line in tables if f"`{name}" in line) for name in ("cut_at_b", "strip", "cut_at_s")
    )
    assert re.split(r"\s*\|\s*", cut)[1:-1] == [
        "`cut_at_blank_line`",
        "base zero shot",
        *["+0.500 (+0.500 to +0.500)"] * 2,
        "6: 6, 0",
        "pays",
        "+0.500 (+0.500 to +0.500)",
        "6: 6, 0",
        "pays",
        "yes",
    ]
    head = re.split(r"\s*\|\s*", next(line for line in tables if "verdict" in line))[1:-1]
    assert len(set(head)) == len(head) and all(head)
    assert "| all " in strip and "changes nothing" in strip
    assert r"[' \| ']" in stop and "harms" in stop
    assert "Rules that pay: `cut_at_blank_line`." in lines
    assert "| base zero shot | choice | options | default 6     | 6 of 6      | 6           |" in lines


def test_the_page_stands_alone_and_shows_what_was_changed(recipe: "RecipeFolder", run_dir: Path) -> None:
    assert ablate(recipe, run_dir) == 0
    page = (run_dir / "12_ablate/ablation.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<svg") == 2
    assert "1 of 3 rules pay." in page
    assert "&#34;B\\n\\n### Input:&#34;" in page and "&#34;B&#34;" in page
    assert "free -0.333" in page
    assert "6 get other rules in the server, and 6 answers read otherwise" in page


def test_the_page_says_when_no_rule_pays(recipe: "RecipeFolder", run_dir: Path) -> None:
    (recipe.path / "candidates.yaml").write_text("default: [strip]\n", encoding="utf-8")
    assert ablate(recipe, run_dir) == 0
    page = (run_dir / "12_ablate/ablation.html").read_text(encoding="utf-8")
    assert "No rule is shown to pay." in page
    assert "changes nothing" in page


def test_the_same_answers_give_the_same_bytes(recipe: "RecipeFolder", run_dir: Path) -> None:
    files = [run_dir / "12_ablate/ablation.json", run_dir / "12_ablate/ablation.html"]
    assert ablate(recipe, run_dir) == 0
    first = [file.read_bytes() for file in files]
    (run_dir / "12_ablate/report.json").unlink()
    assert ablate(recipe, run_dir) == 0
    assert [file.read_bytes() for file in files] == first


def test_a_second_run_is_skipped_but_shows_the_tables(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(recipe, run_dir) == 0
    tables = capsys.readouterr().out.partition("|")[2]
    assert ablate(recipe, run_dir) == 0
    said, _, again = capsys.readouterr().out.partition("|")
    assert "unchanged, skipped" in said
    assert again == tables


def test_tables_that_nobody_reads_end_the_command_quietly(recipe: "RecipeFolder", run_dir: Path) -> None:
    assert ablate(recipe, run_dir) == 0
    module = [sys.executable, "-m", "postprocess.ablate", str(recipe.path), "--out", str(run_dir)]
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*module, "--rules", str(recipe.path / "candidates.yaml")]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False, env=buffered)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_other_answers_make_one_set_or_sets_of_their_names(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    rows = predictions(choice="B", free="red")
    write_jsonl(folder / "choice.jsonl", rows[:6])
    write_jsonl(folder / "free.jsonl", rows[6:])
    assert ablate(recipe, run_dir, "--generations", folder) == 0
    assert [(answers.name, answers.rows) for answers in read(run_dir).sets] == [("generations", 12)]
    one, other = f"left={folder}/choice.jsonl", f"right={folder}/free.jsonl"
    assert ablate(recipe, run_dir, "--generations", one, "--generations", other) == 0
    assert [(answers.name, answers.rows, answers.tasks) for answers in read(run_dir).sets] == [
        ("left", 6, 1),
        ("right", 6, 1),
    ]


def test_other_answers_need_no_generate_and_are_read_again_when_they_change(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_dir / "07_generate/report.json").unlink()
    file = tmp_path / "saved.jsonl"
    write_jsonl(file, predictions(choice="A"))
    assert ablate(recipe, run_dir, "--generations", file) == 0
    write_jsonl(file, predictions(choice="B"))
    assert ablate(recipe, run_dir, "--generations", file) == 0
    assert "runs again: the recipe changed" in capsys.readouterr().out
    assert read(run_dir).sets[0].none.score == 1


def told(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command printed. The notes of the record are in it and on the page."""
    printed = capsys.readouterr().out
    page = (run_dir / "12_ablate/ablation.html").read_text(encoding="utf-8")
    assert all(note in printed and note in page for note in read(run_dir).notes)
    return printed


ENDED = "These texts were ended at the first blank line while they were generated"
CHANGED = "The recipe has changed since these texts were generated"


def test_whole_texts_of_the_recipe_as_it_is_need_no_note(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.edit("eval.yaml", stop_at_blank_line=False)
    generate(recipe, run_dir, predictions(choice="B"))
    assert ablate(recipe, run_dir) == 0
    assert read(run_dir).notes == []


@pytest.mark.parametrize("unsaid", [False, True])
def test_texts_that_were_ended_at_a_blank_line_are_told_though_an_older_report_does_not_say_so(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str], unsaid: bool
) -> None:
    recipe.edit("eval.yaml", stop_at_blank_line=True)
    generate(recipe, run_dir, predictions(choice="B"), stop_at_blank_line=None if unsaid else True)
    assert ablate(recipe, run_dir) == 0
    printed = told(run_dir, capsys)
    assert ENDED in printed and "stop_at_blank_line: false in eval.yaml" in printed
    assert CHANGED not in printed


def test_texts_made_with_other_settings_are_measured_and_told_with_the_command_that_makes_them_anew(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.edit("eval.yaml", stop_at_blank_line=False)
    generate(recipe, run_dir, predictions(choice="B"), stop_at_blank_line=None, batch_size=77)
    assert ablate(recipe, run_dir) == 0
    printed = told(run_dir, capsys)
    assert ENDED in printed and f"{CHANGED} (batch_size, stop_at_blank_line)" in printed
    assert f"python -m eval.generate {recipe.path} --out {run_dir}" in printed
    generate(recipe, run_dir, predictions(choice="B"))  # the same bytes, with the recipe's settings
    assert ablate(recipe, run_dir) == 0
    assert read(run_dir).notes == []


def test_of_answers_of_other_files_nothing_is_told(recipe: "RecipeFolder", run_dir: Path, tmp_path: Path) -> None:
    generate(recipe, run_dir, predictions(choice="B"), stop_at_blank_line=True, batch_size=77)
    write_jsonl(tmp_path / "saved.jsonl", predictions(choice="B"))
    assert ablate(recipe, run_dir, "--generations", tmp_path / "saved.jsonl") == 0
    assert read(run_dir).notes == []


def test_a_recipe_folder_stands_for_its_rules(recipe: "RecipeFolder", run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/rules.yaml").write_text("default: [first_line]\n", encoding="utf-8")
    assert ablate(recipe, run_dir, "--rules", tmp_path / "other") == 0
    assert ([fact.rule for fact in read(run_dir).rules], read(run_dir).rules_file) == (["first_line"], "rules.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_answer(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "saved.jsonl"
    write_jsonl(file, predictions(choice="B"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert ablate(recipe, run_dir, "--generations", file) == 0
    assert read(run_dir).sets[0].rows == 6


@pytest.mark.parametrize("given", ["Base={file}", "=x.jsonl", "left="])
def test_a_name_of_answers_that_is_wrong_is_told_with_what_is_allowed(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    file = tmp_path / "saved.jsonl"
    write_jsonl(file, predictions(choice="B"))
    given = given.format(file=file)
    assert ablate(recipe, run_dir, "--generations", given) == 1
    error = capsys.readouterr().err
    assert f"--generations {given}: " in error and "lower-case letters, digits and _" in error


def test_a_file_with_an_equals_sign_in_its_name_is_read(recipe: "RecipeFolder", run_dir: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "t=0.jsonl", predictions(choice="B"))
    assert ablate(recipe, run_dir, "--generations", tmp_path / "t=0.jsonl") == 0
    assert read(run_dir).sets[0].name == "generations"


def test_a_dry_run_changes_nothing(recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate(recipe, run_dir, "--dry-run") == 0
    assert capsys.readouterr().out == "ablate      would run\n"
    assert not (run_dir / "12_ablate").exists()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("default: [cut_at_blank]\n", "did you mean cut_at_blank_line"),
        ("cases:\n- {name: o, tasks: [chioce], rules: [strip]}\ndefault: []\n", "did you mean choice?"),
        ("default: []\n", "there is no rule to measure; name candidates with --rules"),
        (None, "candidates.yaml: no such file"),
    ],
)
def test_rules_that_cannot_be_measured_are_a_wrong_recipe(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str], rules: str | None, message: str
) -> None:
    path = recipe.path / "candidates.yaml"
    path.unlink() if rules is None else path.write_text(rules, encoding="utf-8")
    assert ablate(recipe, run_dir) == 2
    assert message in capsys.readouterr().err


def test_a_recipe_without_rules_says_how_to_name_candidates(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.path / "rules.yaml").unlink()
    assert main([str(recipe.path), "--out", str(run_dir)]) == 2
    assert "rules.yaml: there is no rule to measure; name candidates with --rules" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "other"}, "row choice-0: the run has no task other; there are: choice, free"),
        ({"answer": []}, "row choice-0 of task choice has no reference in 'answer'"),
        ({"id": "choice-1"}, "row choice-1 of task choice is there twice in 'generations'"),
    ],
)
def test_answers_that_cannot_be_judged_are_told_by_file_and_row(
    recipe: "RecipeFolder",
    run_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    message: str,
) -> None:
    file = tmp_path / "saved.jsonl"
    rows = predictions(choice="B")
    write_jsonl(file, [rows[0].model_copy(update=change), *rows[1:]])
    assert ablate(recipe, run_dir, "--generations", file) == 1
    assert f"{file}: {message}" in capsys.readouterr().err


def test_answers_that_are_not_there_are_told(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    for path, message in (
        (tmp_path / "empty", "there is no .jsonl file in that folder"),
        (tmp_path / "empty.jsonl", "there are no rows; name files of raw answers"),
        (tmp_path / "absent.jsonl", "No such file or directory"),
    ):
        assert ablate(recipe, run_dir, "--generations", path) == 1
        error = capsys.readouterr().err
        assert message in error and str(path) in error


def test_a_line_that_is_no_answer_is_told_by_its_number(
    recipe: "RecipeFolder", run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "saved.jsonl"
    file.write_text(predictions(choice="B")[0].model_dump_json() + "\n{}\n", encoding="utf-8")
    assert ablate(recipe, run_dir, "--generations", file) == 1
    assert f"{file}:2: not a prediction record" in capsys.readouterr().err


def test_a_run_without_answers_says_which_stage_to_run(
    recipe: "RecipeFolder", run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_dir / "07_generate/report.json").unlink()
    assert ablate(recipe, run_dir) == 1
    assert "run the stage 'generate' first" in capsys.readouterr().err
