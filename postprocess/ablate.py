"""Stage ablate: what each rule of a recipe is worth on raw answers that a run has saved, with bootstrap intervals.

    python -m postprocess.ablate recipes/quickstart [--rules FILE] [--generations PATH ...] [--out DIR]

Reads 07_generate/*.jsonl or the files of --generations, and the tasks' kinds; writes 12_ablate/ablation.json and
ablation.html, and prints the tables. Rules that are chosen on the rows that are then reported flatter the score:
choose on other rows, such as 02_predict/predictions (texts that end at the first blank line). It changes no recipe.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from data_prep.tasks import read_task_list
from eval.metrics.scorer import metric_versions
from eval.score import scorers_by_task
from oneday.config import ConfigError, Fault
from oneday.console import run_command, run_stage, stage_help, typer_main
from oneday.files import atomic_write, read_json, sha256_file, write_json
from oneday.recipe import Recipe, check_tasks, load_recipe
from oneday.records import TaskEntry
from oneday.stage import Outcome, Stage
from postprocess.ablation import Judge, ablate
from postprocess.ablation_notes import notes_on_texts
from postprocess.ablation_page import TEMPLATE, render_page
from postprocess.ablation_record import Ablation
from postprocess.ablation_table import render
from postprocess.apply import as_filters_end, load_rules
from postprocess.cases import RULES_FILE, RuleSet
from postprocess.saved_answers import SavedAnswers, read_answers

RECORD, PAGE = "ablation.json", "ablation.html"
NAMED = re.compile(r"([a-z0-9_]+)=(.+)")


@dataclass(frozen=True)
class Options:
    """What the command line asks for: other rules than the recipe's, other answers than those of 07_generate.

    `out` is the run folder, if it is not the recipe's own.
    """

    rules: Path | None = None
    generations: tuple[str, ...] = ()
    out: Path | None = None


def run(recipe: Recipe, run_dir: Path, output_dir: Path, options: Options = Options()) -> Outcome:
    """Measure every rule and write the record and the page."""
    tasks = read_task_list(run_dir / "01_collect/tasks.jsonl")
    rules, rules_file = rules_for(recipe, options)
    if not rules.steps:
        raise ConfigError([Fault(rules_file, "", "there is no rule to measure; name candidates with --rules")])
    check_tasks(rules, tasks, rules_file)
    sets = [read_answers(name, paths, tasks) for name, paths in files_of(recipe, run_dir, options).items()]
    facts, results, dropped = ablate(sets, rules, judge_for(recipe, sets, tasks), recipe.eval.bootstrap)
    record = Ablation(
        recipe=recipe.name,
        rules_file=rules_file.name,
        confidence=recipe.eval.bootstrap.confidence,
        resamples=recipe.eval.bootstrap.resamples,
        rules=facts,
        sets=results,
        dropped=dropped,
        notes=notes_for(recipe, run_dir, options),
    )
    write_json(output_dir / RECORD, record.model_dump())
    with atomic_write(output_dir / PAGE) as file:
        file.write(render_page(record))
    rows = sum(answers.rows for answers in sets)
    return Outcome({"rows": rows, "sets": len(sets), "rules": len(facts), "rules_that_pay": len(record.kept)})


def rules_for(recipe: Recipe, options: Options) -> tuple[RuleSet, Path]:
    """The rules to measure and their file. ConfigError for a file of --rules that is no rule set.

    A recipe folder stands for its rules.yaml.
    """
    if options.rules is None:
        return recipe.rules, recipe.folder / RULES_FILE
    file, rules = load_rules(options.rules)
    return rules, file


def files_of(recipe: Recipe, run_dir: Path, options: Options) -> dict[str, list[Path]]:
    """Set of answers -> its files: one of 07_generate a variant, or those of the command line under their names.

    ValueError for a folder without JSON Lines files, and for a name that is not in lower case.
    """
    if not options.generations:
        return {name: [run_dir / f"07_generate/{name}.jsonl"] for name in _variants(recipe)}
    files: dict[str, list[Path]] = {}
    for given in options.generations:
        name, path = name_and_path(given)
        found = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"{path}: there is no .jsonl file in that folder; name files of raw answers")
        files.setdefault(name, []).extend(found)
    return files


def name_and_path(given: str) -> tuple[str, Path]:
    """The name and the path in `NAME=PATH`; a path that there is stands for itself. ValueError for a wrong name."""
    if "=" not in given or Path(given).exists():
        return "generations", Path(given)
    named = NAMED.fullmatch(given)
    if named is None:
        raise ValueError(
            f"--generations {given}: there is no such file, and as NAME=PATH its name is wrong; a name has "
            "lower-case letters, digits and _, such as base_zero_shot, and a path follows the ="
        )
    return named[1], Path(named[2])


def notes_for(recipe: Recipe, run_dir: Path, options: Options) -> list[str]:
    """What is to be said of the texts of 07_generate; of other files nothing is known."""
    return [] if options.generations else notes_on_texts(recipe, run_dir, options.out)


def judge_for(recipe: Recipe, sets: list[SavedAnswers], tasks: Mapping[str, TaskEntry]) -> Judge:
    """Scores a text as the evaluation does, by its task's kind."""
    references: dict[str, list[str]] = {}
    for answers in sets:
        for task, of_rows in answers.references.items():
            references.setdefault(task, []).extend(chain.from_iterable(of_rows))
    scorers = scorers_by_task(references, recipe.sampling.score)
    return lambda task, text, wanted: scorers[task].score(tasks[task].kind, text, wanted)


