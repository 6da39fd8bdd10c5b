"""Whether a recipe's training files fit its stages: each training starts from the model that the one before makes."""

from collections.abc import Iterator
from pathlib import Path

from compress.folders import FIRST_TRAINING, MODEL, TEACHER, model_before, training_folder
from oneday.config import ConfigError, Document, Fault
from oneday.recipe import TEACHER_FILE, Recipe, data_files, load_recipe

TEACHER_KEY = "oneday_teacher"


def compression_faults(folder: Path, trainings: list[Document]) -> Iterator[Fault]:
    """What in the training files does not fit the compression; nothing if the recipe as a whole cannot be read."""
    files = data_files(folder)
    try:
        recipe = load_recipe(files[0] if files else folder)
    except ConfigError:
        return
    for document in trainings:
        is_teacher = document.path.name == TEACHER_FILE
        if recipe.compress is not None or recipe.first_training is not None:
            yield from _base_model(recipe, document, training_folder(document.path.name), trainings)
        if recipe.compress is not None:
            yield from _long_rows(recipe, document)
        if is_teacher:
            yield from _teacher_file(recipe, document)
        else:
            yield from _first_of_two(document)
            yield from _taught(recipe, document)


def _base_model(recipe: Recipe, document: Document, stage: str, trainings: list[Document]) -> Iterator[Fault]:
    made = model_before(recipe, stage)
    expected = recipe.base_model if made is None else f"runs/{recipe.name}/{made}"
    given = document.values.get("base_model")
    if given != expected:
        why = "the parent of compress.yaml" if made is None else "what compress.yaml makes"
        if made == f"{FIRST_TRAINING}/{MODEL}":
            why = "the model of the first training"
            first = [other for other in trainings if training_folder(other.path.name) == FIRST_TRAINING]
            if given in [other.values.get("output_dir") for other in first]:  # of a variant
                return
        yield document.fault("base_model", f"must be {expected}, {why} (given: {given!r})")


def _long_rows(recipe: Recipe, document: Document) -> Iterator[Fault]:
    """The stage mix counts tokens before the vocabulary is trimmed, and the same text has more of them afterwards."""
    trimmed = recipe.compress is not None and recipe.compress.trim is not None
    if trimmed and recipe.data_settings is not None and document.values.get("excess_length_strategy") == "raise":
        message = "must be drop or truncate: rows were measured with the parent's tokens, and trimmed ones are more"
        yield document.fault("excess_length_strategy", message)


def _teacher_file(recipe: Recipe, document: Document) -> Iterator[Fault]:
    if recipe.compress is None:
        yield document.fault("", f"a {TEACHER_FILE} goes with a compress.yaml, which is not there")
    if document.values.get("adapter"):
        message = "must not be set: the teacher is pruned afterwards, and an adapter cannot be"
        yield document.fault("adapter", message)


def _first_of_two(document: Document) -> Iterator[Fault]:
    if training_folder(document.path.name) == FIRST_TRAINING and document.values.get("adapter"):
        message = "must not be set: the second training goes on with the whole model, and an adapter is none"
        yield document.fault("adapter", message)


def _taught(recipe: Recipe, document: Document) -> Iterator[Fault]:
    """A teacher that the recipe trains must be the one that is named, and be named at all."""
    if recipe.teacher is None:
        return
    expected = f"runs/{recipe.name}/{TEACHER}/{MODEL}"
    given = document.values.get(TEACHER_KEY)
    if given != expected:
        message = f"must be {expected}, which {TEACHER_FILE} trains; take that file away to use another, or none"
        yield document.fault(TEACHER_KEY, f"{message} (given: {given!r})")
