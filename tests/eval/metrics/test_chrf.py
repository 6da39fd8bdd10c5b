"""chrF from statistics that add up, against sacrebleu."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from sacrebleu.metrics import CHRF

from eval.metrics.chrf import WIDTH, Chrf, chrf, chrf_statistics
from eval.metrics.metric import Judged
from eval.metrics.registry import metric
from tests.eval.metrics.texts import NEEDED, SAMPLES, corpora, real_pairs

ALPHABETS = (
    "ab c",
    "aeiou bdkz \u2019ɗƙ",
    "héllo wörld\u0301",
    "日本 語\u3000文",
    "🎂😍 \u200b\u00a0x\t\n",
    "ABCabc.,!?\"'",
)


def sacrebleu(hypotheses: list[str], references: list[str]) -> float:
    return float(CHRF().corpus_score(hypotheses, [references]).score) / 100


def texts(seed: int, sentences: int, longest: int = 40) -> tuple[list[str], list[str]]:
    """Hypotheses, some of them empty or short, and references of at least one character that is not white space."""
    rng = random.Random(seed)
    alphabet = ALPHABETS[seed % len(ALPHABETS)]
    draw = lambda: "".join(rng.choices(alphabet, k=rng.randint(0, longest)))  # noqa: E731
    return [draw() for _ in range(sentences)], [draw() + "x" for _ in range(sentences)]


@pytest.mark.parametrize("seed", range(60))
def test_a_corpus_has_sacrebleus_score(seed: int) -> None:
    hypotheses, references = texts(seed, sentences=1 + seed % 7, longest=3 + seed)
    total = chrf_statistics(hypotheses, references).sum(axis=0)
    assert float(chrf(total)) == pytest.approx(sacrebleu(hypotheses, references), abs=1e-12)


@pytest.mark.parametrize(
    ("hypothesis", "reference"),
    [
        ("", "habari"),
        ("habari", "habari"),
        ("hab", "habari"),
        ("habari", "ha"),
        ("zzz", "habari"),
        (" \n", "a"),
        ("a", "a"),
    ],
)
def test_short_and_empty_texts_have_sacrebleus_score(hypothesis: str, reference: str) -> None:
    assert float(chrf(chrf_statistics([hypothesis], [reference])[0])) == pytest.approx(
        sacrebleu([hypothesis], [reference]), abs=1e-12
    )


def test_a_resample_has_sacrebleus_score_of_the_sentences_drawn() -> None:
    hypotheses, references = texts(1, sentences=30)
    times = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=20)
    scores = chrf(times @ chrf_statistics(hypotheses, references))
    for row, score in zip(times, scores, strict=True):
        drawn = np.repeat(np.arange(30), row)
        expected = sacrebleu([hypotheses[n] for n in drawn], [references[n] for n in drawn])
        assert float(score) == pytest.approx(expected, abs=1e-12)


def test_no_sentences_give_no_statistics() -> None:
    assert chrf_statistics([], []).shape == (0, WIDTH)


def test_as_many_references_as_hypotheses_are_needed() -> None:
    with pytest.raises(ValueError, match="shorter"):
        chrf_statistics(["a"], [])


def of_corpus(name: str, corpus: list[tuple[str, list[str]]]) -> float:
    each = metric(name, "unicode", stemming=False)
    return float(each.value(each.statistics([Judged(*row) for row in corpus]).sum(axis=0)))


def peer(name: str, corpus: list[tuple[str, list[str]]]) -> float:
    """sacrebleu's score; it takes streams of references, with None where a row has fewer."""
    most = max(len(references) for _, references in corpus)
    streams = [[texts[n] if n < len(texts) else None for _, texts in corpus] for n in range(most)]
    scorer = CHRF(word_order=2 if name == "chrf_plus_plus" else 0)
    return float(scorer.corpus_score([text for text, _ in corpus], streams).score) / 100  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["chrf", "chrf_plus_plus"])
@settings(max_examples=100, deadline=None)
@given(corpora)
@example([("", [""])])
@example([("(hi) there!", ["'hi' there", "hi there !"])])
@example([("\ud800 x", ["x \ud800", "y"])])
@example([("...", ["?"]), ("!", ["!"])])
def test_any_corpus_of_several_references_has_sacrebleus_score(name: str, corpus: list[tuple[str, list[str]]]) -> None:
    assert of_corpus(name, corpus) == pytest.approx(peer(name, corpus), abs=1e-9)


def test_words_count_in_chrf_plus_plus_only() -> None:
    corpus = [("the cats at home", ["thec at sat home"])]
    assert of_corpus("chrf", corpus) == 1
    assert of_corpus("chrf_plus_plus", corpus) < 1


def test_the_statistics_of_one_reference_are_those_of_the_challenges_chrf() -> None:
    hypotheses, references = texts(3, sentences=20)
    rows = [Judged(mine, [right]) for mine, right in zip(hypotheses, references, strict=True)]
    found = Chrf("chrf", "chrF", words=False).statistics(rows)
    np.testing.assert_array_equal(found, chrf_statistics(hypotheses, references))


@pytest.mark.skipif(not (SAMPLES / "mafand").is_dir(), reason=NEEDED)
@pytest.mark.parametrize("name", ["chrf", "chrf_plus_plus"])
def test_real_translations_have_sacrebleus_score(name: str) -> None:
    for language, pairs in real_pairs().items():
        corpus = [(mine, [right]) for mine, right in pairs]
        assert of_corpus(name, corpus) == pytest.approx(peer(name, corpus), abs=1e-9), language
