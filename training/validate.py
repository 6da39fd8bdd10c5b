"""Check every YAML of a recipe with no GPU, no network and no weights, and report all faults together.

    python -m training.validate recipes/quickstart [--compute-capability sm_89]

All files of the folder are checked, also where one data file is named. data*.yaml, compress.yaml, eval*.yaml,
rules*.yaml, zindi.yaml and serve.yaml are checked by their models, train*.yaml by the installed Axolotl's schema (which
by itself drops unknown keys silently) and by the demands of `training.checks.demands`. Exit code 2 if anything is
wrong. Whether the training fits a machine is for `training.plan`; of what is installed there, only the trackers that a
file switches on are checked.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from eval.config import EvalConfig
from oneday.config import ConfigError, Document, Fault, load_config, load_document
from oneday.console import run_command, typer_main
from oneday.recipe import data_files, find_data_file, load_recipe
from postprocess.cases import RuleSet
from training.checks.axolotl_schema import axolotl_faults
from training.checks.compression import compression_faults
from training.checks.compute_capability import card_faults, generation
from training.checks.demands import demands, mixes, number

FILE_NAME = re.compile(r"(data|eval|rules|train)(-[a-z0-9-]+)?\.yaml|(compress|zindi|serve)\.yaml")
ALLOWED = (
    "allowed: data.yaml, compress.yaml, eval.yaml, zindi.yaml, rules.yaml, serve.yaml, train.yaml, and variants such "
    "as data-400k.yaml"
)


def check_recipe(recipe: Path, compute_capability: str | None = None) -> list[Path]:
    """The files of a recipe, all of them valid. Raises ConfigError with the faults of all files together.

    `recipe` is a folder or one of its data files. With a compute capability, such as sm_89, the trainings are also
    checked for a card of that kind.
    """
    folder = recipe if recipe.is_dir() else find_data_file(recipe).parent
    faults: list[Fault] = []
    for data_path in data_files(folder) or [folder]:  # with a folder, it is told if data.yaml must be there
        faults += [fault for fault in _recipe_faults(data_path) if fault not in faults]
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    trainings = []
    for path in paths:
        name = FILE_NAME.fullmatch(path.name)
        try:
            if name is None:
                faults.append(Fault(path, "", f"unknown file name; {ALLOWED}"))
            elif name[1] == "train":
                trainings.append(load_document(path))
            elif name[1] == "eval" and name[2]:  # load_recipe reads the others
                load_config(path, EvalConfig)
            elif name[1] == "rules" and name[2]:
                load_config(path, RuleSet)
        except ConfigError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    reported = {(fault.file, fault.key) for fault in faults}
    for document in trainings:
        faults += [
            fault for fault in check_train(document, compute_capability) if (fault.file, fault.key) not in reported
        ]
    faults += _shared_folders(trainings)
    faults += _long_rows(folder, trainings)
    faults += compression_faults(folder, trainings)
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.file.name, fault.line or 0)))
    return paths


def _recipe_faults(recipe: Path) -> list[Fault]:
    try:
        load_recipe(recipe)
    except ConfigError as error:
        return error.faults
    return []


def check_train(document: Document, compute_capability: str | None = None) -> list[Fault]:
    """All that is wrong with one Axolotl file of a recipe, in the order of lines.

    With a compute capability, such as sm_89, also what Axolotl refuses on a card of that kind.
    """
    faults = axolotl_faults(document, compute_capability)
    found = [*demands(document)]
    if compute_capability is not None:
        found += card_faults(document.values, compute_capability)
    faults += [document.fault(key, message) for key, message in found]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _long_rows(folder: Path, trainings: list[Document]) -> Iterator[Fault]:
    """Data files whose rows may be longer than a training reads that stops at such rows."""
    limits = [
        (int(limit), document.path.name)
        for document in trainings
        if document.values.get("excess_length_strategy") == "raise"
        and (limit := number(document.values.get("sequence_len"))) is not None
    ]
    if not limits:
        return
    limit, train_file = min(limits)
    for data_file, mix in mixes(folder).items():
        message = f"{mix.max_tokens}, but sequence_len of {train_file} is {limit} and training stops at longer rows"
        if mix.max_tokens is None:
            if all(source.source == "sampled" for source in mix.sources):
                continue
            message = f"must be set, to at most sequence_len of {train_file} ({limit}): training stops at longer rows"
        elif mix.max_tokens <= limit:
            continue
        yield load_document(folder / data_file).fault("mix.max_tokens", message)


def _shared_folders(trainings: list[Document]) -> Iterator[Fault]:
    seen: dict[str, Document] = {}
    for document in trainings:
        folder = document.values.get("output_dir")
        if isinstance(folder, str) and seen.setdefault(folder.rstrip("/"), document) is not document:
            first = seen[folder.rstrip("/")].path.name
            yield document.fault("output_dir", f"also the output_dir of {first}, whose checkpoints it would resume")


def notes(paths: list[Path]) -> Iterator[str]:
    """What valid training files need that is not installed here, and what does without it."""
    attention = "flash_attention_2"
    trainings = [path for path in paths if path.name.startswith("train")]
    users = [path.name for path in trainings if load_document(path).values.get("attn_implementation") == attention]
    if users and importlib.util.find_spec("flash_attn") is None:
        yield f"{attention} of {', '.join(users)} needs the package flash-attn, which is not installed here:"
        yield "  pip install -c constraints.txt 'axolotl[flash-attn]==0.19.0'   (CUDA only)"
        yield "  or, with the hub in reach at the training, nothing: it loads kernels-community/flash-attn2"
        yield "  or, without either, attn_implementation: sdpa"


def _known(compute_capability: str | None) -> str | None:
    """The option's value, if it is one."""
    if compute_capability is not None:
        try:
            generation(compute_capability)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return compute_capability


ComputeCapability = Annotated[
    str | None,
    typer.Option(
        callback=_known,
        metavar="sm_NN",
        help="Check also what Axolotl refuses on an NVIDIA card of this kind: sm_89 is an RTX 4090, sm_90 an H100.",
    ),
]


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module."""
    from oneday.options import RecipeFolder

    def command(recipe: RecipeFolder, compute_capability: ComputeCapability = None) -> int:
        def work() -> None:
            paths = check_recipe(recipe, compute_capability)
            card = f" on {compute_capability}" if compute_capability else ""
            print(f"{recipe}: {', '.join(path.name for path in paths)} are valid{card}")
            for note in notes(paths):
                print(note)

        return run_command(work)

    return typer_main(command, "Check every YAML of a recipe, with no GPU, no network and no weights.", argv)


if __name__ == "__main__":
    sys.exit(main())
