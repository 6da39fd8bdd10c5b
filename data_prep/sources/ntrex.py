r"""NTREX-128: the news of WMT19's English test set in 128 languages, translated by people.

A row has `eng`, `swa` and `hau`, and maybe an `id`. The authors' repository has a text file a language, aligned by
line; this makes a table of them, in the folder NTREX-128:

    (printf 'eng\tswa\thau\n'; paste newstest2019-src.eng.txt newstest2019-ref.{swa,hau}.txt | tr -d '\r') > ntrex.tsv
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row
from data_prep.sources.mix_config import Ntrex
from data_prep.sources.row_values import composed, own_id, pair_of
from oneday.buzuzu_mavi import Language, task_name

CODES: dict[Language, str] = {"swahili": "swa", "hausa": "hau"}


def convert(row: Row, place: str, settings: Ntrex) -> Iterator[Draft | Drop]:
    """The English sentence, to be translated. Raises Unusable."""
    english, translated = pair_of(row, "eng", CODES[settings.language])
    task = task_name("translation", settings.language)
    yield composed(Draft(settings.instruction, english, translated, task, own_id(row, place)))


NTREX = ExampleSource(
    name="ntrex",
    licence="CC BY-SA 4.0",
    origin="https://github.com/MicrosoftTranslator/NTREX",
    columns=("eng",),
    convert=convert,
)
