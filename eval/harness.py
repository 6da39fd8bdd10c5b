"""The evaluation rows of a run as tasks for lm-evaluation-harness, with the prompts, rules and scores of the recipe.

    python -m eval.harness recipes/quickstart [--out RUN] [--tasks-dir DIR]
    lm_eval run --include_path DIR --tasks oneday_quickstart --model hf --model_args pretrained=MODEL,dtype=float32

Reads RUN/01_collect (a recipe with eval.yaml) or RUN/05_mix (one with zindi.yaml); writes a YAML and a JSON Lines file
a task, and the group of all. eval/harness_tasks/README.md has more. Runs no model.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from eval.harness_tasks.exported import BRIDGE, BRIDGE_FILE, SETTINGS_FILE, HarnessSettings, other_entries
from eval.harness_tasks.tasks import AS_IT_IS, RULES, HarnessTask, challenge_tasks, harness_name, held_out_tasks
from eval.harness_tasks.yaml_files import group, write_yaml
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.files import atomic_write, write_json, write_jsonl
from oneday.options import Out, RecipeFolder
from oneday.recipe import Recipe, load_recipe
from oneday.stage import StageError

FOLDER = "harness"  # below the run folder
SHOWN = 5  # names of files that are in the way
HELP = """Write the evaluation rows of a run as tasks for lm-evaluation-harness, which its own command then runs.

Prompts are those that are trained, evaluated and served, to the character. Held-out rows are scored by exact match and
ROUGE-L F after the recipe's rules; label words by log-likelihood; translations by chrF. The folder may be moved, but
this package must be importable where lm_eval runs."""
MEANS = {
    "held_out": dict.fromkeys(("task_score", "exact_match", "rouge_l"), RULES),
    "choice": dict.fromkeys(("f1", "acc", "acc_norm"), AS_IT_IS),
    "translation": {"chrf": RULES},
}


def tasks_of(recipe: Recipe, run_dir: Path) -> list[HarnessTask]:
    """All tasks of the recipe's evaluations. ConfigError without any; StageError for a file that is not there."""
    tasks = challenge_tasks(recipe, run_dir) if recipe.zindi_settings is not None else []
    if recipe.eval_settings is not None or recipe.zindi_settings is None:
        tasks += held_out_tasks(recipe, run_dir)
    if not tasks:
        raise StageError(
            f"{run_dir} has no rows to evaluate; raise held_out_per_task or test_share ({recipe.data_file})"
        )
    return tasks


def write_tasks(recipe: Recipe, tasks: list[HarnessTask], folder: Path) -> None:
    """The folder with these tasks alone, all of them. ValueError, and it stays, if it holds what was not exported."""
    folder = folder.resolve()
    if others := other_entries(folder):
        shown = f"{', '.join(others[:SHOWN])}{' and more' if len(others) > SHOWN else ''}"
        raise ValueError(f"{folder} would be replaced, but holds other files ({shown}); choose another --tasks-dir")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as work:
        new, old = Path(work, "new"), Path(work, "old")
        _write(recipe, tasks, new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


def _write(recipe: Recipe, tasks: list[HarnessTask], folder: Path) -> None:
    for task in tasks:
        write_yaml(folder / f"{task.name}.yaml", task.config)
        write_jsonl(folder / f"{task.name}.jsonl", task.rows)
    name = harness_name(recipe)
    means = {metric: after for task in tasks for metric, after in MEANS[task.exported.rows].items()}
    write_yaml(folder / f"{name}.yaml", group(name, [str(task.config["task"]) for task in tasks], means))
    stemming = recipe.eval_settings is not None and recipe.sampling.score.stemming
    exported = {task.name: task.exported for task in tasks}
    settings = HarnessSettings(recipe=recipe.name, rules=recipe.rules, stemming=stemming, tasks=exported)
    write_json(folder / SETTINGS_FILE, settings.model_dump(mode="json"))
    with atomic_write(folder / BRIDGE_FILE) as file:
        file.write(BRIDGE)


def summary(recipe: Recipe, tasks: list[HarnessTask], folder: Path) -> str:
    """What was written, and the command that runs it."""
    rows = sum(len(task.rows) for task in tasks)
    return (
        f"{len(tasks)} tasks with {rows} rows in {folder}. Run them with:\n"
        f"lm_eval run --include_path {folder} --tasks {harness_name(recipe)} --model hf \\\n"
        f"    --model_args pretrained=MODEL,dtype=float32"
    )


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if the tasks are written, 1 if not, 2 for a wrong recipe."""

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        tasks_dir: Annotated[
            Path | None, typer.Option(help="Folder to write; one exported before is replaced [default: RUN/harness].")
        ] = None,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            loaded = load_recipe(recipe)
            run_dir = out or loaded.default_out
            tasks = tasks_of(loaded, run_dir)
            folder = tasks_dir or run_dir / FOLDER
            write_tasks(loaded, tasks, folder)
            print(summary(loaded, tasks, folder))

        return run_command(work)

    return typer_main(command, f"{HELP}\n\n{RECIPE_HELP}", argv)


if __name__ == "__main__":
    sys.exit(main())
