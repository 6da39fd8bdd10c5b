"""Stage predict: the base model's few-shot answers to every collected instance.

    python -m data_prep.predict recipes/quickstart [--out DIR] [--engine vllm | --engine server ...] [--ray ADDRESS]

Reads 01_collect, writes 02_predict/predictions/NAME.jsonl (task, id, orig_input, few_shot_prompt, answer,
prediction). A run that is cut off goes on at the batch it had reached. A finished task is answered again only if its
prompts, its limit of new tokens or the base model changed; the engine and the machines may change in between.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.predictions import Job, MadeFrom, PredictionFolder, totals
from data_prep.prompts import TokenCounter, few_shot_prompts
from data_prep.tasks import read_task_list
from oneday.console import progress, run_stage, stage_help, typer_main
from oneday.files import read_json
from oneday.models import model_digest
from oneday.recipe import Recipe
from oneday.records import Task
from oneday.stage import Outcome, Stage, StageError
from serve.batch import Answers, answer_groups, journaled_answers
from serve.engine import Engine, EngineChoice, load_engine
from serve.tokens import context_length, token_counter

if TYPE_CHECKING:
    from tqdm import tqdm


@dataclass(frozen=True)
class Execution:
    """How to predict, not what: nothing of it shapes the result but rounding."""

    engine: EngineChoice = field(default_factory=EngineChoice)
    ray: str | None = None


def run(recipe: Recipe, run_dir: Path, output_dir: Path, execution: Execution = Execution()) -> Outcome:
    """Answer every instance of every task that is not answered yet."""
    entries = read_task_list(run_dir / "01_collect/tasks.jsonl")
    folder = PredictionFolder(output_dir)
    folder.keep_only(entries)
    finished: dict[str, MadeFrom] = {}
    answer = partial(_answer_on_ray, address=execution.ray) if execution.ray else _answer_here
    with progress(sum(entry.rows for entry in entries.values()), "predict", "row") as bar:
        jobs = _unfinished(recipe, run_dir / "01_collect/tasks", entries, folder, finished, bar)
        before = len(entries)
        for job, answers in answer(jobs, recipe, execution.engine, folder, bar):
            finished[job.task] = folder.write(job, answers, execution.engine.name)
            before -= 1
    folder.delete_journals()
    counts = totals(finished.values())
    if not counts["predictions"] and counts["prompt_too_long"]:
        limit = recipe.sampling.predict.max_prompt_tokens
        raise StageError(f"no prompt fits into predict.max_prompt_tokens {limit}; raise it ({recipe.data_file})")
    dropped = {"prompt_too_long": counts.pop("prompt_too_long")}
    return Outcome(counts, dropped, {"tasks_finished_before": before, "model": model_digest(recipe.base_model)})


def _unfinished(
    recipe: Recipe,
    tasks: Path,
    names: Sequence[str] | Mapping[str, object],
    folder: PredictionFolder,
    finished: dict[str, MadeFrom],
    bar: "tqdm[None]",
) -> Iterator[Job]:
    """The tasks that are still to be answered, one in memory at a time; the others are put into `finished`."""
    model = model_digest(recipe.base_model)
    count_tokens = token_counter(recipe.base_model)
    other_model = False
    for name in names:
        job = make_job(recipe, name, read_json(tasks / f"{name}.json", Task), model, count_tokens)
        _skip(bar, job.prompt_too_long)
        record = folder.earlier(name)
        if record is None and folder.predictions(name).is_file():
            bar.write(f"Warning: {folder.predictions(name)} is not whole; its task is predicted again", file=sys.stderr)
        fitting = record if record is not None and record.key == job.key else folder.take_back(job)
        if fitting is not None:
            finished[name] = fitting
            _skip(bar, len(job.prompts))
            continue
        if record is not None and record.model != model and not other_model:
            other_model = True
            bar.write(
                f"Warning: {folder.predictions(name)} was made by another base model (hash {record.model[:12]}, "
                f"{recipe.base_model} has {model[:12]}); such tasks are predicted again, the old files put aside",
                file=sys.stderr,
            )
        yield job


def _skip(bar: "tqdm[None]", rows: int) -> None:
    """Count rows that need no work as done, but keep them out of the estimate of the time left."""
    bar.initial += rows
    bar.n += rows
    bar.last_print_n += rows
    bar.refresh()


def make_job(recipe: Recipe, name: str, task: Task, model: str, count_tokens: TokenCounter) -> Job:
    """A task's prompts, as many as fit."""
    config = recipe.sampling.predict
    prompts = few_shot_prompts(
        recipe.sampling.prediction_preamble, task, config.demonstrations, config.max_prompt_tokens, count_tokens
    )
    return Job(
        task=name,
        prompts=prompts,
        max_new_tokens=getattr(config.max_new_tokens, task.kind),
        most_demonstrations=min(config.demonstrations, len(task.positive_examples)),
        prompt_too_long=len(task.instances) - len(prompts),
        model=model,
    )


