"""The challenge's evaluation of a recipe's model, by the real HELM against the recipe's server.

    python -m eval.helm.evaluate recipes/quickstart [--stage open|hidden|both] [--conf FILE] [--max-instances 20]
        [--model tuned|base] [--data DIR] [--only-with-data] [--plain] [--out RUN]
        [--url http://127.0.0.1:8080 [--resume]]

Writes below RUN/helm/MODEL; `python -m eval.rank` ranks entries by the folders benchmark_output/runs/oneday in there.
The same command goes on with an evaluation that was stopped or failed; with --url, which may have got another model
meanwhile, --resume does. Which data it needs: eval/helm/placing.py.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from eval.helm.conf import CONF_FILES, RunEntry, read_conf, write_conf
from eval.helm.evaluation import (
    ASIDE,
    Evaluated,
    begin_or_go_on,
    bring_back,
    discard_faulty,
    evaluated_recipe,
    evaluation_faults,
    few_shown,
    finished_folders,
    move_aside,
    named_data,
    set_aside,
)
from eval.helm.placing import Sorted, place, sort_entries
from eval.helm.run_scores import scores_table
from eval.helm.running import HelmEnvironment, HelmRun, run_conf, runs_folder
from eval.helm.served import ServerWatch, answered, recipe_model, recipe_server, served_name
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.options import DryRun, Out, RecipeFolder
from oneday.recipe import Recipe, load_recipe
from oneday.stage import StageError, exclusive
from serve.model_choice import RecipeModel

FOLDER, SERVER_LOG, CONF = "helm", "server.log", "entries.conf"  # below the run folder, and below that and the model
HELP = """Evaluate a recipe's model as the challenge did: HELM's scenarios, asked of the recipe's server.

