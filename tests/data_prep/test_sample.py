"""Sample, the stage: files in, files out, every row accounted for. The rules have tests of their own in sampling/."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from data_prep.sample import STAGE, preview, read_rows, run
from data_prep.sample_page import example_rows
from data_prep.sampling.rows import Choice, TaskRows
from oneday.console import stage_main
from oneday.files import read_json, read_jsonl, write_json, write_jsonl
from oneday.prompt import WHITE_SPACE, task_prompt
from oneday.records import Example, Kind, PositiveExample, SampledTask, TaskEntry, TaskScore
from oneday.stage import Outcome, Stage, StageError, execute

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

WEIGHTED: dict[str, Any] = {
    "rule": "weighted",
    "budget": {"rows": 24},
    "graded": "token_f1",
    "temperature": 1.0,
    "keep_right": 0.25,
    "categories": {"floor": 0.1, "cap": 0.9},
    "max_rows_per_task": 30,
    "max_input_words": 100,
    "single_reference": True,
}


@dataclass(frozen=True)
class Toy:
    """A task and its scored rows."""

    name: str
    kind: Kind
    scores: Sequence[float]
    inputs: Sequence[str]
    answers: Sequence[list[str]]
    category: str = "Toy"
    source: str | None = "the toy set"

    @property
    def entry(self) -> TaskEntry:
        return TaskEntry(
            task=self.name,
            rows=len(self.scores),
            definition=["Say it.", "Say it well."],
            categories=[self.category],
            kind=self.kind,
            positive_examples=[PositiveExample(input="shown", output="shown answer")],
            source=[] if self.source is None else [self.source],
        )

    @property
    def score(self) -> TaskScore:
        mean = sum(self.scores) / len(self.scores)
        metric = "accuracy" if self.kind == "exact_match" else "rouge_l_f"
        return TaskScore(
            task=self.name,
            kind=self.kind,
            metric=metric,
            tokenizer="rouge_score",
            instances=len(self.scores),
            score=mean,
            accuracy=mean,
            rouge_l_f=mean,
            token_f1=mean,
            empty_predictions=0,
        )

    @property
    def table(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "id": [f"{self.name}-{number}" for number in range(len(self.scores))],
                "input": self.inputs,
                "answer": self.answers,
                "prediction": ["predicted"] * len(self.scores),
                "score": self.scores,
                "exact_match": [score == 1 for score in self.scores],
                "rouge_l_f": self.scores,
                "token_f1": self.scores,
                "input_words": [len(text.split()) for text in self.inputs],
            },
            schema_overrides={"score": pl.Float64, "rouge_l_f": pl.Float64, "input_words": pl.UInt32},
        )


def write_collected(tasks: Sequence[Toy], folder: Path) -> None:
    write_jsonl(folder / "tasks.jsonl", [task.entry for task in tasks])


def write_scored(tasks: Sequence[Toy], folder: Path) -> None:
    (folder / "scored").mkdir(parents=True, exist_ok=True)
    for task in tasks:
        task.table.write_parquet(folder / "scored" / f"{task.name}.parquet")
    write_json(folder / "tasks.json", [task.score.model_dump() for task in tasks])


def write_inputs(tasks: Sequence[Toy], run_dir: Path) -> None:
    write_collected(tasks, run_dir / "01_collect")
    write_scored(tasks, run_dir / "03_score")


def finish_inputs(recipe: "RecipeFolder", tasks: Sequence[Toy], run_dir: Path) -> None:
    """As `write_inputs`, with the reports that the machinery of stages asks for."""

    def stage(name: str, folder: str, write: Any) -> Stage:
        def work(recipe: Any, run_dir: Path, output_dir: Path) -> Outcome:
            write(tasks, output_dir)
            return Outcome({"tasks": len(tasks)})

        return Stage(name, folder, f"data_prep.{name}", "", (), lambda recipe: {}, work)

    for made in (stage("collect", "01_collect", write_collected), stage("score", "03_score", write_scored)):
        execute(made, recipe.load(), run_dir, announce=lambda line: None)


def two_tasks() -> list[Toy]:
    """40 rows each: a choice that is right every second time, and texts with scores from 0 to 0.975."""
    inputs = [f"the input number {number}" for number in range(40)]
    one, two = ["an answer"], ["an answer", "another"]
    choice = Toy("choice", "exact_match", [float(n % 2) for n in range(40)], inputs, [one] * 40, "Choosing")
    texts = Toy(
        "text", "generation", [n / 40 for n in range(40)], inputs, [two if n % 8 == 0 else one for n in range(40)]
    )
    return [choice, texts]


def sampled(
    recipe: "RecipeFolder", tasks: Sequence[Toy], run_dir: Path, out: str = "out"
) -> tuple[Outcome, list[Example]]:
    write_inputs(tasks, run_dir)
    outcome = run(recipe.load(), run_dir, run_dir / out)
    return outcome, read_jsonl(run_dir / out / "sampled.jsonl", Example)


def test_an_example_is_the_zero_shot_prompt_and_the_first_reference(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", preamble="Below.", sample__exact_match__factor=1)
    _, examples = sampled(recipe, [Toy("toy", "exact_match", [0.0], ["word a"], [["first", "second"]])], tmp_path)
    assert examples == [
        Example(
            question="Below.\n\n### Instruction:\nSay it.\nSay it well.\n\n### Input:\nword a\n\n### Response:\n",
            answer="first",
            source="the toy set",
            task="toy",
            id="toy-0",
            input="word a",
        )
    ]


def test_a_task_without_a_source_is_its_own(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", sample__exact_match__factor=1)
    _, (example,) = sampled(recipe, [Toy("toy", "exact_match", [0.0], ["a"], [["b"]], source=None)], tmp_path)
    assert example.source == "toy"


def test_without_a_preamble_an_example_begins_with_its_instruction(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", preamble="", sample__exact_match__factor=1)
    _, examples = sampled(recipe, [Toy("toy", "exact_match", [0.0] * 2, ["word a", " "], [["b"]] * 2)], tmp_path)
    instruction = "### Instruction:\nSay it.\nSay it well.\n\n"
    assert [example.question for example in examples] == [
        f"{instruction}### Input:\nword a\n\n### Response:\n",
        f"{instruction}### Response:\n",
    ]


@pytest.mark.parametrize("preamble", ["Below.", ""])
def test_texts_of_any_script_and_form_come_through_unchanged(
    recipe: "RecipeFolder", tmp_path: Path, preamble: str
) -> None:
    recipe.edit("data.yaml", preamble=preamble, sample__exact_match__factor=1)
    texts = [
        f"{WHITE_SPACE}stripped\u200b{WHITE_SPACE}",
        "".join(map(chr, range(0x300))),
        "ሰላም ልዑል",
        'a "quoted"\\ line\n\nand more',
        "one\u2028two\u0085three",
        " \x7f\x01 ",
        "😀",
        "",
    ]
    toy = Toy("toy", "exact_match", [0.0] * len(texts), texts, [[text] for text in texts])
    _, examples = sampled(recipe, [toy], tmp_path)
    assert [(example.input, example.answer) for example in examples] == [(text, text) for text in texts]
    assert [example.question for example in examples] == [task_prompt(preamble, toy.entry, text) for text in texts]
    lines = (tmp_path / "out/sampled.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines == [*(example.model_dump_json() for example in examples), ""]


def test_an_input_is_stripped_of_just_what_the_prompt_strips() -> None:
    everything = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assert set(WHITE_SPACE) == {character for character in everything if character.isspace()}


def test_examples_are_in_the_order_of_task_names_and_then_of_the_file(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", sample__exact_match__factor=1)
    _, examples = sampled(recipe, two_tasks()[::-1], tmp_path)
    ids = [example.id for example in examples]
    assert ids == sorted(ids, key=lambda id: (id.split("-")[0], int(id.split("-")[1])))
    assert [id for id in ids if id.startswith("choice")] == [f"choice-{number}" for number in range(0, 40, 2)]


def test_available_rows_are_those_taken_and_each_drop(recipe: "RecipeFolder", tmp_path: Path) -> None:
    outcome, examples = sampled(recipe, two_tasks(), tmp_path)
    assert outcome.counts == {"scored": 80, "tasks": 2, "taken": len(examples)}
    assert outcome.counts["taken"] + sum(outcome.dropped.values()) == 80
    assert outcome.dropped["answered_right"] == 20
    assert list(outcome.dropped) == sorted(outcome.dropped)


@pytest.mark.parametrize("rule", ["birbal", "weighted"])
def test_the_summary_says_what_was_taken_of_each_task(recipe: "RecipeFolder", tmp_path: Path, rule: str) -> None:
    if rule == "weighted":
        recipe.edit("data.yaml", sample=WEIGHTED)
    outcome, examples = sampled(recipe, two_tasks(), tmp_path)
    choice, text = summary = read_json(tmp_path / "out/tasks.json", list[SampledTask])
    assert (choice.task, choice.kind, choice.category, choice.score) == ("choice", "exact_match", "Choosing", 0.5)
    assert (text.task, text.category) == ("text", "Toy")
    assert text.score == pytest.approx(sum(range(40)) / 40 / 40)
    assert [(task.available, task.wrong) for task in summary] == [(40, 20), (40, 40)]
    assert {task.task: task.taken for task in summary} == Counter(example.task for example in examples)
    assert all(task.taken + sum(task.dropped.values()) == task.available for task in summary)
    assert sum((Counter(task.dropped) for task in summary), Counter()) == outcome.dropped
    assert all(task.rule and 0 not in task.dropped.values() for task in summary)


def test_the_weighted_rule_fills_its_budget_with_wrong_and_right_rows(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", sample=WEIGHTED)
    _, examples = sampled(recipe, two_tasks(), tmp_path)
    right = [example for example in examples if example.task == "choice" and int(example.id.split("-")[1]) % 2]
    assert len(examples) == 24
    assert 0 < len(right) <= 6


def test_a_budget_of_tokens_is_counted_with_the_base_models_tokenizer(
    recipe: "RecipeFolder", tmp_path: Path, tiny_model_dir: Path, tiny_tokenizer: Any
) -> None:
    recipe.use_model(tiny_model_dir)
    recipe.edit("data.yaml", sample=WEIGHTED | {"budget": {"tokens": 6000}, "max_rows_per_task": 100})
    _, examples = sampled(recipe, two_tasks(), tmp_path)
    tokens = sum(len(tiny_tokenizer(example.question + example.answer)["input_ids"]) for example in examples)
    assert 0.9 * 6000 < tokens <= 6000


def test_the_lengths_of_texts_are_read_for_a_budget_of_tokens_only(recipe: "RecipeFolder", tmp_path: Path) -> None:
    toy = Toy("toy", "exact_match", [0.0], ["größe"], [["ab", "cde"]])
    write_inputs([toy], tmp_path)
    recipe.edit("data.yaml", sample=WEIGHTED)
    (rows,) = read_rows(tmp_path, recipe.load().data.sample)
    assert (rows.input_words.tolist(), rows.references.tolist(), rows.characters.tolist()) == ([1], [2], [0])
    recipe.edit("data.yaml", sample=WEIGHTED | {"budget": {"tokens": 10}})
    (rows,) = read_rows(tmp_path, recipe.load().data.sample)
    assert rows.characters.tolist() == [9]


def test_a_scored_task_that_is_no_longer_collected_is_an_error(recipe: "RecipeFolder", tmp_path: Path) -> None:
    choice, text = two_tasks()
    write_inputs([choice, text], tmp_path)
    write_collected([choice], tmp_path / "01_collect")
    with pytest.raises(ValueError, match=r"the task 'text' was scored, but .* 1 of 01_collect/tasks.jsonl; run the"):
        run(recipe.load(), tmp_path, tmp_path / "out")


def test_a_collected_task_without_scores_is_left_out(recipe: "RecipeFolder", tmp_path: Path) -> None:
    choice, text = two_tasks()
    write_inputs([choice], tmp_path)
    write_collected([choice, text], tmp_path / "01_collect")
    assert run(recipe.load(), tmp_path, tmp_path / "out").counts["tasks"] == 1


@pytest.mark.parametrize("rule", ["birbal", "weighted"])
def test_equal_recipes_give_equal_bytes_and_another_seed_other_rows(
    recipe: "RecipeFolder", tmp_path: Path, rule: str
) -> None:
    recipe.edit("data.yaml", sample__exact_match__factor=0.04)
    if rule == "weighted":
        recipe.edit("data.yaml", sample=WEIGHTED)
    for name in ("one", "two"):
        sampled(recipe, two_tasks(), tmp_path, name)
    recipe.edit("data.yaml", seed=1)
    sampled(recipe, two_tasks(), tmp_path, "three")
    for file in ("sampled.jsonl", "tasks.json", "report.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (tmp_path / "one/sampled.jsonl").read_bytes() != (tmp_path / "three/sampled.jsonl").read_bytes()


def test_by_birbals_rule_a_task_does_not_depend_on_the_tasks_beside_it(recipe: "RecipeFolder", tmp_path: Path) -> None:
    choice, text = two_tasks()
    _, both = sampled(recipe, [choice, text], tmp_path / "both")
    _, one = sampled(recipe, [text], tmp_path / "one")
    assert [example for example in both if example.task == "text"] == one


def test_the_page_shows_a_taken_a_wrong_and_a_right_row_of_each_task() -> None:
    text = two_tasks()[1]
    toy = Toy("toy", "generation", [0.2, 0.1, 1.0, 0.3], text.inputs[:4], text.answers[:4])
    rows = toy_rows(toy)
    shown = list(example_rows(toy.table, rows, Choice(np.array([1, 3]))))
    assert [(row.id, row.taken, row.score) for row in shown] == [
        ("toy-1", True, 0.1),
        ("toy-0", "see the task's rule", 0.2),
        ("toy-2", "the answer is right", 1.0),
    ]
    assert shown[0].input == "the input number 1"
    assert [row.id for row in example_rows(toy.table, rows, Choice(np.arange(4)))] == ["toy-0"]


def toy_rows(toy: Toy) -> TaskRows:
    numbers = np.zeros(len(toy.scores), dtype=np.int64)
    scores = np.array(toy.scores)
    return TaskRows(toy.entry, scores, scores, input_words=numbers, references=numbers, characters=numbers)


# Through the machinery of stages


def test_the_stage_runs_once_and_again_when_the_rule_changes(recipe: "RecipeFolder", tmp_path: Path) -> None:
    finish_inputs(recipe, two_tasks(), tmp_path)
    said: list[str] = []
    execute(STAGE, recipe.load(), tmp_path, said.append)
    first = (tmp_path / "04_sample/sampled.jsonl").read_bytes()
    execute(STAGE, recipe.load(), tmp_path, said.append)
    assert said[-1] == "sample      unchanged, skipped"
    recipe.edit("data.yaml", sample=WEIGHTED)
    report = execute(STAGE, recipe.load(), tmp_path, said.append)
    assert "sample      runs again: the recipe changed" in said
    assert set(report.outputs) == {"sampled.jsonl", "tasks.json", "report.html"}
    assert first != (tmp_path / "04_sample/sampled.jsonl").read_bytes()


def test_without_scores_the_stage_says_which_one_to_run_first(recipe: "RecipeFolder", tmp_path: Path) -> None:
    finish_inputs(recipe, two_tasks(), tmp_path)
    (tmp_path / "03_score/report.json").unlink()
    with pytest.raises(StageError, match=r"03_score/report.json is absent: .*; run the stage 'score' first"):
        execute(STAGE, recipe.load(), tmp_path)
    assert not (tmp_path / "04_sample").exists()


def test_only_a_budget_of_tokens_depends_on_the_tokenizer(
    recipe: "RecipeFolder", tmp_path: Path, tiny_model_dir: Path
) -> None:
    recipe.use_model(tiny_model_dir)
    recipe.edit("data.yaml", sample=WEIGHTED)
    assert "tokenizer" not in STAGE.settings(recipe.load())
    recipe.edit("data.yaml", sample=WEIGHTED | {"budget": {"tokens": 10}})
    files = STAGE.settings(recipe.load())["tokenizer"]
    assert "base_model/tokenizer.json" in files
    assert not [name for name in files if name.endswith(".safetensors")]


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_each_task_would_give_and_changes_nothing(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = tmp_path / "run"
    finish_inputs(recipe, two_tasks(), run_dir)
    before = files_below(run_dir)
    assert stage_main(STAGE, [str(recipe.path), "--out", str(run_dir), "--dry-run"]) == 0
    assert files_below(run_dir) == before
    first, header, *lines, total = capsys.readouterr().out.splitlines()
    assert first.startswith("sample      would run")
    assert header.split() == ["task", "score", "available", "wrong", "taken", "rule"]
    execute(STAGE, recipe.load(), run_dir, announce=lambda line: None)
    summary = json.loads((run_dir / "04_sample/tasks.json").read_text(encoding="utf-8"))
    for line, task in zip(lines, summary, strict=True):
        assert line.split()[:2] == [task["task"], f"{task['score']:.3f}"]
        assert line.split()[2:5] == [str(task[field]) for field in ("available", "wrong", "taken")]
        assert line.endswith(task["rule"])
    assert total.split() == ["all", "80", "60", str(sum(task["taken"] for task in summary))]


def test_a_preview_without_scores_says_what_is_absent(recipe: "RecipeFolder", tmp_path: Path) -> None:
    write_collected(two_tasks(), tmp_path / "01_collect")
    expected = f"{tmp_path}/03_score/tasks.json is absent, so it cannot be said what each task would give"
    assert preview(recipe.load(), tmp_path) == expected
