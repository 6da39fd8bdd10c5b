"""How fast predictions are scored, next to the libraries `rouge` (which Birbal used) and `rouge-score`.

    python benchmarks/score.py [--pairs 100000] [--peer-pairs 20000] [--cores 2]

Synthetic English-like pairs -> a table of pairs a CPU second, and the throughput of the stage's scoring on one core
and on several. Exits with 1 if a score differs from rouge-score's, or if a target is missed.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import Annotated

from oneday.console import quiet_libraries, run_command, typer_main
from oneday.machine import describe, processors
from oneday.records import Kind

HELP = """Measure how fast predictions are scored, next to the libraries that others use.

`rouge` is what Birbal used: it computes ROUGE-1, ROUGE-2 and ROUGE-L. `rouge-score` is Google's reference for
ROUGE-L. All score the same synthetic pairs; CPU seconds are those of this process, so other work on the machine
matters little. Ours starts with an empty cache of stems each time, so it gains with the number of pairs: the table
has it on the peers' pairs and on all. Targets, on all pairs and with stemming: 10 times `rouge`, 15 times
`rouge-score` with stemming. It exits with 1 if one is missed, or if a score differs from that of `rouge-score` by
more than 1e-9. The second part runs the stage's scoring in one process and in several; a process takes
seconds to start (nltk), which counts less the more rows there are.

A quick look: python benchmarks/score.py --pairs 5000 --peer-pairs 1000 --stage-rows 5000 --no-targets
"""
SEED = 11
# References of a few-shot run: 15 words in the mean, one in twenty longer than 45 (log-normal).
LOG_MEDIAN, LOG_SPREAD = 2.304, 0.913
# Words as in English tasks of Natural Instructions: 57 % have more than 3 letters, the only ones that are stemmed.
VOCABULARY, SHORT_WORDS = 30_000, 62
TASKS = 16
MAX_DIFFERENCE = 1e-9
ABSENT = "the package `{}` is not installed: pip install -e '.[bench]'"
TIMES_ROUGE, TIMES_ROUGE_SCORE = 10, 15
Pair = tuple[str, str]


@dataclass(frozen=True)
class Speed:
    """One line of the table. `scores` are the ROUGE-L F of the pairs."""

    name: str
    stemming: bool
    cpu_seconds: float
    scores: list[float]

    @property
    def rate(self) -> float:
        """Pairs a CPU second."""
        return len(self.scores) / self.cpu_seconds


def vocabulary(rng: random.Random) -> list[str]:
    """Pronounceable words: the most frequent ones short, the others with an English ending now and then."""
    endings = ["", "", "", "s", "ed", "ing", "er", "ly", "ness", "ation", "ize", "ful"]
    consonants, vowels = "bcdfghklmnprstvw", "aeiou"
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        short = len(words) < SHORT_WORDS
        stem = "".join(
            rng.choice(consonants) + rng.choice(vowels) for _ in range(1 if short else rng.choice([2, 2, 3]))
        )
        words[stem + rng.choice(["", "", "n", "t"] if short else endings)] = None
    return list(words)


def make_pairs(count: int) -> Iterator[Pair]:
    """Predictions with their references: words by Zipf's law, a part of them kept in the prediction."""
    rng = random.Random(SEED)
    words = vocabulary(rng)
    cumulative = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    for _ in range(count):
        length = max(1, round(rng.lognormvariate(LOG_MEDIAN, LOG_SPREAD)))
        reference = rng.choices(words, cum_weights=cumulative, k=length)
        kept = rng.random()
        other = rng.choices(words, cum_weights=cumulative, k=length)
        predicted = [word if rng.random() < kept else new for word, new in zip(reference, other, strict=True)]
        yield sentence(predicted), sentence(reference)


def sentence(words: Sequence[str]) -> str:
    """Words with a capital, a comma now and then, and a full stop."""
    text = " ".join(f"{word}," if position % 9 == 8 else word for position, word in enumerate(words))
    return f"{text[0].upper()}{text[1:]}."


def measure(name: str, stemming: bool, pairs: Sequence[Pair], score: Callable[[str, str], float]) -> Speed:
    """Score every (prediction, reference) and count this process's CPU seconds."""
    began = time.process_time()
    scores = [score(prediction, reference) for prediction, reference in pairs]
    return Speed(name, stemming, time.process_time() - began, scores)


