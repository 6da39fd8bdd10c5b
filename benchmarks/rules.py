"""How fast a chain of six rules cleans short texts, next to the filters of lm-evaluation-harness.

    python benchmarks/rules.py [--texts 1000000] [--peer-texts 100000]

Synthetic answers -> a Markdown table of texts a CPU second, on one core. Exits with 1 if the target is missed.
"""

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Annotated

from oneday.console import quiet_libraries, run_command, typer_main
from oneday.machine import describe
from postprocess.chain import Step, apply_rules, step

HELP = """Measure how fast a chain of six rules cleans short texts, next to lm-evaluation-harness (lm_eval).

The texts are made with a seed: half are answers as a small model gives them (letters, options, words, numbers, a
sentence, some with a next example behind a blank line), half the examples of the six rules, changed a little. The peer
gets the first of the texts, and six filters of its own that do the nearest work: a regex each for the blank line, the
marks, the stated answer and the option letter, `remove_whitespace` and `take_first`. It has no filter for white space
within a text or for Unicode. CPU seconds are those of this process, the least of three times; making the texts and the
peer's instances is not counted. Target: 1,000,000 texts in less than 20 CPU seconds. It exits with 1 if that is missed.

A quick look: python benchmarks/rules.py --texts 20000 --peer-texts 20000
"""
SEED = 9
CHAIN = ("cut_at_blank_line", "strip", "fix_spaces", "trim_marks", "stated_answer", "first_option_letter")
TARGET = 20.0  # CPU seconds
TIMES = 3
TARGET_TEXTS = 1_000_000
PEER = "lm_eval"
# Each regex also matches what it leaves as it is: a filter without a match, or with an empty one of two groups, answers
# with its fallback, which is "[invalid]" unless it is told otherwise.
FILTERS: list[tuple[str, dict[str, str | int | float] | None]] = [
    ("regex", {"regex_pattern": r"(?s)\A(.*?)(?:\n[ \t\r]*\n|\Z)"}),
    ("remove_whitespace", None),
    ("regex", {"regex_pattern": r"(?s)\A[\"'*_`]*(.*?)[\"'*_`]*\Z"}),
    ("regex", {"regex_pattern": r"(?is)\A(?:.*(?:answer is|answer):?\s*)?(.*?)\.?\Z"}),
    ("regex", {"regex_pattern": r"(?s)\A\(?([A-E])(?:[.):].*)?\Z|\A(.*)\Z", "fallback": ""}),
    ("take_first", None),
]
SYLLABLES = ("ba", "ke", "ri", "to", "mu", "sha", "lin", "der", "est", "and", "or", "i")


@dataclass(frozen=True)
class Speed:
    """One line of the table. `outputs` are the cleaned texts."""

    name: str
    cpu_seconds: float
    wall_seconds: float
    outputs: list[str]

    @property
    def rate(self) -> float:
        """Texts a CPU second."""
        return len(self.outputs) / self.cpu_seconds


def chain() -> list[Step]:
    """The six rules."""
    return [step(name) for name in CHAIN]


def make_texts(count: int) -> list[str]:
    """Raw answers: half like a small model's, half the examples of the rules with another word in them."""
    rng = random.Random(SEED)
    examples = [shown.text for each in chain() for shown in each.rule.examples]
    return [answer(rng) if rng.random() < 0.5 else f"{rng.choice(examples)}{tail(rng)}" for _ in range(count)]


def answer(rng: random.Random) -> str:
    """An answer as models give it to multiple choice, to short questions and to summaries."""
    letter, option = rng.choice("ABCDE"), phrase(rng, 1, 3)
    forms: tuple[Callable[[], str], ...] = (
        lambda: letter,
        lambda: f"{letter}. {option}",
        lambda: f"({letter}) {option}",
        lambda: f"The answer is {letter}.",
        lambda: f"The answer is: {option}",
        lambda: f'"{option}"',
        lambda: f"**{option}**",
        lambda: option,
        lambda: str(rng.randrange(10_000)),
        lambda: f"{phrase(rng, 8, 20).capitalize()}.",
    )
    return f"{rng.choice(('', '', ' '))}{rng.choice(forms)()}{tail(rng)}"


def tail(rng: random.Random) -> str:
    """What stands behind an answer: mostly nothing, else a line end or a next example."""
    kind = rng.random()
    if kind < 0.6:
        return ""
    if kind < 0.85:
        return rng.choice(("\n", " ", ".", "\n\n"))
    return f"\n\n### Input:\n{phrase(rng, 5, 15)}\n\n### Response:\n{phrase(rng, 1, 3)}"


