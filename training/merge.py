"""Stage merge: the trained adapter as a standalone model, checked against the model that was trained.

    python -m training.merge recipes/quickstart [--out DIR] [--rows N] [--keep-both] [--gguf TYPE --llama-cpp DIR]

Reads 06_train/model and the evaluation rows of 05_mix. Merges by Axolotl's own command; a QLoRA adapter twice, into
the full-precision base and into the base rounded to NF4, and keeps the better one. Writes 10_merge/model (safetensors,
config, tokenizer), parity.json, and with --gguf a GGUF file. A merge or a measurement that is whole is not redone.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from oneday import code
from oneday.console import FAILED, run_stage, stage_help, typer_main
from oneday.files import sha256_file, sha256_json, write_json
from oneday.models import ensure_base_model
from oneday.recipe import Recipe
from oneday.stage import Outcome, Stage, StageError
from training.merging.gguf_export import GgufType, checked_type, export, find_converter
from training.merging.merged_model import (
    WORDS,
    MadeFrom,
    Weights,
    base_folder,
    made_from,
    merge,
    merges_of,
    weight_bytes,
)
from training.merging.parity_record import PARITY, Parity, read_parity, table
from training.merging.places import Places
from training.train import settings_for

ROWS = 32  # default of --rows


@dataclass(frozen=True)
class Options:
    """What the command line asks for. With `rows` 0 nothing is measured and the full-precision merge is kept."""

    rows: int = ROWS
    keep_both: bool = False
    gguf: GgufType | None = None
    converter: Path | None = None  # llama.cpp's script; there if `gguf` is


@dataclass(frozen=True)
class Job:
    """One run of the stage: the Axolotl file and what is in it, the adapter, and what each merge is made from."""

    recipe: Recipe
    options: Options
    train_file: Path
    settings: Mapping[str, Any]
    adapter: Path
    evaluation: Path
    places: Places
    origins: Mapping[Weights, MadeFrom]

    @property
    def base_model(self) -> str:
        """The base model that this run folder was trained from."""
        return str(self.settings["base_model"])

    @property
    def measured_from(self) -> str:
        """A hash of all that the parity check depends on."""
        origins = {name: origin.model_dump() for name, origin in self.origins.items()}
        numbers = {"rows": self.options.rows, **_evaluation_settings(self.recipe)}
        files = {"evaluation": sha256_file(self.evaluation), "code": code.fingerprint("training.merging.parity")}
        return sha256_json([origins, numbers, files])


def run(recipe: Recipe, run_dir: Path, output_dir: Path, options: Options = Options()) -> Outcome:
    """Merge what is not merged yet, measure, keep the better model, export it."""
    job = prepare(recipe, run_dir, output_dir, options)
    if not job.origins:
        print(f"merge       {job.adapter} is a whole model, trained without an adapter: there is nothing to merge")
        return Outcome({"merges": 0})
    parity = measured_before(job)
    if parity is None:
        job.places.forget_results(job.origins)
    make_merges(job, parity)
    if parity is None and options.rows:
        parity = measure(job)
    better: Weights = parity.better if parity else "full"
    job.places.settle(job.origins, better, options.keep_both)
    if options.gguf and options.converter and not job.places.gguf(options.gguf).is_file():
        target, log = job.places.gguf(options.gguf), output_dir / "gguf.log"
        export(job.places.model, target, options.gguf, options.converter, log)
    print(table(parity) if parity else "merge       not measured (--rows 0); the full-precision merge is kept")
    counts = {"merges": len(job.origins), "rows": parity.rows if parity else 0}
    return Outcome(counts, details={"kept": better, "parity": parity.model_dump() if parity else None})


def prepare(recipe: Recipe, run_dir: Path, output_dir: Path, options: Options) -> Job:
    """What there is to do. StageError if the adapter is absent or of a kind that cannot be merged."""
    train_file, settings = settings_for(recipe, run_dir)
    adapter, base_model = run_dir / "06_train/model", str(settings["base_model"])
    ensure_base_model(base_model, recipe.base_model_from)
    return Job(
        recipe=recipe,
        options=options,
        train_file=train_file,
        settings=settings,
        adapter=adapter,
        evaluation=run_dir / _evaluation_file(recipe),
        places=Places(output_dir),
        origins={weights: made_from(weights, base_model, adapter) for weights in merges_of(settings)},
    )


def measured_before(job: Job) -> Parity | None:
    """The parity record of an earlier run of the same models, rows and numbers; None if there is none that fits."""
    try:
        parity = read_parity(job.places.folder)
    except (FileNotFoundError, ValueError):
        return None
    return parity if job.options.rows and parity.made_from == job.measured_from else None


def make_merges(job: Job, parity: Parity | None) -> None:
    """Make the merges that are needed and not there. StageError, before any, if they do not fit on the disk."""
    if job.options.keep_both or (parity is None and job.options.rows):
        needed = list(job.origins)
    else:
        needed = [parity.better if parity else "full"]
    missing = [weights for weights in needed if job.places.find(job.origins[weights]) is None]
    base = base_folder(job.base_model, job.settings.get("revision_of_model"))
    check_space(job.places.folder, weight_bytes(base), len(missing), job.options.gguf is not None)
    for weights in missing:
        print(f"merge       into {WORDS[weights]}", file=sys.stderr)
        log = job.places.folder / f"merge-{weights}.log"
        merge(job.train_file, job.origins[weights], job.adapter, job.places.work(weights), log, job.settings)


def check_space(folder: Path, model_bytes: int, merges: int, gguf: bool) -> None:
    """StageError if the models to be written do not fit: each merge and a GGUF file at most as large as the base.

    While a merge into NF4 is mended, its largest file is there twice.
    """
    copies = merges + gguf + (merges > 1)
    free = shutil.disk_usage(folder).free
    if free < copies * model_bytes:
        raise StageError(
            f"{folder}: {free / 2**30:.1f} GiB are free, {copies * model_bytes / 2**30:.1f} GiB are needed for "
            f"{copies} copies of a model of {model_bytes / 2**30:.1f} GiB; free some, or name another folder with --out"
        )


def measure(job: Job) -> Parity:
    """Compare the merges with the trained model, and write the record."""
    from oneday.console import quiet_libraries
    from serve.tokens import load_tokenizer
    from training.merging import parity

    quiet_libraries()
    tokenizer = load_tokenizer(job.base_model, job.adapter)
    found = {weights: job.places.find(origin) for weights, origin in job.origins.items()}
    plan = parity.Plan(
        base_model=job.base_model,
        adapter=job.adapter,
        merged={weights: folder for weights, folder in found.items() if folder is not None},
        settings=job.settings,
        rows=parity.tokenise(parity.read_examples(job.evaluation, job.options.rows), tokenizer),
        new_tokens=job.recipe.eval.max_new_tokens.generation,
        batch_size=job.recipe.eval.batch_size,
        bootstrap=job.recipe.eval.bootstrap,
        work=job.places.folder / "work/parity",
        made_from=job.measured_from,
    )
    record = parity.measure(plan, tokenizer)
    write_json(job.places.folder / PARITY, record.model_dump())
    return record


def _evaluation_file(recipe: Recipe) -> str:
    return f"05_mix/eval.{recipe.data.mix.output}"


def _evaluation_settings(recipe: Recipe) -> dict[str, Any]:
    """What of eval.yaml shapes the parity check."""
    return {
        "new_tokens": recipe.eval.max_new_tokens.generation,
        "batch_size": recipe.eval.batch_size,
        "bootstrap": recipe.eval.bootstrap.model_dump(),
    }


def _settings(recipe: Recipe, options: Options) -> dict[str, Any]:
    """What shapes the result; where the converter is does not."""
    asked = {key: value for key, value in asdict(options).items() if key != "converter"}
    return {"train": recipe.train.values, "evaluation": _evaluation_settings(recipe), "options": asked}


STAGE = Stage(
    name="merge",
    folder="10_merge",
    module="training.merge",
    summary="Merge the trained adapter into a standalone model with Axolotl, and check it against the trained one.",
    inputs=lambda recipe: ("06_train/model", _evaluation_file(recipe)),
    settings=lambda recipe: _settings(recipe, Options()),
    run=run,
    uses_model=True,
    keeps_folder=True,
)


def merge_stage(options: Options) -> Stage:
    """The stage, run in the way that the command line asks for."""
    return replace(STAGE, run=partial(run, options=options), settings=partial(_settings, options=options))


def _converter(folder: Path | None) -> tuple[Path | None, str]:
    """The converter's script, or what is wrong: without it the merge is still made."""
    try:
        return find_converter(folder), ""
    except StageError as error:
        return None, str(error)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    from oneday.options import DryRun, Out, RecipeFolder

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        rows: Annotated[int, typer.Option(help="Evaluation rows to compare on; 0 measures nothing.", min=0)] = ROWS,
        keep_both: Annotated[bool, typer.Option("--keep-both", help="Keep the other merge too.")] = False,
        gguf: Annotated[
            str | None, typer.Option(help="Write a GGUF file too: f32, f16, bf16, q8_0 or auto (the model's own).")
        ] = None,
        llama_cpp: Annotated[
            Path | None, typer.Option(help="Folder with llama.cpp's convert_hf_to_gguf.py [default: $LLAMA_CPP].")
        ] = None,
        dry_run: DryRun = False,
    ) -> int:
        converter, fault = (None, "") if gguf is None else _converter(llama_cpp)

        def stage() -> Stage:
            kind = None if gguf is None else checked_type(gguf)
            return merge_stage(Options(rows, keep_both, kind if converter else None, converter))

        exit_code = run_stage(stage, recipe, out, dry_run)
        if fault and exit_code == 0:
            print(f"Error: no GGUF file was written: {fault}. The merged model itself is there.", file=sys.stderr)
        return exit_code or (FAILED if fault else 0)

    return typer_main(command, stage_help(STAGE), argv)


if __name__ == "__main__":
    sys.exit(main())
