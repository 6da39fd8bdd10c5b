"""BLEU from statistics that add up, against sacrebleu's corpus BLEU."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from eval.metrics.bleu import WIDTH, Bleu, bleu
from eval.metrics.metric import Judged
from tests.eval.metrics.texts import NEEDED, SAMPLES, corpora, real_pairs

METRIC = Bleu()


def sacrebleu(corpus: list[tuple[str, list[str]]]) -> float:
    most = max(len(references) for _, references in corpus)
    streams = [[texts[n] if n < len(texts) else None for _, texts in corpus] for n in range(most)]
    score = BLEU().corpus_score([prediction for prediction, _ in corpus], streams)  # type: ignore[arg-type]
    return float(score.score) / 100


def ours(corpus: list[tuple[str, list[str]]]) -> float:
    rows = [Judged(prediction, references) for prediction, references in corpus]
    return float(METRIC.value(METRIC.statistics(rows).sum(axis=0)))


@settings(max_examples=100, deadline=None)
@given(corpora)
@example([("", [""])])
@example([("the cat sat on the mat", ["the cat sat on the mat"])])
@example([("the cat sat", ["the cat sat"])])
@example([("the cat is on a mat", ["a cat was at the mat", "the dog is in"])])
@example([("\ud800 x y z", ["\ud800 x y w"])])
@example([("... ! ?", [". ! ?"])])
def test_a_corpus_has_sacrebleus_score(corpus: list[tuple[str, list[str]]]) -> None:
    assert ours(corpus) == pytest.approx(sacrebleu(corpus), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=4), st.integers(0, 30))
def test_all_counts_have_sacrebleus_score(orders: list[tuple[int, int]], reference: int) -> None:
    """Counts that texts rarely have: no common n-gram of a middle order, none of the last."""
    common = [min(pair) for pair in orders]
    total = [max(pair) for pair in orders]
    expected = BLEU.compute_bleu(list(common), list(total), total[0], reference, smooth_method="exp").score / 100
    statistics = np.array([total[0], reference, *common, *total], dtype=np.float64)
    assert float(bleu(statistics)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif(not (SAMPLES / "mafand").is_dir(), reason=NEEDED)
def test_real_swahili_and_hausa_have_sacrebleus_score() -> None:
    for language, pairs in real_pairs().items():
        corpus = [(prediction, [reference]) for prediction, reference in pairs]
        assert ours(corpus) == pytest.approx(sacrebleu(corpus), abs=1e-9), language


def test_a_resample_has_sacrebleus_score_of_the_sentences_drawn() -> None:
    corpus = [
        ("the cat sat on the mat", ["the cat sat on a mat", "a cat sat there"]),
        ("a dog ran", ["a dog ran far away"]),
        ("she sells sea shells", ["she sells shells by the sea"]),
    ]
    statistics = METRIC.statistics([Judged(prediction, references) for prediction, references in corpus])
    times = np.array([[1, 1, 1], [3, 0, 0], [0, 3, 0], [1, 0, 2]])
    for row, score in zip(times, METRIC.value(times @ statistics), strict=True):
        drawn = [corpus[n] for n in np.repeat(np.arange(3), row)]
        assert float(score) == pytest.approx(sacrebleu(drawn), abs=1e-9)


def test_no_rows_give_no_statistics() -> None:
    assert METRIC.statistics([]).shape == (0, WIDTH)