def _variants(recipe: Recipe) -> list[str]:
    return [variant.name for variant in recipe.eval.variants]


def _settings(recipe: Recipe, options: Options) -> dict[str, Any]:
    """What shapes the result besides the run's own files."""
    rules, rules_file = rules_for(recipe, options)
    answers: Any = _variants(recipe)
    if options.generations:
        files = files_of(recipe, Path(), options)
        answers = {name: [sha256_file(path) for path in paths] for name, paths in files.items()}
    return {
        "recipe": recipe.name,
        "rules_file": rules_file.name,
        "rules": rules.model_dump(mode="json"),
        "answers": answers,
        "notes": notes_for(recipe, options.out or recipe.default_out, options),
        "bootstrap": recipe.eval.bootstrap.model_dump(),
        "tokenizer": recipe.sampling.score.tokenizer,
        "stemming": recipe.sampling.score.stemming,
        "template": sha256_file(TEMPLATE),
        **metric_versions(),
    }


STAGE = Stage(
    name="ablate",
    folder="12_ablate",
    module="postprocess.ablate",
    summary="Measure what each rule of rules.yaml is worth on the saved answers.",
    inputs=("01_collect/tasks.jsonl", "07_generate"),
    settings=lambda recipe: _settings(recipe, Options()),
    run=run,
)


def ablate_stage(options: Options) -> Stage:
    """The stage, run in the way that the command line asks for."""
    inputs = ("01_collect/tasks.jsonl",) if options.generations else STAGE.inputs
    return replace(
        STAGE, inputs=inputs, run=partial(run, options=options), settings=partial(_settings, options=options)
    )


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    from oneday.options import DryRun, Out, RecipeFolder

    def command(
        recipe: RecipeFolder,
        rules: Annotated[
            Path | None,
            typer.Option(
                metavar="PATH",
                help="Candidates in place of the recipe's rules.yaml: a file, or a recipe folder with a rules.yaml.",
            ),
        ] = None,
        generations: Annotated[
            list[str] | None,
            typer.Option(
                metavar="[NAME=]PATH",
                help="Raw answers in place of 07_generate: a file, or a folder of .jsonl files. May be given several "
                "times; what has one name, or none, is one set. A name has lower-case letters, digits and _.",
            ),
        ] = None,
        out: Out = None,
        dry_run: DryRun = False,
    ) -> int:
        options = Options(rules, tuple(generations or ()), out)

        @as_filters_end()
        def show() -> None:
            folder = (out or load_recipe(recipe).default_out) / STAGE.folder
            print(render(read_json(folder / RECORD, Ablation)))

        return run_stage(lambda: ablate_stage(options), recipe, out, dry_run) or (0 if dry_run else run_command(show))

    return typer_main(command, stage_help(STAGE), argv)


if __name__ == "__main__":
    sys.exit(main())
