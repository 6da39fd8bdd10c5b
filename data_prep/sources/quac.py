"""QuAC: questions in a conversation about a passage; a student asks, a teacher answers with parts of the passage.

Two published forms are read: the hub's, one dialogue a row (lists of `questions`, `turn_ids`, `orig_answers`), and
the authors' nested one, one article a row (`paragraphs` with `context` and `qas`). The teacher's own answer counts.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable, text_of
from data_prep.sources.mix_config import QuAC

NO_ANSWER = "CANNOTANSWER"  # upstream's answer where the passage has none; every passage also ends with it


class Turn(NamedTuple):
    """A question of a dialogue with its answer, as found: not yet checked."""

    id: Any
    question: Any
    answer: Any


def convert(row: Row, place: str, settings: QuAC) -> Iterator[Draft | Drop]:
    """An example for each question of the row. Raises Unusable for a row without dialogues."""
    if "paragraphs" not in row:
        heading = _heading(row, "wikipedia_page_title")
        yield from _examples(heading, text_of(row, "context"), _flat_turns(row), place, settings)
        return
    paragraphs = row["paragraphs"]
    if not isinstance(paragraphs, list):
        raise Unusable("wrong_type")
    heading = _heading(row, "title")
    for number, paragraph in enumerate(paragraphs, start=1):
        try:
            context, turns = _paragraph(paragraph)
        except Unusable as error:
            yield Drop(error.reason)
        else:
            yield from _examples(heading, context, turns, f"{place}-{number}", settings)


def _heading(row: Row, title_field: str) -> list[str]:
    """The lines that say what the passage is from, where the row says it."""
    named = (("Title", row.get(title_field)), ("Section", row.get("section_title")))
    return [f"{name}: {value}" for name, value in named if isinstance(value, str) and value]


def _flat_turns(row: Row) -> list[Turn]:
    """The turns of the hub's form. Raises Unusable."""
    questions, answers = row.get("questions"), row.get("orig_answers")
    if questions is None or answers is None:
        raise Unusable("missing_field")
    texts = answers.get("texts") if isinstance(answers, dict) else None
    if not isinstance(questions, list) or not isinstance(texts, list) or len(questions) != len(texts):
        raise Unusable("wrong_type")
    ids = row.get("turn_ids")
    ids = ids[: len(questions)] if isinstance(ids, list) else []
    return [Turn(*turn) for turn in zip_longest(ids, questions, texts)]


def _paragraph(paragraph: Any) -> tuple[str, list[Turn]]:
    """The passage and the turns of the nested form. Raises Unusable."""
    if not isinstance(paragraph, dict):
        raise Unusable("wrong_type")
    context, asked = text_of(paragraph, "context"), paragraph.get("qas")
    if asked is None:
        raise Unusable("missing_field")
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise Unusable("wrong_type")
    answers = [one.get("orig_answer") for one in asked]
    texts = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers]
    return context, [Turn(one.get("id"), one.get("question"), text) for one, text in zip(asked, texts, strict=True)]


def _examples(
    heading: Sequence[str], context: str, turns: Sequence[Turn], place: str, settings: QuAC
) -> Iterator[Draft | Drop]:
    """An example a turn: passage, earlier turns, question. Earlier turns stay where they have no answer."""
    passage = [*heading, f"Passage: {context.removesuffix(NO_ANSWER).strip()}"]
    before: list[str] = []
    for number, turn in enumerate(turns, start=1):
        fault = _fault(turn)
        if fault is not None:
            yield Drop(fault)
            continue
        asked, answer = f"Question: {turn.question.strip()}", turn.answer.strip()
        if answer == NO_ANSWER and settings.unanswerable == "drop":
            yield Drop("unanswerable")
        else:
            shown = before[max(len(before) - settings.history, 0) :]
            own_id = turn.id if isinstance(turn.id, str) and turn.id else f"{place}-{number}"
            lines = "\n".join([*passage, *shown, asked])
            yield Draft(settings.instruction, lines, answer, settings.source, own_id)
        before.append(f"{asked}\nAnswer: {answer}")


def _fault(turn: Turn) -> str | None:
    """Why a turn is neither asked nor shown, or None."""
    if turn.question is None or turn.answer is None:
        return "missing_field"
    if not isinstance(turn.question, str) or not isinstance(turn.answer, str):
        return "wrong_type"
    if not turn.question.strip():
        return "empty_input"
    return None if turn.answer.strip() else "empty_answer"


QUAC = ExampleSource(
    name="quac",
    licence="CC BY-SA 4.0",
    remark="As quac.ai says; the hub's card says MIT.",
    origin="https://quac.ai, https://huggingface.co/datasets/allenai/quac",
    columns=(("paragraphs", "context"), ("paragraphs", "questions"), ("paragraphs", "orig_answers")),
    convert=convert,
)
