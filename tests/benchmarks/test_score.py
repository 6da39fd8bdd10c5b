"""The scoring benchmark on few pairs: it runs, compares, and says what is missed. Speed is not tested."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.score import (
    Speed,
    compare,
    largest_difference,
    main,
    make_pairs,
    measure_stage,
    missed_targets,
    write_predictions,
)

ROOT = Path(__file__).parents[2]
SMALL = ["--pairs", "300", "--peer-pairs", "100", "--stage-rows", "320", "--no-targets"]


def speed(name: str, rate: float) -> Speed:
    return Speed(name, True, 1000 / rate, [0.5] * 1000)


def test_the_command_compares_with_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--cores", "1"]) == 0
    printed = capsys.readouterr().out
    for text in (
        "rouge 1.0.1",
        "processors",
        "| rouge, all metrics | no | 100 |",
        "| rouge-score | yes | 100 |",
        "| oneday | yes | 300 |",
        "| oneday, all metrics | yes | 300 |",
        "largest difference from rouge-score with stemming: ",
    ):
        assert text in printed


def test_the_stage_scores_all_rows_that_the_benchmark_writes(tmp_path: Path) -> None:
    pairs = list(make_pairs(7))
    write_predictions(tmp_path, pairs, rows=32)
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.iterdir()) == 32
    assert min(measure_stage(pairs, rows=32, cores=1)) > 0


@pytest.mark.slow
def test_the_script_runs_the_stage_in_several_processes() -> None:
    command = [sys.executable, "benchmarks/score.py", *SMALL, "--cores", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 process: " in done.stdout and "2 processes: " in done.stdout


def test_a_missed_target_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.score.TIMES_ROUGE", 10**9)
    options = ["--pairs", "50", "--peer-pairs", "20", "--cores", "1"]
    assert main(options) == 1
    assert "times as fast as rouge, all metrics; the target is 1000000000" in capsys.readouterr().err
    assert main([*options, "--no-targets"]) == 0


def test_the_targets_are_ten_times_rouge_and_fifteen_times_rouge_score() -> None:
    ours, rouge, rouge_score = speed("ours", 150), speed("rouge", 15), speed("rouge-score", 10)
    assert missed_targets(ours, rouge, rouge_score) == []
    first, second = missed_targets(speed("ours", 140), rouge, rouge_score)
    assert first == "with stemming, scoring is 9.3 times as fast as rouge; the target is 10"
    assert second == "with stemming, scoring is 14.0 times as fast as rouge-score; the target is 15"


def test_the_difference_is_the_largest_of_all_pairs() -> None:
    ours, peer = Speed("a", True, 1, [0.5, 1.0, 0.0]), Speed("b", True, 1, [0.5, 0.25, 0.5])
    assert largest_difference(ours, peer) == largest_difference(peer, ours) == 0.75


def test_a_score_that_differs_from_rouge_score_s_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.metrics.scorer.Scorer.rouge_l_f", lambda self, prediction, references: 0.123)
    pairs = list(make_pairs(5))
    misses = compare(pairs, pairs, targets=False)
    assert [miss.split(" by ")[0] for miss in misses] == [
        "a score differs from that of rouge-score without stemming",
        "a score differs from that of rouge-score with stemming",
    ]


@pytest.mark.parametrize("package", ["rouge", "rouge_score.rouge_scorer"])
def test_an_absent_peer_is_an_error_that_says_how_to_install_it(
    package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(SMALL) == 1
    assert "is not installed: pip install -e '.[bench]'" in capsys.readouterr().err


def test_the_pairs_are_the_same_every_time_and_as_long_as_the_answers_of_real_tasks() -> None:
    pairs = list(make_pairs(3000))
    assert pairs[:50] == list(make_pairs(50))
    lengths = sorted(len(reference.split()) for _, reference in pairs)
    assert 14 < sum(lengths) / len(lengths) < 17
    assert 40 < lengths[len(lengths) * 95 // 100] < 50
    words = [word for _, reference in pairs for word in reference.rstrip(".").split()]
    assert 0.5 < sum(len(word) > 3 for word in words) / len(words) < 0.62


def test_the_script_s_help_says_what_is_compared_and_how_to_try_it() -> None:
    command = [sys.executable, "benchmarks/score.py", "--help"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for text in ("rouge-score", "--peer-pairs", "--cores", "--no-targets", "CPU seconds", "A quick look"):
        assert text in printed
