"""AfriSenti (shmuhammad/AfriSenti-twitter-sentiment, configs swa and hau; or its TSV files): sentiment of tweets.

A row has `tweet` and `label`, a word or the hub's number: 0 positive, 1 neutral, 2 negative. Some files have an `ID`.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row
from data_prep.sources.mix_config import AfriSenti
from data_prep.sources.row_values import by_text, class_of, composed, filled_text, own_id
from oneday.buzuzu_mavi import POLARITIES, SENTIMENT, task_name


def convert(row: Row, place: str, settings: AfriSenti) -> Iterator[Draft | Drop]:
    """The tweet as it is, with the language's word for its label. Raises Unusable."""
    tweet = filled_text(row, "tweet")
    answer = SENTIMENT[settings.language][class_of(row, "label", POLARITIES)]
    instruction, task = by_text(settings.instructions, tweet), task_name("sentiment", settings.language)
    yield composed(Draft(instruction, tweet, answer, task, own_id(row, place, "ID")))


AFRISENTI = ExampleSource(
    name="afrisenti",
    licence="CC BY 4.0",
    origin="https://huggingface.co/datasets/shmuhammad/AfriSenti-twitter-sentiment",
    columns=("tweet", "label"),
    convert=convert,
)
