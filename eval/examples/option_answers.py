"""Which option an answer names: by its text, its label or its number from 0, one of them for all answers of a file.

A mask (a list of 0 and 1 or of booleans, as long as the options) marks the right ones; it can be nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

AnswerIs = Literal["text", "label", "number"]
KINDS: tuple[AnswerIs, ...] = get_args(AnswerIs)
OWN_LABEL = re.compile(r"\(?([A-Za-z])[).]")


@dataclass(frozen=True)
class Reading:
    """An answer of the field `name`, and the option that it is by each kind that it can be; `allowed` is for errors."""

    name: str
    answer: str | float
    options: Mapping[AnswerIs, str]
    allowed: str

    def option(self, kind: AnswerIs) -> str:
        """The option. ValueError if the answer is none of this kind."""
        if kind not in self.options:
            raise ValueError(
                f"field '{self.name}' is {self.answer!r}, which is no option's {kind}; allowed: {self.allowed}; "
                "say by --answer-is what the answers are"
            )
        return self.options[kind]


def reading(answer: str | float, options: Sequence[str], labels: Sequence[str], name: str) -> Reading:
    """What an answer can be. ValueError if it is no option at all."""
    found: dict[AnswerIs, str] = {}
    text = str(answer)
    bare = text.strip()
    if text in options:
        found["text"] = text
    if bare in labels:
        found["label"] = options[labels.index(bare)]
    if bare.isdecimal() and int(bare) < len(options):
        found["number"] = options[int(bare)]
    allowed = ", ".join([*options, *labels, f"0 to {len(options) - 1}"])
    if not found:
        raise ValueError(f"field '{name}' is {answer!r}, which is no option; allowed: {allowed}")
    return Reading(name, answer, found, allowed)


def settle(readings: Sequence[tuple[str, Reading]]) -> AnswerIs | None:
    """What all these answers are, each with its place in words; None without answers.

    ValueError if they are of different kinds, or could be of two that name different options.
    """
    possible = list(KINDS)
    for place, one in readings:
        left = [kind for kind in possible if kind in one.options]
        if not left:
            raise ValueError(
                f"{place}field '{one.name}' is {one.answer!r}, an option's {' or '.join(one.options)}, but an answer "
                f"before it is an option's {' or '.join(possible)}; write all answers of a file in one way"
            )
        possible = left
    for place, one in readings:
        named = {kind: one.options[kind] for kind in possible}
        if len(set(named.values())) > 1:
            told = ", ".join(f"by {kind} {option!r}" for kind, option in named.items())
            raise ValueError(
                f"{place}field '{one.name}' is {one.answer!r}, which names different options ({told}; numbers count "
                f"from 0), and no other answer of the file settles it; add --answer-is {' or '.join(named)}"
            )
    return possible[0] if readings else None


def is_mask(answers: Sequence[Any], options: Sequence[str]) -> bool:
    """Whether the answers mark the options. As texts, labels or numbers they would name one twice, or all of them."""
    return len(answers) == len(options) and all(isinstance(each, int | float) and each in (0, 1) for each in answers)


def own_labels(options: Sequence[str]) -> tuple[str, ...]:
    """The letters that the options themselves begin with, as in "A) one", "B. two", "(C) three", if those are in order.

    Otherwise none.
    """
    found = [match[1] for option in options if (match := OWN_LABEL.match(option))]
    ordered = [chr(ord("A") + place) for place in range(len(options))]
    return tuple(found) if found in (ordered, [letter.lower() for letter in ordered]) else ()
