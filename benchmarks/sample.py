"""Seconds and memory of the stages sample and mix on the whole of Natural Instructions, with synthetic texts.

    python benchmarks/sample.py [--rows 3000000] [--tasks 1616] [--rule birbal|weighted] [--keep DIR]

Writes 01_collect and 03_score as their stages would, in a temporary folder of a few GB, then runs the two stages, each
with its own command. Writing the data is not part of the timing. Exits with 1 if a target is missed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import yaml

from data_prep.score import write_parquet
from oneday.console import progress, quiet_libraries, run_command, typer_main
from oneday.files import write_json, write_jsonl
from oneday.machine import describe
from oneday.recipe import Recipe, load_recipe
from oneday.records import HeldOut, Kind, PositiveExample, TaskEntry, TaskScore
from oneday.stage import Outcome, Stage, StageError, execute, read_report

HELP = """Measure the stages sample and mix on as many rows as Natural Instructions has.

The texts are synthetic: inputs of 60 words in the mean, one in twenty longer than 170. Targets for both stages
together: under 60 seconds, under 4 GB of memory. It exits with 1 if one is missed.

A quick look: python benchmarks/sample.py --rows 100000 --tasks 100
"""
ROOT = Path(__file__).parents[1]
SEED = 11
VOCABULARY, CORPUS = 20_000, 1_000_000  # words
DEFINITION_WORDS = 90
LOG_MEDIAN, LOG_SPREAD, MOST_WORDS = 3.69, 0.9, 1500  # of an input, log-normal
ANSWER_WORDS = 12
CATEGORIES = 76
MOST_SECONDS, MOST_BYTES = 60, 4e9
RULES: dict[str, dict[str, Any]] = {
    "birbal": {
        "rule": "birbal",
        "exact_match": {
            "take_by_accuracy": [350, 350, 300, 300, 250, 250, 200, 150, 100, 50],
            "factor": 1,
            "below_words": 800,
            "count_definition": True,
        },
        "generation": {
            "keep_by_score": {0.0: 0.8, 0.2: 0.2, 0.3: 0.2, 0.4: 0.2, 0.5: 0.2, 0.6: 0.2, 0.7: 0.2, 0.8: 0.0},
            "max_input_words": 1100,
            "single_reference": True,
        },
    },
    "weighted": {
        "rule": "weighted",
        "budget": {"rows": 700_000},
        "graded": "token_f1",
        "temperature": 0.5,
        "keep_right": 0.1,
        "categories": {"floor": 0.001, "cap": 0.1},
        "max_rows_per_task": 2000,
        "max_input_words": 1100,
        "single_reference": True,
    },
}


@dataclass(frozen=True)
class Corpus:
    """Random words, one after the other; `starts` are the places of their first letters and of the end."""

    text: str
    starts: list[int]

    def slice(self, first: int, words: int) -> str:
        """So many words from word number `first` on."""
        return self.text[self.starts[first] : self.starts[first + words] - 1]

    def texts(self, random: np.random.Generator, words: "np.ndarray[Any, Any]") -> list[str]:
        """A text of each length, from anywhere."""
        first = random.integers(0, CORPUS - MOST_WORDS, len(words)).tolist()
        return [self.slice(start, count) for start, count in zip(first, words.tolist(), strict=True)]


@dataclass(frozen=True)
class Measured:
    """What one stage took."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    rows_in: int
    rows_out: int


def make_corpus(random: np.random.Generator) -> Corpus:
    """Words of one to four syllables, by Zipf's law."""
    syllables = np.array([f"{consonant}{vowel}" for consonant in "bcdfghklmnprstvwz" for vowel in "aeioué"])
    vocabulary = ["".join(random.choice(syllables, 1 + place % 4)) for place in range(VOCABULARY)]
    weights = 1 / np.arange(1, VOCABULARY + 1)
    chosen = random.choice(VOCABULARY, CORPUS, p=weights / weights.sum())
    lengths = np.array([len(word) + 1 for word in vocabulary])[chosen]
    text = " ".join(vocabulary[place] for place in chosen.tolist())
    return Corpus(text, [0, *np.cumsum(lengths).tolist()])


