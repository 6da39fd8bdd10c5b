"""WMT22 African (allenai/wmt22_african, configs eng-swh and eng-hau): pairs of sentences found on web pages by LASER.

A row has `translation` ({eng, swh} or {eng, hau}), `laser_score` (how alike the two are) and how sure their languages
are. A table with these as columns is read too.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable
from data_prep.sources.mix_config import Wmt22African
from data_prep.sources.row_values import composed, own_id, pair_of, share_of
from oneday.buzuzu_mavi import Language, task_name

CODES: dict[Language, str] = {"swahili": "swh", "hausa": "hau"}


def convert(row: Row, place: str, settings: Wmt22African) -> Iterator[Draft | Drop]:
    """The English sentence, to be translated, if the pair is alike enough, and drawn. Raises Unusable."""
    english, translated = pair_of(row, "eng", CODES[settings.language])
    if settings.min_laser_score is not None and not laser_score(row) >= settings.min_laser_score:
        yield Drop("low_laser_score")
    elif settings.draw < 1 and share_of(english, translated) >= settings.draw:
        yield Drop("not_drawn")
    else:
        task = task_name("translation", settings.language)
        yield composed(Draft(settings.instruction, english, translated, task, own_id(row, place)))


def columns_of(settings: Wmt22African) -> tuple[str | tuple[str, ...], ...]:
    """The columns that the settings need, one of each tuple."""
    pair = (("translation", "eng"), ("translation", CODES[settings.language]))
    return pair if settings.min_laser_score is None else (*pair, "laser_score")


def laser_score(row: Row) -> float:
    """The pair's score, which is a text in some formats; not a number (NaN) is below every bound. Raises Unusable."""
    value = row.get("laser_score")
    if value is None or value == "":
        raise Unusable("missing_field")
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise Unusable("wrong_type")
    try:
        return float(value)
    except ValueError as error:
        raise Unusable("wrong_type") from error


WMT22_AFRICAN = ExampleSource(
    name="wmt22_african",
    licence="ODC-By",
    remark="Of the collection; the web pages keep their own terms, and those of the Internet Archive hold.",
    origin="https://huggingface.co/datasets/allenai/wmt22_african",
    columns=(("translation", "eng"),),
    convert=convert,
)