def measure_rouge(pairs: Sequence[Pair]) -> Speed:
    """The package `rouge`, as Birbal calls it. ValueError says how to install it."""
    try:
        from rouge import Rouge
    except ImportError as error:
        raise ValueError(ABSENT.format("rouge")) from error
    scorer = Rouge()
    return measure("rouge, all metrics", False, pairs, lambda *pair: float(scorer.get_scores(*pair)[0]["rouge-l"]["f"]))


def measure_rouge_score(stemming: bool, pairs: Sequence[Pair]) -> Speed:
    """Google's rouge-score. ValueError says how to install it."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ValueError(ABSENT.format("rouge-score")) from error
    scorer = RougeScorer(["rougeL"], use_stemmer=stemming)

    def score(prediction: str, reference: str) -> float:
        return float(scorer.score(reference, prediction)["rougeL"].fmeasure)

    return measure("rouge-score", stemming, pairs, score)


def measure_ours(stemming: bool, pairs: Sequence[Pair], all_metrics: bool = False) -> Speed:
    """ROUGE-L F by eval.metrics.scorer from a cold cache; with `all_metrics` what the stage computes for a row."""
    from eval.metrics.scorer import Scorer
    from eval.metrics.tokens import forget_stems

    scorer = Scorer("rouge_score", stemming)
    forget_stems()
    if all_metrics:
        return measure("oneday, all metrics", stemming, pairs, lambda p, r: scorer.judge(p, [r]).rouge_l_f)
    return measure("oneday", stemming, pairs, lambda p, r: scorer.rouge_l_f(p, [r]))


def largest_difference(ours: Speed, peer: Speed) -> float:
    """The largest difference between two measurements of the same pairs."""
    return max(abs(a - b) for a, b in zip(ours.scores, peer.scores, strict=True))


def write_predictions(folder: Path, pairs: Sequence[Pair], rows: int) -> None:
    """Prediction files of TASKS tasks with `rows` rows in all, the pairs again and again."""
    from oneday.files import write_jsonl
    from oneday.records import Prediction

    def predictions(task: str) -> Iterator[Prediction]:
        for row, (prediction, reference) in enumerate(islice(cycle(pairs), rows // TASKS)):
            prompt = reference * 10
            yield Prediction(
                task=task,
                id=str(row),
                orig_input=reference,
                few_shot_prompt=prompt,
                answer=[reference],
                prediction=prediction,
            )

    for number in range(TASKS):
        write_jsonl(folder / f"task{number:02}.jsonl", predictions(f"task{number:02}"))


def measure_stage(pairs: Sequence[Pair], rows: int, cores: int) -> tuple[float, float]:
    """Wall and CPU seconds of the stage's scoring of so many rows (files in, files out), with `cores` processes."""
    from data_prep.config import Score
    from data_prep.score import list_jobs, score_tasks
    from eval.metrics.tokens import forget_stems

    config = Score(rules=["strip"], generation_metric="rouge_l_f", tokenizer="auto", stemming=True)
    forget_stems()
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as scored:
        folder = Path(made)
        write_predictions(folder, pairs, rows)
        kinds: dict[str, Kind] = {path.stem: "generation" for path in folder.glob("*.jsonl")}
        wall, cpu = time.monotonic(), cpu_seconds()
        score_tasks(list_jobs(folder, kinds, Path(scored)), config, cores)
        return time.monotonic() - wall, cpu_seconds() - cpu


