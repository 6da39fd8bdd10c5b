"""LIMA (GAIR/lima): hand-picked conversations; the first question and its answer of each, as Birbal used them.

A row has `conversations` (the turns as texts, by turns from user and assistant) and `source`, which becomes the task.
"""

from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable
from data_prep.sources.mix_config import Lima


def convert(row: Row, place: str, settings: Lima) -> Iterator[Draft | Drop]:
    """The first two turns as one example. Raises Unusable."""
    turns = row.get("conversations")
    if turns is None:
        raise Unusable("missing_field")
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns[:2]):
        raise Unusable("wrong_type")
    if len(turns) < 2:  # the test split has questions alone
        raise Unusable("no_answer_turn")
    origin = row.get("source")
    yield Draft("", turns[0], turns[1], origin if isinstance(origin, str) and origin else settings.source, place)


LIMA = ExampleSource(
    name="lima",
    licence="CC BY-NC-SA",
    remark="A text whose own source has a stricter licence keeps that one.",
    origin="https://huggingface.co/datasets/GAIR/lima",
    columns=("conversations",),
    convert=convert,
)
