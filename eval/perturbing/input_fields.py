"""`InputFields`: rows of any file as eval.examples reads them, with the part of the prompt that may be perturbed.

A list of lettered options at the end of an input is not of it: in HELM the adapter writes it behind the input, and a
typo in the letter of the right option would make the row unanswerable.

A text is found in the prompt as whole words; one that occurs there several times is taken to be the last one, as those
before may be of demonstrations. Where the prompt repeats it behind, that is wrong: `is_repeated` tells such rows.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from eval.examples.fields import Fields, Row, field_of
from eval.examples.row import ExampleRow
from eval.metrics.tokens import UNSPACED
from postprocess.cases import LINE, options_of

if TYPE_CHECKING:
    from regex import Pattern

USUAL = ("input", "question", "question_stem")  # looked for in this order where no field is named


@dataclass(frozen=True)
class InputFields(Fields):
    """Fields of a row, and those whose texts are its input: what the prompt has from the first one to the last.

    Without names it is the first of the usual fields that the prompt holds; if it holds none, there is no input.
    """

    input: tuple[str, ...] = ()

    def example(self, row: Row, default_task: str, default_id: str) -> ExampleRow:
        """The row with its input. ValueError if a named field is not in the row, or its text not in the prompt."""
        found = super().example(row, default_task, default_id)
        texts = [field_of(row, name, "--input") for name in self.input]
        for name, text in zip(self.input, texts, strict=True):
            if not isinstance(text, str) or not places(found.prompt, text):
                told = f"field '{name}' is {text!r}, which the prompt does not hold as whole words"
                raise ValueError(f"{told}; name another by --input")
        usual = [text for text in map(row.get, USUAL) if isinstance(text, str) and places(found.prompt, text)]
        start, end = _span(found.prompt, texts or usual[:1])
        return found.model_copy(update={"input": before_options(found.prompt[start:end]), "input_start": start})


def is_repeated(row: ExampleRow) -> bool:
    """Whether the row's prompt holds its input more than once."""
    return len(places(row.prompt, row.input)) > 1


def places(prompt: str, text: str) -> list[int]:
    """Where the text begins in the prompt, each time that it begins and ends no word in the middle; none if empty."""
    found, start = [], prompt.find(text) if text else -1
    while start >= 0:
        if not _cuts_a_word(prompt, start) and not _cuts_a_word(prompt, start + len(text)):
            found.append(start)
        start = prompt.find(text, start + 1)
    return found


def _cuts_a_word(prompt: str, place: int) -> bool:
    """Whether the characters before and at the place are of one word. Scripts without spaces have no such words."""
    return bool(_two_of_a_word().fullmatch(prompt[max(0, place - 1) : place + 1]))


@cache
def _two_of_a_word() -> "Pattern[str]":
    import regex

    return regex.compile(rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]{{2}}", regex.VERSION1)


def before_options(text: str) -> str:
    """The text without the lettered options that end it, each on one line; all of it if it has none or nothing else."""
    found = list(LINE.finditer(text))
    starts = [option.start() for option in found if option["letter"] in "Aa"]
    if not starts or options_of(text[starts[-1] :]) < 2 or "\n" in text[found[-1].start() :].strip():
        return text
    return text[: starts[-1]].rstrip() or text


def _span(prompt: str, texts: list[str]) -> tuple[int, int]:
    """From where the first text stands last in the prompt to the end of the last one; nothing without texts."""
    if not texts:
        return 0, 0
    start = places(prompt, texts[0])[-1]
    ends = [place + len(texts[-1]) for place in places(prompt, texts[-1]) if place >= start]
    if not ends:
        raise ValueError("the fields named by --input stand in another order in the prompt; name them in that order")
    return start, ends[0]
