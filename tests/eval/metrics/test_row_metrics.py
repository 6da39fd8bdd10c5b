"""Exact match, token F1 and ROUGE: equal to Google's rouge-score on random texts of many scripts and on real ones."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from eval.metrics.metric import Judged
from eval.metrics.registry import metric, statistics_of
from eval.metrics.scorer import Scorer
from eval.metrics.tokens import Tokenizer, words
from tests.eval.metrics.texts import NEEDED, SAMPLES, any_text, corpora, real_pairs, reference_lists

PEERS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


class Words:
    """A tokeniser for the peer: ours for every script."""

    def __init__(self, stemming: bool) -> None:
        self.stemming = stemming

    def tokenize(self, text: str) -> list[str]:
        return words(text, "unicode", self.stemming)


SETTINGS: list[tuple[Tokenizer, bool]] = [("rouge_score", False), ("rouge_score", True), ("unicode", True)]
SCORERS = {
    (tokenizer, stemming): RougeScorer(
        list(PEERS.values()), use_stemmer=stemming, tokenizer=Words(stemming) if tokenizer == "unicode" else None
    )
    for tokenizer, stemming in SETTINGS
}


def row_score(name: str, prediction: str, references: list[str], tokenizer: Tokenizer, stemming: bool) -> float:
    each = metric(name, tokenizer, stemming)
    return float(each.value(each.statistics([Judged(prediction, references)]))[0])


@pytest.mark.parametrize(("tokenizer", "stemming"), SETTINGS)
@settings(max_examples=100, deadline=None)
@given(prediction=any_text, references=reference_lists)
@example(prediction="\ud800 lone cats", references=["cat \ud800", "lone"])
@example(prediction="a", references=["a"])
@example(prediction="", references=[""])
@example(prediction="a a b a a", references=["a b a a a b", "..."])
def test_a_row_has_rouge_scores_score_of_the_best_reference(
    tokenizer: Tokenizer, stemming: bool, prediction: str, references: list[str]
) -> None:
    expected = SCORERS[tokenizer, stemming].score_multi(references, prediction)
    for name, theirs in PEERS.items():
        found = row_score(name, prediction, references, tokenizer, stemming)
        assert found == pytest.approx(expected[theirs].fmeasure, abs=1e-12), name


@pytest.mark.skipif(not (SAMPLES / "mafand").is_dir(), reason=NEEDED)
@pytest.mark.parametrize(("tokenizer", "stemming"), SETTINGS)
def test_real_swahili_and_hausa_have_rouge_scores_score(tokenizer: Tokenizer, stemming: bool) -> None:
    for language, pairs in real_pairs().items():
        rows = [Judged(prediction, [reference]) for prediction, reference in pairs]
        metrics = [metric(name, tokenizer, stemming) for name in PEERS]
        found = statistics_of(metrics, rows)
        peers = [SCORERS[tokenizer, stemming].score(reference, prediction) for prediction, reference in pairs]
        for each in metrics:
            expected = [peer[PEERS[each.name]].fmeasure for peer in peers]
            assert each.value(found[each.name]) == pytest.approx(expected, abs=1e-12), (language, each.name)
            total = float(each.value(found[each.name].sum(axis=0)))
            assert total == pytest.approx(sum(expected) / len(expected), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(prediction=any_text, references=reference_lists, stemming=st.booleans())
def test_the_scores_are_those_of_the_samplings_scorer(prediction: str, references: list[str], stemming: bool) -> None:
    judged = Scorer("unicode", stemming).judge(prediction, references)
    expected = {"exact_match": judged.exact_match, "token_f1": judged.token_f1, "rouge_l": judged.rouge_l_f}
    for name, score in expected.items():
        assert row_score(name, prediction, references, "unicode", stemming) == score


@settings(max_examples=100, deadline=None)
@given(prediction=any_text, references=reference_lists)
def test_token_f1_is_rouge_1_by_its_other_name(prediction: str, references: list[str]) -> None:
    both = [row_score(name, prediction, references, "unicode", False) for name in ("token_f1", "rouge_1")]
    assert both[0] == both[1]


@settings(max_examples=100, deadline=None)
@given(corpora)
def test_the_value_of_summed_statistics_is_the_mean_of_the_rows(corpus: list[tuple[str, list[str]]]) -> None:
    rows = [Judged(prediction, references) for prediction, references in corpus]
    for name in ("exact_match", "token_f1", "rouge_1", "rouge_2", "rouge_l"):
        each = metric(name, "unicode", stemming=False)
        statistics = each.statistics(rows)
        assert statistics.shape == (len(rows), 2)
        mean = sum(each.value(statistics).tolist()) / len(rows)
        assert 0 <= mean <= 1
        assert float(each.value(statistics.sum(axis=0))) == pytest.approx(mean, abs=1e-12)
