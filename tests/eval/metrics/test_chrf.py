"""chrF from statistics that add up, against sacrebleu."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from eval.metrics.chrf import WIDTH, chrf, chrf_statistics

SAMPLES = Path(__file__).parents[3] / "../shared/data"
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


@pytest.mark.skipif(not (SAMPLES / "mafand").is_dir(), reason="the MAFAND and NTREX samples are not here")
def test_real_translations_have_sacrebleus_score() -> None:
    ntrex = [json.loads(line) for line in (SAMPLES / "ntrex/test.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = [([row["swa"] for row in ntrex], [row["hau"] for row in ntrex])]
    for language, code in (("en-swa", "swa"), ("en-hau", "hau")):
        lines = (SAMPLES / f"mafand/{language}/validation.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line)["translation"] for line in lines]
        pairs.append(([row["en"] for row in rows], [row[code] for row in rows]))
    for hypotheses, references in pairs:
        total = chrf_statistics(hypotheses, references).sum(axis=0)
        assert float(chrf(total)) == pytest.approx(sacrebleu(hypotheses, references), abs=1e-12)
