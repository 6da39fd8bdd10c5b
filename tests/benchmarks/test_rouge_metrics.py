"""The ROUGE benchmark on few pairs: it runs, compares, and says what is missed. Speed is not tested."""

import re

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from benchmarks import rouge_metrics as rouge

FEW = ["--pairs", "60", "--no-target"]


@pytest.fixture(autouse=True)
def _once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rouge, "TIMES", 1)


@pytest.mark.parametrize("options", [[], ["--stemming"]])
def test_the_command_prints_all_four_with_both_ratios(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert rouge.main([*FEW, *options]) == 0
    told = capsys.readouterr().out
    for name in (rouge.CALL, rouge.CALL_OF_PAIRS, rouge.OURS, rouge.OURS_RESAMPLED):
        assert re.search(rf"\| {re.escape(name)} \| [\d.]+ \| [\d,]+ \| [\d.]+ \| [\d.]+ \|", told), name
    words = np.mean([len(text.split()) for pair in rouge.read_pairs(60) for text in pair])
    assert f"60 pairs, {words:.1f} words a text, {'with' if options else 'without'} stemming" in told
    assert "rouge-score 0.1.2" in told and "cpu " in told
    difference = re.search(r"largest difference of a pair's score: (\S+)", told)
    assert difference and float(difference[1]) <= rouge.MAX_DIFFERENCE


def test_the_pairs_are_real_sentences_with_their_article_s_summary() -> None:
    pairs = rouge.read_pairs(10_000)
    assert len(pairs) == len(set(pairs)) == 10_000
    assert pairs[:50] == rouge.read_pairs(50)
    assert 400 < len({summary for _, summary in pairs}) < 1000


def test_more_pairs_than_there_are_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert rouge.main(["--pairs", "1000000"]) == 1
    assert re.search(r"--pairs 1000000: there are \d+ sentences; ask for no more", capsys.readouterr().err)


def test_both_give_the_scores_of_each_pair_and_about_the_same_means() -> None:
    pairs = rouge.read_pairs(300)
    np.random.seed(0)  # the peer's resamples come from numpy's own generator
    middle = rouge.peer(pairs, stemming=True, use_aggregator=True)
    theirs = rouge.peer(pairs, stemming=True, use_aggregator=False)
    mine = rouge.ours(pairs, stemming=True, intervals=False)
    bounds = rouge.ours(pairs, stemming=True, intervals=True)
    scorer = RougeScorer(["rouge2"], use_stemmer=True)
    assert theirs["rouge_2"][7] == scorer.score(pairs[7][1], pairs[7][0])["rouge2"].fmeasure
    assert rouge.largest_difference(mine, theirs) < 1e-12
    for name in rouge.METRICS:
        average, low, high = bounds[name]
        assert average == pytest.approx(np.mean(theirs[name])) == pytest.approx(mine[name][-1])
        assert low < middle[name][0] < high
        assert middle[name][0] == pytest.approx(average, abs=0.002)


def test_a_score_that_differs_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.metrics.row_metrics.lcs_f1", lambda predicted, reference: 0.123)
    assert rouge.main(FEW) == 1
    assert re.search(r"a score differs from rouge-score's by 0?[\d.e-]+; at most 1e-09", capsys.readouterr().err)


def test_a_missed_target_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rouge, "TARGET", 1e9)
    assert rouge.main(["--pairs", "60"]) == 1
    assert "times as fast as evaluate's rouge; the target is 1000000000" in capsys.readouterr().err
    assert rouge.main(FEW) == 0


def test_the_target_is_ten_times_the_peer() -> None:
    assert rouge.missed(0, 10) == []
    assert rouge.missed(0, 9.94) == ["ours is 9.9 times as fast as evaluate's rouge; the target is 10"]
