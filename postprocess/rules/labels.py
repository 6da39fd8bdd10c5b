"""Rules that turn a text into one of given labels: the nearest one, and the Buzuzu-Mavi labels in another spelling."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal

import regex
from pydantic import AfterValidator, Field
from rapidfuzz import fuzz, process

from oneday.buzuzu_mavi import ENTAILMENT, POLARITIES, SENTIMENT, Language
from postprocess.folding import folded
from postprocess.rule import Edit, Example, instead, rule

LabelKind = Literal["sentiment", "entailment"]

# A text that is longer than this many times the longest label (and some marks) is none of the labels.
TIMES_AS_LONG, MARKS = 2, 16
SHORT = 4  # letters; below, one letter more or less makes another word: "now", "not" and "no"
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# English, Swahili (si, sio, siyo) and Hausa (ba, babu).
NEGATIONS = frozenset(("not", "no", "non", "never", "si", "sio", "siyo", "ba", "babu"))
PREFIXES = (*sorted(NEGATIONS), "un", "in", "im", "il", "ir", "dis", "mis", "anti")
HOOKED = str.maketrans("ɓɗƙƴ", "bdky")  # Hausa's letters, as they are written where a keyboard lacks them
JOINERS = re.compile(r"[-\s_\u2010-\u2015]+")  # in "Tsaka-tsaki"
DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1")


def _labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels, if they can be told apart."""
    seen: dict[str, str] = {}
    for label in labels:
        key = folded(label)
        if not key:
            raise ValueError(f"the label {label!r} has no letter and no digit; give one that has")
        if key in seen:
            raise ValueError(f"the labels {seen[key]!r} and {label!r} differ in case or marks alone; keep one")
        seen[key] = label
    if len(seen) < 2:
        raise ValueError("give at least 2 labels; the text becomes the nearest of them")
    return labels


Labels = Annotated[tuple[str, ...], AfterValidator(_labels)]
Percent = Annotated[float, Field(ge=0, le=100)]


@rule(
    reason="Classification is scored on the exact label; models change its case, decorate it or misspell it.",
    examples=[
        Example("Positive.", "positive", {"labels": ["positive", "negative"]}),
        Example("positve", "positive", {"labels": ["positive", "negative"]}),
        Example("a good film", "a good film", {"labels": ["positive", "negative"]}),
        Example("not positive", "not positive", {"labels": ["positive", "negative"]}),
        Example("active", "active", {"labels": ["inactive", "reactive"], "threshold": 80}),
    ],
    rewrites=True,
)
def nearest_label(text: str, *, labels: Labels, threshold: Percent = 90) -> Edit | None:
    """Becomes the label whose similarity is highest and at least `threshold` (100 is equal); on a draw it stays.

    It stays too if it has more or fewer words than that label, if a negation (not, un-, si, ba) is in one of the two
    alone, and if the label has under 4 letters and is not equal. The similarity is that of `rapidfuzz.fuzz.ratio`: 90
    lets pass a letter too many or too few in a label of 6. Case, Unicode forms and marks around a text do not count.
    """
    if text in labels or len(text) > _longest(labels):
        return None
    said = folded(text)
    if not said:
        return None
    known = _folded_all(labels)
    nearest = process.extract(said, known, scorer=fuzz.ratio, limit=2, score_cutoff=threshold)
    if not nearest or (len(nearest) == 2 and nearest[0][1] == nearest[1][1]):
        return None
    label, _, place = nearest[0]
    return instead(text, labels[place]) if _is_meant(said, label) else None


@rule(
    reason="The challenge counts one spelling of each label; models write Hausa and Swahili words in others.",
    examples=[
        Example("tsaka tsaki.", "Tsaka-tsaki", {"language": "hausa"}),
        Example("Kyakyawa", "Kyakkyawa", {"language": "hausa"}),
        Example("Positive", "Chanya", {"language": "swahili"}),
        Example("Neutral", "neutral", {"language": "swahili", "labels": "entailment"}),
        Example("Korau, saboda", "Korau, saboda", {"language": "hausa"}),
    ],
    rewrites=True,
)
def label_spelling(text: str, *, language: Language, labels: LabelKind = "sentiment") -> Edit | None:
    """Becomes the Buzuzu-Mavi label that all of the text is in another spelling, or in English.

    "neutral" is a label of both kinds: `labels` says which is meant. Entailment's are English in both languages.
    """
    known, longest, beginnings = _spellings(language, labels)
    if len(text) > longest:
        return None
    said = folded(text).translate(HOOKED)
    if said[:2] not in beginnings:
        return None
    label = known.get(_spelling(said))
    return None if label is None or label == text else instead(text, label)


def _is_meant(said: str, label: str) -> bool:
    """Whether a folded text that is like a folded label may be a misspelling of it: no other word, not its opposite."""
    if said == label:
        return True
    words, known = WORD.findall(said), WORD.findall(label)
    if len(label) < SHORT or len(words) != len(known) or NEGATIONS & (set(words) ^ set(known)):
        return False
    return not any(_negates(said, label, prefix) or _negates(label, said, prefix) for prefix in PREFIXES)


def _negates(negation: str, word: str, prefix: str) -> bool:
    """Whether the prefix is all, or most, of what `negation` has and `word` lacks."""
    if not negation.startswith(prefix) or word.startswith(prefix):
        return False
    return fuzz.ratio(negation.removeprefix(prefix), word) > fuzz.ratio(negation, word)


@lru_cache
def _longest(labels: tuple[str, ...]) -> int:
    """The most characters that a text may have to be taken for one of the labels."""
    return TIMES_AS_LONG * max(map(len, labels)) + MARKS


@lru_cache
def _folded_all(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(folded, labels))


def _spelling(said: str) -> str:
    """What all accepted spellings of a folded label have in common, but for the hyphen, which some lack."""
    return DOUBLED.sub(r"\1", JOINERS.sub("-", said))


@lru_cache
def _spellings(language: Language, kind: LabelKind) -> tuple[Mapping[str, str], int, frozenset[str]]:
    """The labels of the challenge by what their spellings have in common; the longest text; the first two letters."""
    words = dict(zip(ENTAILMENT, ENTAILMENT, strict=True))
    if kind == "sentiment":
        own = SENTIMENT[language]
        words = dict(zip((*own, *POLARITIES), (*own, *own), strict=True))
    spelt = {_spelling(folded(word)): label for word, label in words.items()}
    spelt |= {spelling.replace("-", ""): label for spelling, label in spelt.items()}
    return spelt, _longest(tuple(words)), frozenset(spelling[:2] for spelling in spelt)