def cpu_seconds() -> float:
    """The CPU seconds of this process and of its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def table(measured: Sequence[Speed], rouge: Speed, rouge_score: dict[bool, Speed]) -> str:
    """The measurements as Markdown, with their ratios to `rouge` and to the rouge-score with the same stemming."""
    lines = [
        "| scorer | stemming | pairs | CPU s | pairs a CPU second | times rouge | times rouge-score, like stemming |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {speed.name} | {'yes' if speed.stemming else 'no'} | {len(speed.scores):,} | {speed.cpu_seconds:.2f} "
        f"| {speed.rate:,.0f} | {speed.rate / rouge.rate:.1f} | {speed.rate / rouge_score[speed.stemming].rate:.1f} |"
        for speed in measured
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        pairs: Annotated[int, typer.Option(help="Pairs for our scorer.", min=1)] = 100_000,
        peer_pairs: Annotated[int, typer.Option(help="The first so many of them for the peers.", min=1)] = 20_000,
        cores: Annotated[int, typer.Option(help="Processes in the second part; 1 leaves it out.", min=1)] = 2,
        stage_rows: Annotated[int, typer.Option(help="Rows in the second part.", min=TASKS)] = 400_000,
        targets: Annotated[bool, typer.Option(help="Exit with 1 if a target is missed.")] = True,
    ) -> int:
        misses: list[str] = []

        def work() -> None:
            quiet_libraries()
            rows = list(make_pairs(max(pairs, peer_pairs)))
            misses.extend(compare(rows[:pairs], rows[:peer_pairs], targets))
            if cores > 1:
                compare_cores(rows[:pairs], stage_rows, cores)

        code = run_command(work)
        for miss in misses:
            print(f"Error: {miss}", file=sys.stderr)
        return code or int(bool(misses))

    return typer_main(command, HELP, argv)


def compare(pairs: Sequence[Pair], peer_pairs: Sequence[Pair], targets: bool) -> list[str]:
    """Measure and print the table; what was missed, in words."""
    rouge = measure_rouge(peer_pairs)
    rouge_score = {stemming: measure_rouge_score(stemming, peer_pairs) for stemming in (False, True)}
    few = {stemming: measure_ours(stemming, peer_pairs) for stemming in (False, True)}
    many = {stemming: measure_ours(stemming, pairs) for stemming in (False, True)}
    whole = measure_ours(True, pairs, all_metrics=True)
    print_setting(pairs)
    print(table([rouge, *rouge_score.values(), *few.values(), *many.values(), whole], rouge, rouge_score))
    misses = []
    for stemming, peer in rouge_score.items():
        name = f"rouge-score {'with' if stemming else 'without'} stemming"
        difference = largest_difference(few[stemming], peer)
        print(f"largest difference from {name}: {difference:.1e} on {len(peer_pairs):,} pairs")
        if difference > MAX_DIFFERENCE:
            misses.append(f"a score differs from that of {name} by {difference:.1e}; at most {MAX_DIFFERENCE} may be")
    return misses + (missed_targets(many[True], rouge, rouge_score[True]) if targets else [])


def missed_targets(ours: Speed, rouge: Speed, rouge_score: Speed) -> list[str]:
    """The targets that our speed misses, in words."""
    return [
        f"with stemming, scoring is {ours.rate / peer.rate:.1f} times as fast as {peer.name}; the target is {target}"
        for peer, target in ((rouge, TIMES_ROUGE), (rouge_score, TIMES_ROUGE_SCORE))
        if ours.rate < target * peer.rate
    ]


def compare_cores(pairs: Sequence[Pair], rows: int, cores: int) -> None:
    """Print the throughput of the stage's scoring on one core and on several, with the start of the processes and not.

    The start is told apart by a second measurement with a tenth of the rows.
    """
    rows, few = (max(count - count % TASKS, TASKS) for count in (rows, rows // 10))
    print(f"\nThe stage's scoring of {TASKS} tasks, {rows:,} rows, files in, files out:")
    alone: tuple[float, float] | None = None
    for count in (1, cores):
        seconds, cpu = measure_stage(pairs, rows, count)
        start = measure_stage(pairs, few, count)[0] * rows - seconds * few  # from two points of a straight line
        start /= max(rows - few, 1)
        work = max(seconds - start, 1e-9)
        name = "1 process" if count == 1 else f"{count} processes"
        alone = alone or (seconds, work)
        print(
            f"{name}: {seconds:.1f} s ({rows / seconds:,.0f} rows a second), "
            f"of them {start:.1f} s to start; {cpu:.1f} CPU s; {alone[0] / seconds:.2f} times the throughput of one, "
            f"{alone[1] / work:.2f} times without the start"
        )
    if cores > processors():
        print(f"There are only {processors()} processors for the {cores} processes.")


def print_setting(pairs: Sequence[Pair]) -> None:
    """Print the machine, the versions and the data."""
    names = ("rouge", "rouge-score", "rapidfuzz", "nltk", "polars")
    lengths = sorted(len(reference.split()) for _, reference in pairs)
    print(", ".join(f"{key} {value}" for key, value in describe().items()))
    print(", ".join(f"{name} {metadata.version(name)}" for name in names))
    print(
        f"references of {sum(lengths) / len(lengths):.1f} words in the mean, "
        f"{lengths[len(lengths) * 95 // 100]} at the 95th percentile; seed {SEED}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
