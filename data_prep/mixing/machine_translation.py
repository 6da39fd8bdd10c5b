"""What is published of a source whose rows the stage translate wrote: that they are machine-translated, and by what."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.sources.catalogue import source_of
from data_prep.sources.example_source import ExampleSource
from data_prep.sources.hub import HUB_ID
from data_prep.sources.mix_config import DataSet, MixSource
from data_prep.translating.config import Translate
from oneday.run_paths import stage_input

FOLDER = "04a_translate"  # of the stage translate


def is_translated(source: MixSource) -> bool:
    """Whether the source's rows are those of the stage translate."""
    below = stage_input(source.path) if isinstance(source, DataSet) else None
    return below is not None and below.split("/")[0] == FOLDER


def published_of(source: MixSource, translate: Translate | None) -> ExampleSource[Any]:
    """The source that the settings mean; licence, remark and origin say of translated rows which model made them.

    `translate` is the recipe's. A recipe without it may mix what another one translated: its model is not known then.
    """
    published = source_of(source)
    if not is_translated(source):
        return published
    model = "a model that this recipe does not name" if translate is None else model_name(translate)
    languages = "" if translate is None else f" from {translate.source_language} to {translate.target_language}"
    said = f"Machine-translated{languages} by {model}; nobody has corrected the translations."
    return replace(
        published,
        licence=f"{published.licence} (the rows before their translation), that of {model} (the translations)",
        remark=f"{said} {published.remark}".strip(),
        origin=f"{published.origin}, machine-translated by {model}",
    )


def model_name(translate: Translate) -> str:
    """The model as it is published: a hub id or a path below the run folder; of another folder the name alone."""
    if HUB_ID.fullmatch(translate.model) or stage_input(translate.model) is not None:
        return translate.model
    return Path(translate.model).expanduser().name