HELM lives in a virtual environment of its own, .venv-helm; `make helm` makes it and runs this. The same command goes on
after a stop; with --url it begins anew, unless --resume is given. Runs of the same scenarios with other arguments, such
as those without --plain, are set aside until they are asked for again. Ends with 1, and the faults by run, if a request
failed or was tried again, a run has no instances, or one is missing; the table of what is finished is printed all the
same."""

Stage = Annotated[Literal["open", "hidden", "both"], typer.Option(help="Which of the challenge's two stages.")]
Confs = Annotated[list[Path], typer.Option(help="Run entries of your own, in HELM's form, in place of the stage's.")]
MaxInstances = Annotated[int, typer.Option(min=1, help="Instances of a run, at most.")]
Model = Annotated[Literal["tuned", "base"], typer.Option(help="Which of the recipe's models.")]
HelmEnv = Annotated[Path, typer.Option(help="HELM's virtual environment.")]
Data = Annotated[Path | None, typer.Option(help="Folder of data sets, placed where HELM looks before it downloads.")]
OnlyWithData = Annotated[bool, typer.Option("--only-with-data", help="Download nothing: leave out what has no data.")]
Plain = Annotated[bool, typer.Option("--plain", help="Without perturbed copies: robustness and fairness are the mean.")]
Url = Annotated[str | None, typer.Option(help="A server that runs already, such as http://127.0.0.1:8080.")]
Resume = Annotated[bool, typer.Option("--resume", help="With --url: go on, for the server has the same model still.")]
Restart = Annotated[bool, typer.Option("--restart", help="Remove the runs that are there, and begin anew.")]


@dataclass(frozen=True)
class Job:
    """What is evaluated, and where."""

    recipe: Recipe
    run_dir: Path
    model: RecipeModel
    confs: tuple[Path, ...]
    max_instances: int
    environment: HelmEnvironment
    data: Path | None = None
    only_with_data: bool = False
    plain: bool = False
    url: str | None = None
    resume: bool = False

    @property
    def work(self) -> Path:
        """The folder that everything is written below."""
        return self.run_dir / FOLDER / self.model

    @property
    def again(self) -> str:
        """What goes on with the evaluation after a fault."""
        return "the same command" if self.url is None else "the same command with --resume"

    def entries(self, restart: bool) -> Sorted:
        """The run entries, sorted into those that can run and those that lack something.

        With `restart`, files that were placed earlier do not count.
        """
        if self.data is not None and not self.data.is_dir():
            raise FileNotFoundError(f"{self.data} is no folder; --data names the one that the data sets are in")
        read: list[RunEntry] = [entry for conf in self.confs for entry in read_conf(conf, self.environment)]
        if self.plain:
            read = [entry.plain() for entry in read]
        placed = None if restart else self.work
        return sort_entries(read, self.data, placed, self.environment, self.only_with_data)


def evaluate(job: Job, restart: bool) -> None:
    """Run HELM and print the scores. Raises StageError that lists the faults, by run."""
    job.environment.command("helm-run")
    wanted = _evaluated(job)
    with exclusive(job.work):
        found = job.entries(restart)
        for line in (*found.notes, *lacking(found)):
            _say(line)
        if found.lacking and not job.only_with_data:
            raise StageError("nothing was run: --data names the folder of those files, --only-with-data does without")
        if not found.ready:
            raise StageError("nothing was run: no entry has its data; --data names the folder that they are in")
        wanted = wanted.model_copy(update={"data": named_data(found.ready, job.work)})
        kept = begin_or_go_on(job.work, wanted, restart, anew=job.url is not None and not job.resume)
        if kept is not None:
            _say(f"begun anew  {job.url} may have another model now; the runs of before are in {kept}")
        if job.url is not None:
            _say(f"server      {job.url}; after a stop, {job.again} goes on")
        for name in discard_faulty(job.work):
            _say(f"again       {name}: requests of it failed, or it is damaged")
        place(found.ready, job.data, job.work)
        _run(job, found.ready)


def _evaluated(job: Job) -> Evaluated:
    """What the work folder is of. Of a server that runs already, nothing but its name and address is known."""
    if job.url is not None:
        url = job.url.rstrip("/")
        return Evaluated(model=f"{served_name(url)} at {url}", files={}, serving=None, max_instances=job.max_instances)
    chosen = recipe_model(job.recipe, job.run_dir, job.model)
    return evaluated_recipe(job.recipe, chosen, job.max_instances)


def lacking(found: Sorted) -> list[str]:
    """What entries lack, a line for each scenario."""
    lines = []
    for faults in found.lacking.values():
        more = f"; and {len(faults) - 1} more like it" if len(faults) > 1 else ""
        lines.append(f"no data     {faults[0]}{more}")
    return lines


def _run(job: Job, entries: Sequence[RunEntry]) -> None:
    """Start the server, run HELM, and print the scores whatever failed; StageError that lists the faults."""
    write_conf(job.work / CONF, entries)
    started = recipe_server(job.recipe.folder, job.run_dir, job.work / SERVER_LOG, _say, job.model)
    run: HelmRun | None = None
    try:
        with started if job.url is None else nullcontext(job.url.rstrip("/")) as address:
            before, watch = answered(address), ServerWatch(address)
            run, why = _ask(job, address, watch)
            if watch.reason is not None:
                raise StageError(f"{why or watch.reason}\nOnce it is mended, {job.again} goes on.")
            counted = answered(address)
    finally:
        if run is not None:
            _say("\n".join(["", scores_table(finished_folders(run, job.work)), *few_shown(run)]))
    counted.subtract(before)
    faults = evaluation_faults(run, why, entries, job.work, counted)
    _say(f"To rank it: python -m eval.rank {job.model}={runs_folder(job.work)} NAME=OTHER")
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        told = [*faults, f"{count}; {job.again} makes the faulty runs again. HELM's own log is {run.log}"]
        raise StageError("\n".join(told))


def _ask(job: Job, address: str, watch: ServerWatch) -> tuple[HelmRun, str | None]:
    """Run HELM on the entries; the suite then holds the runs that it planned, and those of other scenarios."""
    back, known = bring_back(job.work), False

    def planned(names: Sequence[str]) -> None:
        nonlocal known
        known = True
        if stale := set_aside(job.work, names):
            count = "1 run" if len(stale) == 1 else f"{len(stale)} runs"
            _say(f"set aside   {count} of these scenarios with other arguments, such as {stale[0]}: {job.work / ASIDE}")

    try:
        return run_conf(
            job.work / CONF, address, job.work, job.environment, job.max_instances, _say, watch.gone, planned
        )
    finally:
        if not known:
            move_aside(job.work, back)


def _say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def plan(job: Job, restart: bool) -> str:
    """What would run, in words; changes nothing."""
    found = job.entries(restart)
    server = job.url or f"{job.recipe.serve.engine} with {job.recipe.name}'s {job.model} model, started for it"
    head = f"HELM would ask {server}, at most {job.max_instances} instances a run, and write below {job.work}:"
    return "\n".join([head, *(entry.description for entry in found.ready), *found.notes, *lacking(found)])


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if every run is whole and no request failed, 1 if not, 2 for a wrong recipe."""

    def command(
        recipe: RecipeFolder,
        stage: Stage = "open",
        conf: Confs = [],  # noqa: B006 - typer copies it
        max_instances: MaxInstances = 20,
        model: Model = "tuned",
        out: Out = None,
        helm_env: HelmEnv = Path(".venv-helm"),
        data: Data = None,
        only_with_data: OnlyWithData = False,
        plain: Plain = False,
        url: Url = None,
        resume: Resume = False,
        restart: Restart = False,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            if resume and restart:
                raise ValueError("--resume goes on with the runs that are there, --restart removes them: give one")
            loaded = load_recipe(recipe)
            stages = ("open", "hidden") if stage == "both" else (stage,)
            confs = tuple(conf) or tuple(CONF_FILES[name] for name in stages)
            environment = HelmEnvironment(helm_env)
            run_dir = out or loaded.default_out
            asked = (loaded, run_dir, model, confs, max_instances, environment)
            job = Job(*asked, data, only_with_data, plain, url, resume)
            if dry_run:
                print(plan(job, restart))
                return
            quiet_libraries()
            began = time.monotonic()
            evaluate(job, restart)
            print(f"0 failed requests, 0 retries; {time.monotonic() - began:.0f} s in all")

        return run_command(work)

    return typer_main(command, f"{HELP}\n\n{RECIPE_HELP}", argv)


if __name__ == "__main__":
    sys.exit(main())
