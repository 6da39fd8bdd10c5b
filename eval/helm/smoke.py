"""Whether the real HELM gets right answers from a recipe's server: the judges' kinds of requests, a few of each.

    python -m eval.helm.smoke recipes/quickstart [--out RUN] [--helm-env .venv-helm] [--url http://127.0.0.1:8080]

Starts `python -m serve RECIPE` unless --url names a server, runs helm-run and helm-summarize below RUN/helm, checks
what they and the server tell, prints a table. It is no evaluation: a handful of instances ranks nothing.
"""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from eval.helm.checks import log_faults, run_faults, server_faults, summary_faults
from eval.helm.direct import direct_faults
from eval.helm.entries import MAX_INSTANCES, Entry, smoke_entries, write_smoke_instances
from eval.helm.outputs import RunOutput, read_run
from eval.helm.running import OUTPUT, SCENARIOS, HelmEnvironment, HelmRun, run_helm, runs_folder, summarize, tail
from eval.helm.served import answered, check_health, recipe_server
from eval.table import markdown_table
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.options import DryRun, Out, RecipeFolder
from oneday.recipe import Recipe, load_recipe
from oneday.stage import StageError, exclusive
from serve.model_choice import ModelChoice, choose_model
from serve.transformers_engine import Precision

FOLDER, SERVER_LOG = "helm", "server.log"  # below the run folder, and below that
HELP = """Run the real HELM against a recipe's server, and check that every answer is right.

HELM lives in a virtual environment of its own, .venv-helm; `make helm-smoke` makes it and runs this. Five scenarios in
seven runs, at most eight instances each: generation up to a line's end, one letter of a multiple choice, options scored
by their log-probabilities, and prompts longer than the window. Fails if a request fails, an instance is left out, an
answer contradicts itself, scores differ from the model's own, or helm-summarize leaves something out."""


def smoke(recipe: Recipe, run_dir: Path, environment: HelmEnvironment, url: str | None) -> str:
    """Run HELM and check everything; the table. Raises StageError that lists the faults, with the ends of the logs."""
    for name in ("helm-run", "helm-summarize"):
        environment.command(name)
    chosen = choose_model(recipe, run_dir, "tuned", None, None)
    work = run_dir / FOLDER
    with exclusive(work):
        shutil.rmtree(work / OUTPUT, ignore_errors=True)
        write_smoke_instances(work / SCENARIOS / "custom_mcqa")
        entries = smoke_entries()
        log = work / SERVER_LOG
        server = recipe_server(recipe.folder, run_dir, log, _say) if url is None else nullcontext(url.rstrip("/"))
        with server as address:
            run, counted = _ask(entries, address, work, environment)
        outputs = [read_run(run.folder(work, timed)) for timed in run.runs]
        faults = [*log_faults(run, entries), *server_faults(counted, entries)]
        for entry, output, timed in zip(entries, outputs, run.runs, strict=False):
            faults += run_faults(entry, output, timed.seconds)
        faults += _summary_faults(entries, run, work, environment)
        if len(outputs) == len(entries):
            faults += _direct_faults(chosen, recipe.serve.precision, entries, outputs)
    if faults:
        server_tail = f"\nThe end of {log}:\n{tail(log)}" if url is None else ""
        raise StageError("\n".join([*faults, f"{_counted(faults)}; HELM's own log is {run.log}{server_tail}"]))
    return table(entries, outputs, run)


def _say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def _counted(faults: Sequence[str]) -> str:
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"


def _ask(
    entries: Sequence[Entry], url: str, work: Path, environment: HelmEnvironment
) -> tuple[HelmRun, Counter[tuple[str, str]]]:
    """Run HELM; what the server says that it answered meanwhile, by (path, status)."""
    check_health(url)
    before = answered(url)
    run = run_helm([entry.run_entry for entry in entries], url, work, environment, MAX_INSTANCES, _say)
    counted = answered(url)
    counted.subtract(before)
    return run, counted


def _summary_faults(entries: Sequence[Entry], run: HelmRun, work: Path, environment: HelmEnvironment) -> list[str]:
    _say("helm-summarize")
    summarize(work, environment)
    groups = [entry.group for entry in entries if entry.group is not None]
    return summary_faults(runs_folder(work), [timed.name for timed in run.runs], groups)


def _direct_faults(
    chosen: ModelChoice, precision: Precision, entries: Sequence[Entry], outputs: Sequence[RunOutput]
) -> list[str]:
    """The scores next to those of the model itself, loaded here."""
    from serve.transformers_engine import load_model

    _say("comparing with the model itself")
    loaded = load_model(chosen.base_model, chosen.adapter, precision)
    scored = next(output for entry, output in zip(entries, outputs, strict=True) if entry.separate)
    return direct_faults(loaded, precision, scored, outputs)


def table(entries: Sequence[Entry], outputs: Sequence[RunOutput], run: HelmRun) -> str:
    """One row an entry: instances, requests, seconds, and the scenario's main metric."""
    head = ("entry", "instances", "requests", "seconds", "metric", "mean")
    rows = [
        (
            entry.name,
            str(len({row.instance_id for row in output.instances})),
            str(len(output.states)),
            f"{timed.seconds:.1f}",
            entry.metric,
            f"{output.mean(entry.metric):.3f}",
        )
        for entry, output, timed in zip(entries, outputs, run.runs, strict=True)
    ]
    return markdown_table(head, rows)


def main(argv: list[str] | None = None) -> int:
    """The command line: 0 if everything holds, 1 if not, 2 for a wrong recipe."""

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        helm_env: Annotated[Path, typer.Option(help="HELM's virtual environment.")] = Path(".venv-helm"),
        url: Annotated[
            str | None, typer.Option(help="A server of this recipe that runs already, such as http://127.0.0.1:8080.")
        ] = None,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            loaded = load_recipe(recipe)
            run_dir = out or loaded.default_out
            if dry_run:
                print(plan(loaded, run_dir, url))
                return
            quiet_libraries()
            began = time.monotonic()
            print(smoke(loaded, run_dir, HelmEnvironment(helm_env), url))
            print(f"0 failed requests, 0 retries; {time.monotonic() - began:.0f} s in all")

        return run_command(work)

    return typer_main(command, f"{HELP}\n\n{RECIPE_HELP}", argv)


def plan(recipe: Recipe, run_dir: Path, url: str | None) -> str:
    """What would run, in words. ConfigError if the recipe is not to be served."""
    server = url or f"{recipe.serve.engine} with {recipe.name}, started for it"
    lines = [f"{entry.requests:>4} requests  {entry.run_entry}" for entry in smoke_entries()]
    return "\n".join([f"HELM would ask {server}, and write below {run_dir / FOLDER}:", *lines])


if __name__ == "__main__":
    sys.exit(main())
