"""Stage report: the result of the run as a page for people and as JSON for programs; and pages that compare runs.

    python -m eval.report recipes/quickstart [--out DIR]
    python -m eval.report runs/quickstart runs/other [--page FILE] [--png DIR]

Reads what the stages wrote and their reports. For a recipe it writes 09_report/: report.html (one file, opens offline),
results.json (scores, differences, loss, seconds a stage, machine, versions, commit) and plots/*.png.
Scores no answer; of several runs it resamples the scores of the rows that they share.
"""

import dataclasses
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from eval.reporting.page import TEMPLATES, Page, render_page
from eval.reporting.reported_run import ABLATION, ReportedRun, collect_run, has_ablation, read_run_folder
from eval.reporting.run_names import MOST_RUNS, check_run_folders
from oneday.console import quiet_libraries, run_command, run_stage, typer_main
from oneday.files import atomic_write, sha256_file, write_json
from oneday.options import DryRun, Out
from oneday.recipe import Recipe, load_recipe
from oneday.stage import Outcome, Stage

HELP = f"""Write the report: one HTML page that needs no network, for a recipe's run or to compare several runs.

RUN is a recipe, as every command takes it, or a run folder such as runs/quickstart.

One recipe: the stage `report` of its run, as run.py does it. Writes 09_report/ below the run folder (report.html,
results.json, plots/*.png), or skips it if it is finished and unchanged. --out names the run folder.

One run folder, or up to {MOST_RUNS} RUNs: a page beside the stages, made anew each time. It is of the first RUN,
compared with the others on the tasks of which all have the same held-out rows, scored in the same way. A recipe stands
for runs/RECIPE there. --page names the file; with it, one recipe too gets such a page. Every RUN must have the stages
sample, train, generate and eval_score finished."""
STAGE_FOLDER = re.compile(r"\d\d[a-z]?_")
PAGE_ALONE, PAGE_OF_SEVERAL = "report.html", "comparison.html"  # below the first run's folder

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="A recipe or a run folder; the page is of the first.")
]
PageFile = Annotated[
    Path | None,
    typer.Option(
        "--page", help="Write this file [default: report.html in the run folder; comparison.html for several]."
    ),
]
PngFolder = Annotated[Path | None, typer.Option("--png", help="Write the plots as PNG to this folder as well.")]


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Write the page, the results and the plots."""
    found, page = report(recipe, run_dir, output_dir / "report.html")
    write_json(output_dir / "results.json", found.results.model_dump())
    write_plots(page, output_dir / "plots")
    write_page(page, output_dir / "report.html")
    scores = found.results.scores
    return Outcome({"tasks": len(scores.tasks), "held_out_rows": sum(task.rows for task in scores.tasks)})


def report(recipe: Recipe, run_dir: Path, path: Path) -> tuple[ReportedRun, Page]:
    """What a recipe's run folder holds, and the page of it that is to be written to `path`."""
    settings = recipe.eval
    found = collect_run(recipe.name, recipe.base_model, recipe.data.seed, settings.variants, settings.compare, run_dir)
    return found, render_page(found, path, made=("09_report/results.json",))


def write_page(page: Page, path: Path) -> None:
    """Write the HTML, atomically."""
    with atomic_write(path) as file:
        file.write(page.html)


def write_plots(page: Page, folder: Path) -> list[Path]:
    """Write each plot of the page as NAME.png; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for plot in page.plots:
        paths.append(folder / f"{plot.name}.png")
        paths[-1].write_bytes(plot.png())
    return paths


STAGE = Stage(
    name="report",
    folder="09_report",
    module="eval.report",
    summary="Write the report: one HTML page, the results as JSON, and the plots as PNG.",
    inputs=(
        "04_sample/tasks.json",
        "06_train/model/training_log.json",
        "08_eval_score/scores.json",
        "08_eval_score/rows.jsonl",
    ),
    settings=lambda recipe: {
        "recipe": recipe.name,
        "base_model": recipe.base_model,
        "variants": [variant.model_dump() for variant in recipe.eval.variants],
        "compare": recipe.eval.compare.model_dump(),
        "templates": {path.name: sha256_file(path) for path in sorted(TEMPLATES.iterdir())},
    },
    run=run,
)


def report_stage(run_dir: Path) -> Stage:
    """The stage for a run folder: the gains of the rules are an input where they were measured."""
    if not has_ablation(run_dir):
        return STAGE
    assert isinstance(STAGE.inputs, tuple)
    return dataclasses.replace(STAGE, inputs=(*STAGE.inputs, ABLATION))


def is_run_folder(path: Path) -> bool:
    """Whether a folder has folders of stages, such as 06_train, in it."""
    return path.is_dir() and any(STAGE_FOLDER.match(child.name) for child in path.iterdir())


def run_folder(path: Path) -> Path:
    """The run folder that a RUN means: itself, or that of the recipe. ConfigError if it is neither."""
    return path if is_run_folder(path) else load_recipe(path).default_out


def compare(paths: Sequence[Path], page: Path | None, png: Path | None) -> list[Path]:
    """Write a page of the first run against the others; the files. See HELP."""
    folders = [run_folder(path) for path in paths]
    check_run_folders(folders)
    first, *others = [read_run_folder(folder) for folder in folders]
    target = page or folders[0] / (PAGE_OF_SEVERAL if others else PAGE_ALONE)
    rendered = render_page(first, target, others)
    images = write_plots(rendered, png) if png is not None else []
    write_page(rendered, target)
    return [target, *images]


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        runs: Runs, out: Out = None, page: PageFile = None, png: PngFolder = None, dry_run: DryRun = False
    ) -> int:
        recipe = runs[0]
        if len(runs) == 1 and page is None and not is_run_folder(recipe):
            return _stage(recipe, out, png, dry_run)

        def work() -> None:
            if out is not None:
                raise ValueError("--out is for one recipe without --page; name run folders in place of it")
            quiet_libraries()
            if dry_run:
                folders = [run_folder(path) for path in runs]
                check_run_folders(folders)
                print(f"report      would compare {', '.join(map(str, folders))}")
                return
            for path in compare(runs, page, png):
                print(f"wrote       {path}")

        return run_command(work)

    return typer_main(command, HELP, argv)


def _stage(recipe: Path, out: Path | None, png: Path | None, dry_run: bool) -> int:
    """The stage of one recipe; its plots are copied to `png`."""
    code = run_stage(lambda: report_stage(out or load_recipe(recipe).default_out), recipe, out, dry_run)
    if code or png is None or dry_run:
        return code

    def copy() -> None:
        plots = (out or load_recipe(recipe).default_out) / STAGE.folder / "plots"
        shutil.copytree(plots, png, dirs_exist_ok=True)

    return run_command(copy)


if __name__ == "__main__":
    sys.exit(main())
