"""CNN/DailyMail (abisee/cnn_dailymail, config 3.0.0): news articles with the highlights that their editors wrote.

A row has `article`, `highlights` (one a line) and `id`.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, text_of
from data_prep.sources.mix_config import CnnDailyMail


def convert(row: Row, place: str, settings: CnnDailyMail) -> Iterator[Draft | Drop]:
    """The article with its highlights as the answer. Raises Unusable."""
    own_id = row.get("id")
    yield Draft(
        settings.instruction,
        text_of(row, "article"),
        text_of(row, "highlights"),
        settings.source,
        own_id if isinstance(own_id, str) and own_id else place,
    )


CNN_DAILYMAIL = ExampleSource(
    name="cnn_dailymail",
    licence="Apache-2.0",
    remark="That of the prepared data; the articles are those of CNN and the Daily Mail.",
    origin="https://huggingface.co/datasets/abisee/cnn_dailymail",
    columns=("article", "highlights"),
    convert=convert,
)
