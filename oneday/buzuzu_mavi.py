"""The tasks of Lelapa AI's Buzuzu-Mavi challenge: their names, languages, label words and label numbers.

Sentiment, entailment and English-to-X translation, each in Swahili and Hausa. A task is called KIND_LANGUAGE, such as
`sentiment_swahili`. A label's number is its place in `labels_of`, which is also what a submission holds.
"""

from collections.abc import Mapping
from typing import Literal, get_args

TaskKind = Literal["sentiment", "entailment", "translation"]
Language = Literal["swahili", "hausa"]
KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
LANGUAGES: tuple[Language, ...] = get_args(Language)

# Positive, neutral, negative, in the words of the challenge's files (Inkuba-Instruct, Lelapa AI).
SENTIMENT: Mapping[Language, tuple[str, ...]] = {
    "swahili": ("Chanya", "Wastani", "Hasi"),
    "hausa": ("Kyakkyawa", "Tsaka-tsaki", "Korau"),
}
ENTAILMENT = ("entailment", "neutral", "contradiction")
POLARITIES = ("positive", "neutral", "negative")

# What the languages are called: in words, by ISO 639, and as a pair with English.
LANGUAGE_NAMES: Mapping[str, Language] = {
    **dict.fromkeys(("swahili", "sw", "swa", "swh", "eng-swa"), "swahili"),
    **dict.fromkeys(("hausa", "ha", "hau", "eng-hau"), "hausa"),
}


def task_name(kind: TaskKind, language: Language) -> str:
    """The name of a task, such as sentiment_swahili."""
    return f"{kind}_{language}"


TASKS = tuple(task_name(kind, language) for kind in KINDS for language in LANGUAGES)


def parse_task(name: str) -> tuple[TaskKind, Language]:
    """The kind and the language of a task's name. ValueError lists the names that there are."""
    for kind in KINDS:
        for language in LANGUAGES:
            if name == task_name(kind, language):
                return kind, language
    raise ValueError(f"unknown task {name!r}; allowed: {', '.join(TASKS)}")


def labels_of(kind: TaskKind, language: Language) -> tuple[str, ...]:
    """The label words of a task in the order of their numbers; none for translation."""
    if kind == "sentiment":
        return SENTIMENT[language]
    return ENTAILMENT if kind == "entailment" else ()


def entailment_input(premise: str, hypothesis: str) -> str:
    """The input of an entailment row, as the second place's notebooks put it together."""
    return f"Sentence A: {premise}\nSentence B: {hypothesis}"
