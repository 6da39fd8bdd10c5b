"""Does it pay to sample by what the base model gets wrong? Three training sets of one size, each with three seeds.

    python benchmarks/sampling_pays.py [--size small|gpu] [--keep runs/benchmarks/sampling_pays]

Copies of the quickstart's recipe, one a rule and seed, run through the project's own stages -> macro averages on
held-out rows of the trained tasks and on tasks that no training set has. It states the numbers and judges no rule.
What is finished is kept: a killed run goes on with the same command.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import yaml

import data_prep.collect
import data_prep.mix
import data_prep.predict
import data_prep.sample
import data_prep.score
import eval.generate
import eval.score
import training.train
from data_prep.sampling.budget import best_that_fit
from data_prep.sampling.rows import generator
from eval.config import Bootstrap
from eval.metrics.seed_scores import Scores, macro_table, tasks_table
from eval.reporting.results import machine_lines
from eval.scores import ScoredRow
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.files import atomic_write, read_jsonl, write_jsonl
from oneday.recipe import Recipe, load_recipe
from oneday.records import Example
from oneday.stage import Outcome, Report, Stage, exclusive, execute, read_report
from serve.tokens import token_counter

HELP = """Train on samples of equal size, drawn by three rules, and compare the models on held-out rows.

The rules: uniform (the same number of rows of every task, whatever the model answered), birbal (Birbal's tables) and
weighted (by how wrong the model is, some right answers kept). Base model, tokens of the training set and training are
the same for all. Eight tasks are trained on; three more are only evaluated. The seed draws the sample, the order of
the rows and the adapter.

--size small is for two CPU cores and takes under an hour; gpu takes more rows of the same tasks and is for one GPU.
A finished stage is not run again.
"""
ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "recipes" / "quickstart"
KEEP = ROOT / "runs" / "benchmarks" / "sampling_pays"
TRAINED = ("commonsenseqa", "piqa", "siqa", "proverbs", "boolq", "nq_open", "asdiv", "xsum")
UNSEEN = ("openbookqa", "imdb", "disflqa")  # a choice of letters like some trained ones; two answers; from a passage
BASELINE = "uniform"
TUNED = "tuned_zero_shot"
BASES = {"base_zero_shot": 0, "base_few_shot": 3}  # demonstrations
BOOTSTRAP = Bootstrap(resamples=10_000, confidence=0.95, seed=42)
LEAST_FILLED = 0.98  # of the token budget, before the rows for the loss on unseen rows are taken away
MOST_SPREAD = 0.02  # of the training sets' tokens

CountTokens = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True)
class Size:
    """How much is trained on and evaluated; instances and held-out rows are a task's. `train` is for train.yaml."""

    tokens: int
    instances: int
    max_input_words: int
    held_out: int
    unseen_max_input_words: int
    unseen_held_out: int
    seeds: tuple[int, ...]
    batch_size: int
    birbal_factor: float
    max_rows_per_task: int
    train: Mapping[str, Any]


SIZES = {
    "small": Size(
        tokens=15_000,
        instances=60,
        max_input_words=80,
        held_out=12,
        unseen_max_input_words=120,  # the three tasks have few short rows
        unseen_held_out=25,
        seeds=(1, 2, 3),
        batch_size=12,
        birbal_factor=0.1,
        max_rows_per_task=30,
        train={"saves_per_epoch": 2},
    ),
    "gpu": Size(
        tokens=250_000,
        instances=1000,
        max_input_words=250,
        held_out=100,
        unseen_max_input_words=250,
        unseen_held_out=100,
        seeds=(1, 2, 3),
        batch_size=64,
        birbal_factor=1,
        max_rows_per_task=500,
        train={"saves_per_epoch": 2, "sequence_len": 1024, "bf16": True, "tf32": True},
    ),
}


def rules(size: Size) -> dict[str, dict[str, Any]]:
    """The settings of `sample` for each training set, chosen before any tuned model was evaluated.

    birbal: its published tables; the factor only has to give more than the budget. weighted: rows in proportion to
    their error (temperature 1); a quarter of right rows, so that a task with two answers shows both; a category gets
    at least a tenth, and at most the share of the tasks that the largest has (five of eight).
    """
    shared = {"budget": {"tokens": size.tokens}, "max_input_words": 1100, "single_reference": True}
    birbal = _read_yaml("data")["sample"]
    return {
        "uniform": {"rule": "uniform", **shared},
        "birbal": birbal | {"exact_match": birbal["exact_match"] | {"factor": size.birbal_factor}},
        "weighted": {
            "rule": "weighted",
            "graded": "token_f1",
            "temperature": 1.0,
            "keep_right": 0.25,
            "categories": {"floor": 0.1, "cap": 0.625},
            "max_rows_per_task": size.max_rows_per_task,
            **shared,
        },
    }


def write_recipe(folder: Path, size: Size, unseen: bool = False, rule: str | None = None, seed: int = 42) -> Recipe:
    """A copy of the quickstart's recipe for one run; without a rule, for the answers of the base model."""
    data, evaluation, train = (_read_yaml(name) for name in ("data", "eval", "train"))
    data |= {
        "seed": seed,
        "collect": data["collect"] | _collect(size, unseen),
        "predict": data["predict"] | {"batch_size": size.batch_size},
        "sample": rules(size)[rule or BASELINE],
        "mix": {  # filters that drop nothing, so that the training sets stay of one size
            "sources": [{"source": "sampled"}],
            "min_input_words": 1,
            "max_input_words": 1100,
            "exact_duplicates": "input",
            "eval_share": 0.01,
        },
    }
    variants = [{"name": TUNED, "model": "tuned", "demonstrations": 0}]
    if rule is None:
        variants = [{"name": name, "model": "base", "demonstrations": shown} for name, shown in BASES.items()]
    compare = {"baseline": variants[0]["name"], "candidate": variants[-1]["name"]}
    evaluation |= {"variants": variants, "compare": compare, "batch_size": size.batch_size}
    moved = yaml.safe_dump(train | {"seed": seed, **size.train}).replace("runs/quickstart/", f"runs/{folder.name}/")
    for name, values in (("data", data), ("eval", evaluation), ("train", yaml.safe_load(moved))):
        with atomic_write(folder / f"{name}.yaml") as file:
            yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)
    return load_recipe(folder)