def _answer_here(
    jobs: Iterator[Job], recipe: Recipe, choice: EngineChoice, folder: PredictionFolder, bar: "tqdm[None]"
) -> Iterator[tuple[Job, Answers]]:
    """Answer one task after the other in this process, with one engine for all."""
    engine = cache(lambda: _loading(recipe)(choice, recipe.base_model))
    for job in jobs:
        answered = journaled_answers(job.groups, folder.journal(job))
        _skip(bar, len(answered))
        yield job, answer_groups(job.groups, answered, engine, folder.journal(job), bar.update)


def _answer_on_ray(
    jobs: Iterator[Job],
    recipe: Recipe,
    choice: EngineChoice,
    folder: PredictionFolder,
    bar: "tqdm[None]",
    address: str,
) -> Iterator[tuple[Job, Answers]]:
    """Spread the tasks over a Ray cluster."""
    from serve.cluster import answer_on_ray

    work = ((job, job.groups) for job in jobs)
    for job, answers in answer_on_ray(work, address, choice, recipe.base_model, _loading(recipe)):
        bar.update(len(job.prompts))
        yield job, answers


def _loading(recipe: Recipe) -> Callable[..., Engine]:
    """`load_engine` with what the recipe says of it."""
    return partial(load_engine, batch_size=recipe.sampling.predict.batch_size, max_length=_longest(recipe))


def _longest(recipe: Recipe) -> int:
    """The most tokens of a prompt and its answer. StageError if the model's context is shorter."""
    config = recipe.sampling.predict
    context = context_length(recipe.base_model)
    needed = config.max_prompt_tokens + max(config.max_new_tokens.exact_match, config.max_new_tokens.generation)
    if context is not None and needed > context:
        raise StageError(
            f"predict.max_prompt_tokens and max_new_tokens ask for {needed} tokens, but the context of "
            f"{recipe.base_model} is {context}; lower them ({recipe.data_file})"
        )
    return needed


def _settings(recipe: Recipe) -> dict[str, object]:
    """The prompts' preamble, wherever the recipe states it, and the rest of `predict`."""
    preamble = recipe.sampling.prediction_preamble
    return {"preamble": preamble, "predict": recipe.sampling.predict.model_dump(exclude={"preamble"})}


STAGE = Stage(
    name="predict",
    folder="02_predict",
    module="data_prep.predict",
    summary="Answer the collected instances with the base model, few-shot.",
    inputs=("01_collect/tasks", "01_collect/tasks.jsonl"),
    settings=_settings,
    run=run,
    uses_model=True,
    keeps_folder=True,
)


def predict_stage(engine: EngineChoice, ray: str | None) -> Stage:
    """The stage, run in the way that the command line asks for."""
    return replace(STAGE, run=partial(run, execution=Execution(engine, ray)))


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    from oneday.options import (
        DryRun,
        EngineConcurrency,
        EngineName,
        EngineUrl,
        Out,
        RayAddress,
        RecipeFolder,
        ServedModel,
    )

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        engine: EngineName = "transformers",
        engine_url: EngineUrl = None,
        served_model: ServedModel = None,
        engine_concurrency: EngineConcurrency = None,
        ray: RayAddress = None,
        dry_run: DryRun = False,
    ) -> int:
        return run_stage(
            lambda: predict_stage(EngineChoice.checked(engine, engine_url, served_model, engine_concurrency), ray),
            recipe,
            out,
            dry_run,
        )

    return typer_main(command, stage_help(STAGE), argv)


if __name__ == "__main__":
    sys.exit(main())