def task_entries(corpus: Corpus, rows: int, tasks: int) -> list[TaskEntry]:
    """Tasks of like size, every second of them exact match."""
    return [
        TaskEntry(
            task=f"task{number:04}_synthetic",
            rows=(rows * (number + 1)) // tasks - rows * number // tasks,
            definition=[corpus.slice(number * DEFINITION_WORDS % (CORPUS - MOST_WORDS), DEFINITION_WORDS)],
            categories=[f"Category {number % CATEGORIES}"],
            kind="generation" if number % 2 else "exact_match",
            positive_examples=[PositiveExample(input=corpus.slice(number, 40), output=corpus.slice(number, 3))] * 3,
            source=["synthetic"],
        )
        for number in range(tasks)
    ]


def scores_of(random: np.random.Generator, kind: Kind, rows: int) -> "np.ndarray[Any, Any]":
    """Row scores of one task: right or wrong by the task's accuracy, or spread, and sometimes quite right."""
    if kind == "exact_match":
        return (random.random(rows) < random.beta(1.2, 1.2)).astype(np.float64)
    return np.where(random.random(rows) < 0.1, 1.0, random.beta(1, 2, rows))


def scored_table(random: np.random.Generator, corpus: Corpus, entry: TaskEntry) -> pl.DataFrame:
    """The rows of one task, as the stage score writes them."""
    rows = entry.rows
    words = np.clip(random.lognormal(LOG_MEDIAN, LOG_SPREAD, rows), 1, MOST_WORDS).astype(np.int64)
    answer_words = np.ones(rows, dtype=np.int64)
    if entry.kind == "generation":
        answer_words = 1 + random.poisson(ANSWER_WORDS - 1, rows)
    answers = corpus.texts(random, answer_words)
    scores = scores_of(random, entry.kind, rows)
    several = (random.random(rows) < 0.1).tolist()
    return pl.DataFrame(
        {
            "id": [f"{entry.task}-{number:032x}" for number in range(rows)],
            "input": corpus.texts(random, words),
            "answer": [[text, text[::-1]] if more else [text] for text, more in zip(answers, several, strict=True)],
            "prediction": corpus.texts(random, answer_words),
            "score": scores,
            "exact_match": scores == 1,
            "rouge_l_f": scores,
            "token_f1": np.maximum(scores, random.beta(1, 4, rows)),
            "input_words": pl.Series(words, dtype=pl.UInt32),
        }
    )


def task_score(entry: TaskEntry, table: pl.DataFrame) -> TaskScore:
    """The means of one task."""
    means = {name: float(table[name].cast(pl.Float64).to_numpy().mean()) for name in ("score", "rouge_l_f", "token_f1")}
    return TaskScore(
        task=entry.task,
        kind=entry.kind,
        metric="accuracy" if entry.kind == "exact_match" else "rouge_l_f",
        tokenizer="rouge_score",
        instances=len(table),
        accuracy=float(table["exact_match"].to_numpy().mean()),
        empty_predictions=0,
        **means,
    )