def _collect(size: Size, unseen: bool) -> dict[str, Any]:
    if unseen:
        limits = {"max_input_words": size.unseen_max_input_words, "held_out_per_task": size.unseen_held_out}
        return {"tasks": list(UNSEEN), "max_instances_per_task": 1, **limits}
    limits = {"max_input_words": size.max_input_words, "held_out_per_task": size.held_out}
    return {"tasks": list(TRAINED), "max_instances_per_task": size.instances, **limits}


def _read_yaml(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((QUICKSTART / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def cut(path: Path, tokens: int, seed: int, count_tokens: CountTokens) -> tuple[int, int]:
    """Leave the rows of a file of examples that fit the budget in random order; how many there were and are.

    ValueError if there are too few to fill it.
    """
    examples = read_jsonl(path, Example)
    cost = np.array(count_tokens([row.question + row.answer for row in examples]), dtype=np.float64)
    if cost.sum() < LEAST_FILLED * tokens:
        raise ValueError(
            f"{path}: {len(examples)} rows have {cost.sum():,.0f} tokens, too few for a budget of {tokens:,}; raise "
            "instances, birbal_factor or max_rows_per_task of this size in benchmarks/sampling_pays.py"
        )
    fits = best_that_fit(generator(seed, "cut").random(len(examples)), cost, tokens)
    write_jsonl(path, (row for row, fit in zip(examples, fits, strict=True) if fit))
    return len(examples), int(fits.sum())


def sample_stage(tokens: int) -> Stage:
    """The stage sample, with what it takes cut to a budget of tokens: Birbal's rule knows none.

    Its page and tasks.json tell of the rows before the cut.
    """
    stage = data_prep.sample.STAGE

    def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
        outcome = stage.run(recipe, run_dir, output_dir)
        count_tokens = token_counter(recipe.base_model)
        before, after = cut(output_dir / "sampled.jsonl", tokens, recipe.data.seed, count_tokens)
        dropped = outcome.dropped | {"over_token_budget": before - after}
        return Outcome(outcome.counts | {"taken": after}, dropped, outcome.details)

    return replace(stage, run=run, settings=lambda recipe: {**stage.settings(recipe), "tokens": tokens})


@dataclass(frozen=True)
class Run:
    """One training: a rule and a seed."""

    rule: str
    seed: int

    @property
    def name(self) -> str:
        """What its folders are called."""
        return f"{self.rule}-{self.seed}"


@dataclass(frozen=True)
class Work:
    """The folder of a benchmark and the stages in it. One run folder holds the base model's answers for all runs."""

    folder: Path
    size: Size

    def runs(self) -> Iterator[Run]:
        """Each training: all rules with the first seed, then with the next."""
        return (Run(rule, seed) for seed in self.size.seeds for rule in rules(self.size))

    def run_dir(self, name: str) -> Path:
        """Where a run's stages write."""
        return self.folder / "runs" / name

    def recipe(self, name: str, **changes: Any) -> Recipe:
        """A run's recipe, written anew."""
        return write_recipe(self.folder / "recipes" / name, self.size, **changes)

    def base(self) -> None:
        """Collect both groups of tasks; the base model answers the instances and the held-out rows."""
        answer = replace(eval.generate.STAGE, inputs=("01_collect/tasks.jsonl", "01_collect/held_out.jsonl"))
        both = (data_prep.collect.STAGE, answer, eval.score.STAGE)
        self._execute("unseen", self.recipe("unseen", unseen=True), *both)
        stages = (data_prep.collect.STAGE, data_prep.predict.STAGE, data_prep.score.STAGE, answer, eval.score.STAGE)
        self._execute("trained", self.recipe("trained"), *stages)

    def sample(self, run: Run) -> None:
        """The training set of one run, from the shared answers."""
        recipe = self.recipe(run.name, rule=run.rule, seed=run.seed)
        for shared in ("01_collect", "03_score"):
            link(self.run_dir("trained") / shared, self.run_dir(run.name) / shared)
        self._execute(run.name, recipe, sample_stage(self.size.tokens), data_prep.mix.STAGE)

    def train_and_answer(self, run: Run) -> None:
        """Train on that set, and answer the held-out rows of both groups of tasks."""
        recipe, unseen = self.recipe(run.name, rule=run.rule, seed=run.seed), f"{run.name}-unseen"
        self._execute(run.name, recipe, training.train.STAGE, eval.generate.STAGE, eval.score.STAGE)
        link(self.run_dir("unseen") / "01_collect", self.run_dir(unseen) / "01_collect")
        link(self.run_dir(run.name) / "06_train", self.run_dir(unseen) / "06_train")
        self._execute(unseen, recipe, eval.generate.STAGE, eval.score.STAGE)

    def reports(self) -> list[Report]:
        """The reports of all finished stages, each once."""
        paths = sorted((self.folder / "runs").glob("*/*/report.json"))
        return [read_report(path) for path in paths if not path.parent.is_symlink()]

    def _execute(self, name: str, recipe: Recipe, *stages: Stage) -> None:
        for stage in stages:
            execute(stage, recipe, self.run_dir(name), lambda line: print(f"{name:<17} {line}", flush=True))


def link(target: Path, place: Path) -> None:
    """Make `place` a link to a folder of another run. ValueError if something else is there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    if place.exists():
        raise ValueError(f"{place} is no link to a folder of another run; move it away")
    place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)


@dataclass(frozen=True)
class TrainingSet:
    """What one run is trained on: rows by task, tokens, and the rows that the base model answers right."""

    tasks: Mapping[str, int]
    tokens: int
    right: int


def training_set(run_dir: Path, count_tokens: CountTokens) -> TrainingSet:
    """What is in a run's `05_mix/train.jsonl`."""
    rows = read_jsonl(run_dir / "05_mix/train.jsonl", Example)
    scored = pl.read_parquet(run_dir / "03_score/scored/*.parquet", columns=["id", "score"])
    right = set(scored.filter(pl.col("score") >= 1)["id"].to_list())
    tasks = [row.task for row in rows]
    return TrainingSet(
        tasks={task: tasks.count(task) for task in sorted(set(tasks))},
        tokens=sum(count_tokens([row.question + row.answer for row in rows])),
        right=sum(row.id in right for row in rows),
    )


def check_sizes(sets: Mapping[Run, TrainingSet]) -> None:
    """ValueError if the training sets differ in tokens by more than MOST_SPREAD."""
    least, most = (end(sets, key=lambda run: sets[run].tokens) for end in (min, max))
    if sets[most].tokens - sets[least].tokens > MOST_SPREAD * sets[most].tokens:
        raise ValueError(
            f"{least.name} has {sets[least].tokens:,} tokens and {most.name} {sets[most].tokens:,}, more than "
            f"{MOST_SPREAD:.0%} apart; a filter of the stage mix drops rows of one and not of the other"
        )


def sets_table(sets: Mapping[Run, TrainingSet]) -> str:
    """What each training set holds, as Markdown."""
    lines = ["| training set | rows | tokens | answered right by the base model |", "|---|---:|---:|---:|"]
    lines += [
        f"| {run.name} | {sum(one.tasks.values())} | {one.tokens:,} | {one.right} |"
        for run, one in sorted(sets.items(), key=lambda item: item[0].name)
    ]
    return "\n".join(lines)


def read_scores(work: Work, unseen: bool) -> Scores:
    """The scores of the base model and of all runs on the held-out rows of one group of tasks."""
    places = [(column, column, "unseen" if unseen else "trained") for column in BASES]
    places += [(run.rule, TUNED, f"{run.name}-unseen" if unseen else run.name) for run in work.runs()]
    tables = []
    for column, variant, name in places:
        rows = read_jsonl(work.run_dir(name) / "08_eval_score/rows.jsonl", ScoredRow)
        tables.append((column, {(row.task, row.id): row.score for row in rows if row.variant == variant}))
    keys = sorted(tables[0][1])
    columns = list(dict.fromkeys(column for column, _ in tables))
    return {
        task: {
            column: np.array(
                [[table[key] for key in keys if key[0] == task] for name, table in tables if name == column]
            )
            for column in columns
        }
        for task in dict.fromkeys(key[0] for key in keys)
    }


def report(work: Work, name: str, sets: Mapping[Run, TrainingSet]) -> str:
    """All tables, with the machine and the settings."""
    seen, unseen = read_scores(work, unseen=False), read_scores(work, unseen=True)
    reports = work.reports()
    by_rule = {rule: [sets[run].tasks for run in sets if run.rule == rule] for rule in rules(work.size)}
    taken = {
        rule: {task: float(np.mean([tasks.get(task, 0) for tasks in rows])) for task in seen}
        for rule, rows in by_rule.items()
    }
    return "\n\n".join(
        [
            "\n".join(machine_lines(report.hardware for report in reports)),
            f"--size {name}: {', '.join(f'{key} {value}' for key, value in asdict(work.size).items())}",
            f"The stages took {sum(report.seconds for report in reports) / 60:.0f} minutes; {BOOTSTRAP.resamples:,} "
            "resamples of rows and seeds. Tuned models answer without demonstrations.",
            sets_table(sets),
            f"Held-out rows of the {len(seen)} trained tasks:",
            macro_table(seen, BASELINE, BOOTSTRAP),
            f"Held-out rows of {len(unseen)} tasks that no training set has:",
            macro_table(unseen, BASELINE, BOOTSTRAP),
            "Each task's mean score (in brackets its training rows, in the mean over the seeds):",
            tasks_table({**seen, **unseen}, taken),
        ]
    )


def run_benchmark(work: Work, name: str) -> str:
    """Bring everything below a folder up to date; the report, which is also in report.md."""
    work.base()
    for run in work.runs():
        work.sample(run)
    count_tokens = token_counter(load_recipe(work.folder / "recipes" / "trained").base_model)
    sets = {run: training_set(work.run_dir(run.name), count_tokens) for run in work.runs()}
    print(sets_table(sets), flush=True)
    check_sizes(sets)
    for run in work.runs():
        work.train_and_answer(run)
    text = report(work, name, sets)
    with atomic_write(work.folder / "report.md") as file:
        file.write(f"{text}\n")
    return text


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        size: Annotated[str, typer.Option(help=f"How much: {' or '.join(SIZES)}.")] = "small",
        keep: Annotated[Path, typer.Option(help="Folder of recipes, runs and report; each size has its own.")] = KEEP,
    ) -> int:
        def work() -> None:
            if size not in SIZES:
                raise ValueError(f"--size {size}: no such size; allowed: {', '.join(SIZES)}")
            quiet_libraries()
            began = time.monotonic()
            folder = keep.resolve() / size
            os.chdir(ROOT)  # the recipe names its base model by a path from here
            with exclusive(folder):
                text = run_benchmark(Work(folder, SIZES[size]), size)
            print(f"\n{text}\n\nthis call {(time.monotonic() - began) / 60:.1f} minutes; report in {folder}/report.md")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
