"""Scores between 0 and 1 of one prediction against its references. Higher is better, the best reference counts."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from eval.metrics.overlap import lcs_f1, unigram_f1
from eval.metrics.tokens import Tokenizer, words
from oneday.records import Kind


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all metrics say of one prediction."""

    exact_match: bool
    rouge_l_f: float
    token_f1: float


@dataclass(frozen=True)
class Scorer:
    """Judges predictions; `tokenizer` and `stemming` say what a word is for ROUGE-L and token F1 (eval.metrics.tokens).

    A prediction or reference without words scores 0 in both, also where both have none. So does an empty prediction.
    (Birbal's published script puts the reference in its place and so scores it 1: the rows at which the model
    fails altogether are then missing from its sample.)
    """

    tokenizer: Tokenizer
    stemming: bool

    def judge(self, prediction: str, references: Sequence[str]) -> Judgement:
        """All metrics at once, each against its own best reference. `references` must not be empty."""
        predicted = self._words(prediction)
        wanted = [self._words(reference) for reference in references]
        return Judgement(
            exact_match=exact_match(prediction, references),
            rouge_l_f=max(lcs_f1(predicted, reference) for reference in wanted),
            token_f1=max(unigram_f1(predicted, reference) for reference in wanted),
        )

    def score(self, kind: Kind, prediction: str, references: Sequence[str]) -> float:
        """Exact match or ROUGE-L F, by kind of task."""
        if kind == "exact_match":
            return float(exact_match(prediction, references))
        return self.rouge_l_f(prediction, references)

    def rouge_l_f(self, prediction: str, references: Sequence[str]) -> float:
        """ROUGE-L F1 against the best reference, equal to that of Google's rouge-score for its tokeniser."""
        predicted = self._words(prediction)
        return max(lcs_f1(predicted, self._words(reference)) for reference in references)

    def token_f1(self, prediction: str, references: Sequence[str]) -> float:
        """F1 of the shared words against the best reference, order aside, as in SQuAD but with this tokeniser."""
        predicted = self._words(prediction)
        return max(unigram_f1(predicted, self._words(reference)) for reference in references)

    def _words(self, text: str) -> list[str]:
        return words(text, self.tokenizer, self.stemming)


def exact_match(prediction: str, references: Sequence[str]) -> bool:
    """True if the prediction equals a reference, surrounding white space aside; case counts."""
    stripped = prediction.strip()
    return any(stripped == reference.strip() for reference in references)


def metric_versions() -> dict[str, str]:
    """What else decides the numbers: the libraries and the Unicode tables, for a stage to depend on."""
    versions = {name: metadata.version(name) for name in ("nltk", "rapidfuzz", "regex")}
    return versions | {"unicode": unicodedata.unidata_version}
