"""Inkuba-Instruct (lelapa/Inkuba-instruct): instructions in five African languages, made from published data sets.

A row has `instruction` (null in half of the Swahili sentiment rows), `inputs`, `targets`, `task` (`sentiment`, `mmt`
and others) and `data_source`. Splits are called english_train, swahili_dev and so on. Translations from English are in
the English splits, and only their instructions say into which language.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable, licence_of_parts, text_of
from data_prep.sources.mix_config import InkubaInstruct
from data_prep.sources.row_values import by_text, composed, filled_text, share_of
from oneday.buzuzu_mavi import LANGUAGES, labels_of, task_name

TASKS = {"sentiment": "sentiment", "translation": "mmt"}
# Of the data sets that it is made from, by data_source; the collection states none of its own.
LICENCES = {"afrisenti": "CC BY 4.0", "mafand": "CC BY-NC 4.0", "wmt22": "ODC-By"}


def convert(row: Row, place: str, settings: InkubaInstruct) -> Iterator[Draft | Drop]:
    """The row as one example, if it is of the wanted task, data source and language, and drawn. Raises Unusable."""
    reason = _unwanted(row, settings)
    if reason is not None:
        yield Drop(reason)
        return
    text, answer = filled_text(row, "inputs"), text_of(row, "targets")
    if settings.draw < 1 and share_of(text, answer) >= settings.draw:
        yield Drop("not_drawn")
        return
    labels = labels_of(settings.task, settings.language)
    if labels and answer.strip() and answer.strip() not in labels:
        raise Unusable("unknown_label")
    task = task_name(settings.task, settings.language)
    yield composed(Draft(_instruction(row, text, settings), text, answer, task, place))


def _unwanted(row: Row, settings: InkubaInstruct) -> str | None:
    """Why the settings leave the row out; None if they do not."""
    if text_of(row, "task") != TASKS[settings.task]:
        return "other_task"
    if settings.data_sources is not None and text_of(row, "data_source") not in settings.data_sources:
        return "other_data_source"
    if settings.task == "translation":
        asked = text_of(row, "instruction").lower()
        if [language for language in LANGUAGES if language in asked] != [settings.language]:
            return "other_language"
    return None


def _instruction(row: Row, text: str, settings: InkubaInstruct) -> str:
    """The row's own with the replacements of the settings; one of theirs where it has none, and for translation."""
    own = "" if row.get("instruction") is None else text_of(row, "instruction")
    if settings.task == "translation" or not own.strip():
        return by_text(settings.instructions, text)
    for old, new in settings.replace.items():
        own = own.replace(old, new)
    return own


def licence_of(settings: InkubaInstruct) -> str:
    """The licences of the collection and of the data sets that are used of it."""
    of_task = ["afrisenti"] if settings.task == "sentiment" else ["mafand", "wmt22"]
    parts = of_task if settings.data_sources is None else settings.data_sources
    return licence_of_parts(
        {"the collection": "none stated"} | {part: LICENCES.get(part, "none stated") for part in parts}
    )


INKUBA_INSTRUCT = ExampleSource(
    name="inkuba_instruct",
    licence=licence_of_parts({"the collection": "none stated"} | LICENCES),
    remark="The collection states none of its own; those of the data sets that it is made from are by data_source.",
    origin="https://huggingface.co/datasets/lelapa/Inkuba-instruct",
    columns=("instruction", "inputs", "targets", "task", "data_source"),
    convert=convert,
)
