"""MAFAND-MT (masakhane/mafand, configs en-swa and en-hau): news in English with its translation.

A row has `translation`: {en, swa} or {en, hau}. A table with these as columns is read too.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row
from data_prep.sources.mix_config import Mafand
from data_prep.sources.row_values import composed, own_id, pair_of
from oneday.buzuzu_mavi import Language, task_name

CODES: dict[Language, str] = {"swahili": "swa", "hausa": "hau"}


def convert(row: Row, place: str, settings: Mafand) -> Iterator[Draft | Drop]:
    """The English sentence, to be translated. Raises Unusable."""
    english, translated = pair_of(row, "en", CODES[settings.language])
    task = task_name("translation", settings.language)
    yield composed(Draft(settings.instruction, english, translated, task, own_id(row, place)))


MAFAND = ExampleSource(
    name="mafand",
    licence="CC BY-NC 4.0",
    origin="https://huggingface.co/datasets/masakhane/mafand",
    columns=(("translation", "en"),),
    convert=convert,
)
