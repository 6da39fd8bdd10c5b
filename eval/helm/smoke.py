"""Whether the real HELM gets right answers from a recipe's server: the judges' kinds of requests, a few of each.

    python -m eval.helm.smoke recipes/quickstart [--out RUN] [--helm-env .venv-helm] [--url http://127.0.0.1:8080]

Starts `python -m serve RECIPE` unless --url names a server, runs helm-run and helm-summarize below RUN/helm/smoke,
checks what they and the server tell, prints a table, and the rank table of the tuned model and the base model. It is no
evaluation (that is eval/helm/evaluate.py): a handful of instances ranks nothing.
"""

import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from eval.helm.checks import log_faults, run_faults, server_faults, summary_faults
from eval.helm.direct import direct_faults
from eval.helm.entries import MAX_INSTANCES, Entry, smoke_entries, write_smoke_instances
from eval.helm.outputs import RunOutput, read_run
from eval.helm.running import OUTPUT, SCENARIOS, HelmEnvironment, HelmRun, run_helm, runs_folder, summarize, tail
from eval.helm.served import ServerWatch, answered, check_health, recipe_model, recipe_server
from eval.table import markdown_table
from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.options import DryRun, Out, RecipeFolder
from oneday.recipe import Recipe, load_recipe
from oneday.stage import StageError, exclusive
from serve.model_choice import ModelChoice, RecipeModel
from serve.transformers_engine import Precision

FOLDER, SERVER_LOG = "helm/smoke", "server.log"  # below the run folder, and below that and the model
MODELS: tuple[RecipeModel, ...] = ("tuned", "base")
HELP = """Run the real HELM against a recipe's server, and check that every answer is right.

HELM lives in a virtual environment of its own, .venv-helm; `make helm-smoke` makes it and runs this. Five scenarios in
seven runs, at most eight instances each: generation up to a line's end, one letter of a multiple choice, options scored
by their log-probabilities, and prompts longer than the window. Fails if a request fails, an instance is left out, an
answer contradicts itself, scores differ from the model's own, or helm-summarize leaves something out. The base model is
asked the same but for the long prompts, and both are ranked, unless --url names a server, which has one model."""


@dataclass(frozen=True)
class Asked:
    """What HELM wrote of one model, checked."""

    folder: Path
    outputs: list[RunOutput]
    run: HelmRun


def smoke(recipe: Recipe, run_dir: Path, environment: HelmEnvironment, url: str | None) -> str:
    """Run HELM and check everything; the tables. Raises StageError that lists the faults, with the ends of the logs."""
    for name in ("helm-run", "helm-summarize"):
        environment.command(name)
    models = MODELS if url is None else MODELS[:1]
    chosen = {model: recipe_model(recipe, run_dir, model) for model in models}
    asked: dict[str, Asked] = {}
    for model, choice in chosen.items():
        entries = [entry for entry in smoke_entries() if entry.ranked or model == MODELS[0]]
        asked[model] = _asked(recipe, run_dir, model, choice, environment, url, entries)
    tables = [table(smoke_entries(), {model: one.outputs for model, one in asked.items()}, asked[models[0]].run)]
    if len(asked) > 1:
        tables.append(rank_table([entry for entry in smoke_entries() if entry.ranked], asked))
    return "\n\n".join(tables)


def _asked(
    recipe: Recipe,
    run_dir: Path,
    model: RecipeModel,
    choice: ModelChoice,
    environment: HelmEnvironment,
    url: str | None,
    entries: Sequence[Entry],
) -> Asked:
    """Let HELM ask one model, and check what it wrote; helm-summarize is tried on the first model alone."""
    work = run_dir / FOLDER / model
    with exclusive(work):
        shutil.rmtree(work / OUTPUT, ignore_errors=True)
        write_smoke_instances(work / SCENARIOS / "custom_mcqa")
        log = work / SERVER_LOG
        server = (
            recipe_server(recipe.folder, run_dir, log, _say, model) if url is None else nullcontext(url.rstrip("/"))
        )
        with server as address:
            run, counted = _ask(entries, address, work, environment)
        outputs = [read_run(run.folder(work, timed)) for timed in run.runs]
        faults = [*log_faults(run, entries), *server_faults(counted, entries)]
        for entry, output, timed in zip(entries, outputs, run.runs, strict=False):
            faults += run_faults(entry, output, timed.seconds)
        if model == MODELS[0]:
            faults += _summary_faults(entries, run, work, environment)
        if len(outputs) == len(entries):
            faults += _direct_faults(choice, recipe.serve.precision, entries, outputs)
    if faults:
        server_tail = f"\nThe end of {log}:\n{tail(log)}" if url is None else ""
        raise StageError("\n".join([*faults, f"{_counted(faults)}; HELM's own log is {run.log}{server_tail}"]))
    return Asked(runs_folder(work), outputs, run)


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
    asked = [entry.run_entry for entry in entries]
    run = run_helm(asked, url, work, environment, MAX_INSTANCES, _say, ServerWatch(url).gone)
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


def table(entries: Sequence[Entry], outputs: Mapping[str, Sequence[RunOutput]], run: HelmRun) -> str:
    """One row an entry: instances, requests, the first model's seconds, the scenario's main metric for each model."""
    head = ("entry", "instances", "requests", "seconds", "metric", *outputs)
    rows = []
    for place, (entry, timed) in enumerate(zip(entries, run.runs, strict=True)):
        own = [one[place] for one in outputs.values() if place < len(one)]
        means = [f"{output.mean(entry.metric):.3f}" for output in own] + [""] * (len(outputs) - len(own))
        instances = len({row.instance_id for row in own[0].instances})
        counts = (str(instances), str(len(own[0].states)), f"{timed.seconds:.1f}")
        rows.append((entry.name, *counts, entry.metric, *means))
    return markdown_table(head, rows)


def rank_table(entries: Sequence[Entry], asked: Mapping[str, Asked]) -> str:
    """The models by the challenge's rule, over the entries."""
    from eval.ranking.helm_entry import read_helm_entry
    from eval.ranking.helm_stats import without_model
    from eval.ranking.ranking import rank
    from eval.ranking.ranking_table import ranking_table
    from eval.ranking.scenario import HelmSource, Scenario, ScenarioMetric

    first = next(iter(asked.values()))
    scenarios = []
    for entry, output in zip(entries, first.outputs, strict=False):
        source = HelmSource(re.escape(without_model(output.name)), (entry.metric,))
        scenarios.append(Scenario(entry.name, None, (ScenarioMetric(entry.metric, source=source),)))
    ranked = [read_helm_entry(one.folder, model, scenarios) for model, one in asked.items()]
    return ranking_table(rank(ranked, scenarios))


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
    server = url or f"{recipe.serve.engine} with {recipe.name}'s {' and '.join(MODELS)} model, started for it"
    lines = [f"{entry.requests:>4} requests  {entry.run_entry}" for entry in smoke_entries()]
    return "\n".join([f"HELM would ask {server}, and write below {run_dir / FOLDER}:", *lines])


if __name__ == "__main__":
    sys.exit(main())