def write_data(recipe: Recipe, run_dir: Path, rows: int, tasks: int) -> None:
    """01_collect and 03_score, through the machinery of stages, so that the next stage finds their reports."""
    random = np.random.default_rng(SEED)
    corpus = make_corpus(random)
    entries = task_entries(corpus, rows, tasks)

    def collect(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
        write_jsonl(output_dir / "tasks.jsonl", entries)
        apart = HeldOut(task=entries[0].task, id="apart", input="a row that only the evaluation reads", output=["yes"])
        write_jsonl(output_dir / "held_out.jsonl", [apart])  # one is enough for mix to compare every row with it
        return Outcome({"tasks": tasks})

    def score(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
        scores = []
        with progress(tasks, "write", "task") as bar:
            for entry in entries:
                table = scored_table(random, corpus, entry)
                write_parquet(output_dir / "scored" / f"{entry.task}.parquet", table)
                scores.append(task_score(entry, table).model_dump())
                bar.update()
        write_json(output_dir / "tasks.json", scores)
        return Outcome({"predictions": rows})

    made = partial(Stage, summary="", settings=lambda recipe: {"rows": rows, "tasks": tasks, "seed": SEED})
    inputs = ("01_collect/tasks.jsonl",)
    for stage in (
        made(name="collect", folder="01_collect", module="data_prep.collect", inputs=(), run=collect),
        made(name="score", folder="03_score", module="data_prep.score", inputs=inputs, run=score),
    ):
        execute(stage, recipe, run_dir)


def write_recipe(folder: Path, rule: str) -> Path:
    """The quickstart's recipe with the rule to measure and without its small quotas."""
    shutil.copytree(ROOT / "recipes" / "quickstart", folder, dirs_exist_ok=True)
    data = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    changed = data | {"sample": RULES[rule], "mix": data["mix"] | {"eval_share": 0.02}}
    (folder / "data.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    return folder


def measure(module: str, folder: str, recipe: Path, run_dir: Path) -> Measured:
    """Run a stage's command in a process of its own. StageError with what it said, if it fails.

    It runs beside the run folder, so that the link of the base model is made there and not in the user's runs/models.
    """
    shutil.rmtree(run_dir / folder, ignore_errors=True)
    command = [sys.executable, "-m", module, str(recipe.resolve()), "--out", str(run_dir.resolve())]
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=run_dir.parent, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise StageError(f"{' '.join(command)} failed:\n{said.read().decode(errors='replace')}")
    counts = read_report(run_dir / folder / "report.json").counts
    rows_in = counts["scored"] if "scored" in counts else counts["read"]
    rows_out = counts["taken"] if "taken" in counts else counts["train"] + counts["eval"]
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(module.removeprefix("data_prep."), seconds, cpu, usage.ru_maxrss * unit, rows_in, rows_out)


def table(measured: list[Measured]) -> str:
    """The measurements as Markdown."""
    lines = ["| stage | seconds | CPU s | peak memory GB | rows in | rows out |", "|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {stage.name} | {stage.seconds:.1f} | {stage.cpu_seconds:.1f} | {stage.peak_bytes / 1e9:.2f} "
        f"| {stage.rows_in:,} | {stage.rows_out:,} |"
        for stage in measured
    ]
    return "\n".join(lines)


def within(measured: list[Measured]) -> str:
    """How the stages together stand to the targets."""
    seconds = sum(stage.seconds for stage in measured)
    peak = max(stage.peak_bytes for stage in measured)
    return (
        f"{seconds:.1f} s together, {MOST_SECONDS / seconds:.2f} times as fast as the target of {MOST_SECONDS} s; "
        f"{peak / MOST_BYTES:.2f} of the {MOST_BYTES / 1e9:g} GB"
    )


def missed_targets(measured: list[Measured]) -> list[str]:
    """The targets that the stages miss together, in words."""
    seconds = sum(stage.seconds for stage in measured)
    peak = max(stage.peak_bytes for stage in measured)
    misses = []
    if seconds >= MOST_SECONDS:
        misses.append(f"the stages took {seconds:.1f} s; the target is under {MOST_SECONDS} s")
    if peak >= MOST_BYTES:
        misses.append(f"the peak of memory was {peak / 1e9:.2f} GB; the target is under {MOST_BYTES / 1e9:g} GB")
    return misses


@contextmanager
def work_folder(keep: Path | None) -> Iterator[Path]:
    """The folder to keep, or a temporary one."""
    if keep is not None:
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="oneday-sample-") as name:
        yield Path(name)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        rows: Annotated[int, typer.Option(help="Scored rows in all.", min=100)] = 3_000_000,
        tasks: Annotated[int, typer.Option(help="Tasks that they are of.", min=2)] = 1616,
        rule: Annotated[str, typer.Option(help="Rule of the stage sample: birbal or weighted.")] = "birbal",
        keep: Annotated[Path | None, typer.Option(help="Write into this folder and leave it.")] = None,
        targets: Annotated[bool, typer.Option(help="Exit with 1 if a target is missed.")] = True,
    ) -> int:
        misses: list[str] = []

        def work() -> None:
            if rule not in RULES:
                raise ValueError(f"--rule {rule}: no such rule; allowed: {', '.join(RULES)}")
            quiet_libraries()
            with work_folder(keep) as folder:
                measured = run_stages(folder, rule, rows, tasks)
            print(", ".join(f"{key} {value}" for key, value in describe().items()))
            print(f"{rows:,} rows of {tasks:,} tasks, rule {rule}, seed {SEED}\n\n{table(measured)}")
            print(within(measured))
            misses.extend(missed_targets(measured) if targets else [])

        code = run_command(work)
        for miss in misses:
            print(f"Error: {miss}", file=sys.stderr)
        return code or int(bool(misses))

    return typer_main(command, HELP, argv)


def run_stages(folder: Path, rule: str, rows: int, tasks: int) -> list[Measured]:
    """Write the data below a folder, then measure both stages on it."""
    recipe, run_dir = write_recipe(folder / "recipe", rule), folder / "run"
    write_data(load_recipe(recipe), run_dir, rows, tasks)
    stages = (("data_prep.sample", "04_sample"), ("data_prep.mix", "05_mix"))
    return [measure(module, name, recipe, run_dir) for module, name in stages]


if __name__ == "__main__":
    sys.exit(main())