def phrase(rng: random.Random, fewest: int, most: int) -> str:
    """So many made-up words."""
    words = ("".join(rng.choices(SYLLABLES, k=rng.randint(1, 3))) for _ in range(rng.randint(fewest, most)))
    return " ".join(words)


def measure(name: str, clean: Callable[[], list[str]]) -> Speed:
    """Clean all texts TIMES times and count this process's CPU seconds; the fastest time counts."""
    runs = []
    for _ in range(TIMES):
        gc.collect()
        wall, cpu = time.monotonic(), time.process_time()
        outputs = clean()
        runs.append((time.process_time() - cpu, time.monotonic() - wall))
    return Speed(name, *min(runs), outputs)


def measure_ours(texts: Sequence[str]) -> Speed:
    """The chain by `apply_rules`, as the evaluation calls it."""
    return measure("oneday, 6 rules", partial(cleaned, texts, chain()))


def cleaned(texts: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """Each text after the steps."""
    return [apply_rules(text, steps) for text in texts]


def measure_peer(texts: Sequence[str]) -> Speed:
    """The peer's ensemble of filters on its instances, as its tasks call it."""
    from lm_eval.api.instance import Instance
    from lm_eval.filters import build_filter_ensemble

    instances = [Instance("generate_until", {}, (), number, resps=[text]) for number, text in enumerate(texts)]
    ensemble = build_filter_ensemble("cleaned", FILTERS)

    def clean() -> list[str]:
        ensemble.apply(instances)
        return [instance.filtered_resps["cleaned"] for instance in instances]

    return measure(f"{PEER} {metadata.version(PEER)}, 6 filters", clean)


def by_rule(texts: Sequence[str]) -> Iterator[str]:
    """What each rule takes of the time on these texts, each on what the one before left."""
    for each in chain():
        speed = measure(each.name, partial(cleaned, texts, [each]))
        changed = sum(before != after for before, after in zip(texts, speed.outputs, strict=True))
        yield f"| {each.name} | {1e6 * speed.cpu_seconds / len(texts):.2f} | {100 * changed / len(texts):.0f} % |"
        texts = speed.outputs


def table(ours: Speed, peer: Speed) -> str:
    """Both measurements as Markdown, with the ratio."""
    head = "| what | texts | CPU s | s | texts a CPU second | s for 1,000,000 | times lm_eval |"
    rows = [
        f"| {speed.name} | {len(speed.outputs):,} | {speed.cpu_seconds:.2f} | {speed.wall_seconds:.2f} "
        f"| {speed.rate:,.0f} | {TARGET_TEXTS / speed.rate:.1f} | {speed.rate / peer.rate:.1f} |"
        for speed in (ours, peer)
    ]
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])


def compare(texts: Sequence[str], peer_texts: Sequence[str]) -> list[str]:
    """Measure and print all; what was missed, in words."""
    ours, peer = measure_ours(texts), measure_peer(peer_texts)
    same = sum(a == b for a, b in zip(ours.outputs, peer.outputs, strict=False))
    print(", ".join(f"{key} {value}" for key, value in describe().items()))
    lengths = sorted(map(len, texts))
    mean, long = sum(lengths) / len(lengths), lengths[len(lengths) * 95 // 100]
    print(f"texts of {mean:.0f} characters in the mean, {long} at the 95th percentile; seed {SEED}")
    print(f"both give the same for {100 * same / min(len(texts), len(peer_texts)):.0f} % of the texts\n")
    print(table(ours, peer))
    print("\n| rule | microseconds a text | changes |\n|---|---:|---:|")
    print("\n".join(by_rule(peer_texts)))
    return missed(ours)


def missed(ours: Speed) -> list[str]:
    """The target, in words, if these seconds for a million texts miss it."""
    seconds = TARGET_TEXTS / ours.rate
    return [f"1,000,000 texts take {seconds:.1f} CPU s; the target is {TARGET:.0f}"] if seconds >= TARGET else []


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        texts: Annotated[int, typer.Option(help="Texts for our rules.", min=1)] = TARGET_TEXTS,
        peer_texts: Annotated[int, typer.Option(help="The first so many of them for the peer.", min=1)] = 100_000,
    ) -> int:
        misses: list[str] = []

        def work() -> None:
            quiet_libraries()
            made = make_texts(max(texts, peer_texts))
            misses.extend(compare(made[:texts], made[:peer_texts]))

        code = run_command(work)
        for miss in misses:
            print(f"Error: {miss}", file=sys.stderr)
        return code or int(bool(misses))

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
