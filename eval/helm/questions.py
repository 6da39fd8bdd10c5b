"""A dozen questions of our own as files of HELM instances, for its scenario custom_mcqa.

They are easy on purpose, and too few to rank models by: what they show is that every request is answered rightly.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oneday.files import atomic_write

LOG_DAYS = 160  # of the long passage: about twice the judges' window of 2,048 tokens


@dataclass(frozen=True)
class Question:
    """A question and its options; the first one is right. `write_instances` moves it about."""

    text: str
    options: tuple[str, ...]


QUESTIONS = (
    Question("Which of these does a magnet pick up?", ("an iron nail", "a glass marble", "a wooden spoon")),
    Question("Where does rain come from?", ("from clouds", "from the roots of trees", "from street lamps")),
    Question("What do you need to open a locked door?", ("the key", "a pillow", "a cup of tea")),
    Question("Which animal can fly?", ("a swallow", "a goat", "a trout")),
    Question("How many wheels has a bicycle?", ("two", "five", "nine")),
    Question("What happens to ice in a hot pan?", ("it melts", "it turns to stone", "it sings")),
    Question("What is read from left to right in English?", ("a line of text", "the weather", "a potato")),
    Question("Which of these is the heaviest?", ("a lorry", "a feather", "an apple")),
    Question("When is it darkest outside?", ("at midnight", "at noon", "at breakfast")),
    Question("What is bread baked from?", ("flour and water", "sand and glue", "paper and ink")),
    Question("Which of these grows in a garden?", ("a carrot", "a spoon", "a window")),
    Question("What does a thermometer show?", ("the temperature", "the time of day", "the price of fish")),
)


def long_passage(days: int = LOG_DAYS) -> str:
    """A ship's log of that many entries, all of them different, in plain ASCII."""
    winds = ("north", "east", "south", "west")
    entries = (
        f"On day {day} the wind blew from the {winds[day % 4]}, the ship made {day * 7 % 90 + 10} miles, and "
        f"{day * 3 % 11 + 2} gulls sat on the mast."
        for day in range(1, days + 1)
    )
    return " ".join(entries)


def long_questions() -> list[Question]:
    """Two questions behind the long passage. HELM cuts prompts on the right, so they are cut off."""
    passage = long_passage()
    return [
        Question(f"{passage} Where did the gulls sit?", ("on the mast", "in the kitchen", "under the sea")),
        Question(f"{passage} What was counted each day?", ("the gulls", "the coins", "the songs")),
    ]


def write_instances(path: Path, questions: Sequence[Question], train: int = 0) -> None:
    """One HELM instance a line, the first `train` of them to demonstrate with, the rest to be evaluated."""
    with atomic_write(path) as file:
        for number, question in enumerate(questions):
            file.write(json.dumps(_instance(number, question, "train" if number < train else "test")) + "\n")


def _instance(number: int, question: Question, split: str) -> dict[str, object]:
    """The right option stands first, second, third in turn, so that no letter is always right."""
    turned = number % len(question.options)
    right, *wrong = question.options
    options = [*wrong[:turned], right, *wrong[turned:]]
    references = [{"output": {"text": option}, "tags": ["correct"] if option == right else []} for option in options]
    return {"input": {"text": question.text}, "references": references, "split": split, "id": f"q{number}"}
