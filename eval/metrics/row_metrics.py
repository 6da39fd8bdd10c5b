"""Metrics that are means of scores of single answers, each against its best reference: exact match, F1 of words, ROUGE.

With the tokeniser `rouge_score` ROUGE equals that of Google's rouge-score, with `unicode` it is of the words of every
script (eval.metrics.tokens). What a word is holds for token F1 too, so that it is ROUGE-1 by its other name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.metric import Floats, Judged
from eval.metrics.overlap import bigram_f1, lcs_f1, unigram_f1
from eval.metrics.scorer import exact_match
from eval.metrics.tokens import Tokenizer, words


@dataclass(frozen=True)
class MeanMetric:
    """A mean of row scores; its statistics are [score, 1]."""

    name: str
    title: str
    higher_is_better: bool = True
    resampling_biases: bool = False

    def value(self, totals: Floats) -> Floats:
        """The mean score, [..., 2] -> [...]."""
        return np.asarray(totals[..., 0] / totals[..., 1])


@dataclass(frozen=True)
class ExactMatch(MeanMetric):
    """The share of predictions that equal a reference, surrounding white space aside."""

    name: str = "exact_match"
    title: str = "exact match"

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """[score, 1] of each row."""
        return with_ones([float(exact_match(row.prediction, row.references)) for row in rows])


@dataclass(frozen=True, kw_only=True)
class WordMetric(MeanMetric):
    """A mean of what a function says of the words of prediction and reference."""

    tokenizer: Tokenizer
    stemming: bool
    score: Callable[[list[str], list[str]], float]

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """[score, 1] of each row."""
        return word_statistics([self], rows)[self.name]

    def best(self, predicted: list[str], wanted: list[list[str]]) -> float:
        """The score against the best reference, of their words."""
        return self.score(predicted, wanted[0]) if len(wanted) == 1 else max(self.score(predicted, w) for w in wanted)


def word_statistics(metrics: Sequence[WordMetric], rows: Sequence[Judged]) -> dict[str, Floats]:
    """Metric name -> [score, 1] of each row; all metrics must mean the same by a word, which is found once."""
    setting = metrics[0].tokenizer, metrics[0].stemming
    scores: list[list[float]] = [[] for _ in metrics]
    for row in rows:
        predicted, wanted = words(row.prediction, *setting), [words(text, *setting) for text in row.references]
        for each, found in zip(metrics, scores, strict=True):
            found.append(each.best(predicted, wanted))
    return {each.name: with_ones(found) for each, found in zip(metrics, scores, strict=True)}


def word_metrics(tokenizer: Tokenizer, stemming: bool) -> dict[str, WordMetric]:
    """The metrics of words, by name."""
    known: list[tuple[str, str, Callable[[list[str], list[str]], float]]] = [
        ("token_f1", "token F1", unigram_f1),
        ("rouge_1", "ROUGE-1 F", unigram_f1),
        ("rouge_2", "ROUGE-2 F", bigram_f1),
        ("rouge_l", "ROUGE-L F", lcs_f1),
    ]
    return {
        name: WordMetric(name, title, tokenizer=tokenizer, stemming=stemming, score=score)
        for name, title, score in known
    }


def with_ones(scores: Sequence[float]) -> Floats:
    """[rows, 2]: each score, and a 1 that counts its row."""
    return np.stack([np.asarray(scores, dtype=np.float64), np.ones(len(scores))], axis=1)
