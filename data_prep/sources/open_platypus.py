"""Open-Platypus (garage-bAInd/Open-Platypus): science and logic questions gathered from ten data sets.

A row has `instruction`, `input` (mostly empty), `output` and `data_source`, which becomes the task.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, licence_of_parts, text_of
from data_prep.sources.mix_config import OpenPlatypus

# By data_source, as the hub's card lists them.
LICENCES = {
    "MATH/PRM-800K": "MIT",
    "scibench": "MIT",
    "theoremqa": "MIT",
    "tigerbot-kaggle": "Apache-2.0",
    "guanaco": "Apache-2.0",
    "ARB": "CC BY 4.0",
    "scienceqa": "CC BY-NC-SA 4.0",
    "reclor": "non-commercial",
    "airoboros": "other",
    "leetcode_ne": "none stated",
}


def convert(row: Row, place: str, settings: OpenPlatypus) -> Iterator[Draft | Drop]:
    """The row as one example, unless its data source is excluded. Raises Unusable."""
    data_source = text_of(row, "data_source")
    if data_source in settings.exclude_data_sources:
        yield Drop("excluded_data_source")
        return
    parts = [text_of(row, "instruction").strip(), text_of(row, "input").strip()]
    question = "\n".join(part for part in parts if part)
    yield Draft("", question, text_of(row, "output"), data_source, place)


def licence_of(settings: OpenPlatypus) -> str:
    """The licences of the parts that are not excluded."""
    used = {part: licence for part, licence in LICENCES.items() if part not in settings.exclude_data_sources}
    return licence_of_parts(used)


OPEN_PLATYPUS = ExampleSource(
    name="open_platypus",
    licence=licence_of_parts(LICENCES),
    remark="Those of the parts that are used, by data_source; the whole has none of its own.",
    origin="https://huggingface.co/datasets/garage-bAInd/Open-Platypus",
    columns=("instruction", "input", "output", "data_source"),
    convert=convert,
)
