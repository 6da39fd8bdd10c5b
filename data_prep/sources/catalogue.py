"""All sources of training rows by name, and the one that a recipe's settings mean."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from data_prep.sources import inkuba_instruct, mafand, math_instruct, ntrex, open_platypus, wmt22_african
from data_prep.sources.afrisenti import AFRISENTI
from data_prep.sources.cnn_dailymail import CNN_DAILYMAIL
from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row
from data_prep.sources.inkuba_instruct import INKUBA_INSTRUCT
from data_prep.sources.lima import LIMA
from data_prep.sources.mafand import MAFAND
from data_prep.sources.math_instruct import MATH_INSTRUCT
from data_prep.sources.mix_config import (
    InkubaInstruct,
    Mafand,
    MathInstruct,
    MixSource,
    Ntrex,
    OpenPlatypus,
    Sampled,
    Table,
    Wmt22African,
    Xnli,
)
from data_prep.sources.ntrex import NTREX
from data_prep.sources.open_platypus import OPEN_PLATYPUS
from data_prep.sources.openbookqa import OPENBOOKQA
from data_prep.sources.quac import QUAC
from data_prep.sources.table_source import TABLE, mapping_of, origin_of
from data_prep.sources.wmt22_african import WMT22_AFRICAN
from data_prep.sources.xnli import AFRIXNLI, XNLI
from oneday.records import Example


def _already_examples(row: Row, place: str, settings: Sampled) -> Iterator[Draft | Drop]:
    raise TypeError("the rows of the stage sample have their prompts already; read them as they are")


SAMPLED = ExampleSource(
    name="sampled",
    licence="that of each task, see its data set",
    remark="Some Natural Instructions tasks are for non-commercial use, some state no licence; "
    "the licence of each task's instances is in 01_collect/tasks.",
    origin="the stage sample (04_sample/sampled.jsonl)",
    columns=tuple(Example.model_fields),
    convert=_already_examples,
)
CATALOGUE: dict[str, ExampleSource[Any]] = {
    source.name: source
    for source in (
        *(SAMPLED, LIMA, OPEN_PLATYPUS, OPENBOOKQA, QUAC, CNN_DAILYMAIL, MATH_INSTRUCT),
        *(INKUBA_INSTRUCT, AFRISENTI, XNLI, MAFAND, WMT22_AFRICAN, NTREX, TABLE),
    )
}


def source_of(settings: MixSource) -> ExampleSource[Any]:
    """The source that the settings mean, with the licence and the columns of what they take; a table is as they say."""
    source = CATALOGUE[settings.source]
    match settings:
        case OpenPlatypus():
            return replace(source, licence=open_platypus.licence_of(settings))
        case MathInstruct():
            return replace(source, licence=math_instruct.licence_of(settings))
        case InkubaInstruct():
            return replace(source, licence=inkuba_instruct.licence_of(settings))
        case Xnli():
            return AFRIXNLI if settings.edition == "afrixnli" else source
        case Mafand():
            return replace(source, columns=(*source.columns, ("translation", mafand.CODES[settings.language])))
        case Wmt22African():
            return replace(source, columns=wmt22_african.columns_of(settings))
        case Ntrex():
            return replace(source, columns=(*source.columns, ntrex.CODES[settings.language]))
        case Table():
            columns = tuple(dict.fromkeys(mapping_of(settings).values()))
            return replace(source, licence=settings.licence, origin=origin_of(settings), columns=columns)
    return source
