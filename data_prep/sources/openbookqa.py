"""OpenBookQA (allenai/openbookqa): school science as unfinished sentences with four ways to finish them.

A row has `id`, `question_stem`, `choices` (`text` and `label`, two lists) and `answerKey`, the right one's label.
"""

from collections.abc import Iterator
from typing import Any

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable, text_of
from data_prep.sources.mix_config import OpenBookQA


def convert(row: Row, place: str, settings: OpenBookQA) -> Iterator[Draft | Drop]:
    """The question with its options, a line each; the answer is the right option's text or letter. Raises Unusable."""
    stem, key = text_of(row, "question_stem").strip(), text_of(row, "answerKey").strip()
    options = options_of(row.get("choices"))
    if key not in options:
        raise Unusable("unknown_answer_key")
    lines = [stem, *(f"{label}. {text}" for label, text in options.items())]
    own_id = row.get("id")
    yield Draft(
        settings.instruction,
        "\n".join(lines),
        options[key] if settings.answer == "text" else key,
        settings.source,
        own_id if isinstance(own_id, str) and own_id else place,
    )


def options_of(choices: Any) -> dict[str, str]:
    """The options' texts by label, in their order. Raises Unusable."""
    if choices is None:
        raise Unusable("missing_field")
    if not isinstance(choices, dict):
        raise Unusable("wrong_type")
    labels, texts = choices.get("label"), choices.get("text")
    if labels is None or texts is None:
        raise Unusable("missing_field")
    if not isinstance(labels, list) or not isinstance(texts, list) or len(labels) != len(texts):
        raise Unusable("wrong_type")
    if not all(isinstance(value, str) for value in (*labels, *texts)):
        raise Unusable("wrong_type")
    return dict(zip(labels, texts, strict=True))


OPENBOOKQA = ExampleSource(
    name="openbookqa",
    licence="Apache-2.0",
    remark="As the authors' repository says; the hub's card states none.",
    origin="https://huggingface.co/datasets/allenai/openbookqa",
    columns=("question_stem", "choices", "answerKey"),
    convert=convert,
)
