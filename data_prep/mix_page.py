"""The report of a mix as one HTML page: what is in it, where every row went, what was found. Needs no network.

The words and the layout are in `templates/mix.html.j2`; this module checks that the numbers add up, chooses what is
shown, and formats it. All of it is from the manifest; the page runs no script.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup

from data_prep import mix_plots
from data_prep.mixing.card import mirror
from data_prep.mixing.licences import restrictions, warnings_of
from data_prep.mixing.marks import Piece, differing, excerpt, sharing
from data_prep.mixing.records import (
    TOKEN_EDGES,
    ContradictoryInput,
    DuplicatePair,
    EvalSetResult,
    Manifest,
    SourceResult,
    TaskRows,
)
from data_prep.mixing.sums import check_sums, tasks_of_all
from data_prep.page import Plot, share
from data_prep.plots import compact
from oneday.files import sha256_file
from oneday.page import breakable, render_template, shorten, words

TEMPLATE = Path(__file__).parent / "templates/mix.html.j2"
MOST_TASKS = 5_000  # rows of the tables of tasks; all others are summed
MOST_IN_PLOT = 15  # sources; the tables have them all
MOST_PAIRS = 12  # of duplicates, of each kind
MOST_EXAMPLES = 100  # of contamination, over all evaluation sets, but at least one of each that was found
LONGEST_COMPARED = 1_200  # characters of an example; a manifest has no longer ones
LONGEST_TEXT, LONGEST_SHARED = 480, 300  # characters of it that are shown


@dataclass(frozen=True)
class SourceTasks:
    """A source's tasks, the largest first; of `others` only the sums of rows and tokens are shown."""

    source: SourceResult
    shown: list[TaskRows]
    others: int
    other_rows: int
    other_tokens: int


@dataclass(frozen=True)
class ShownPair:
    """A text that went beside the one it was compared with, in marked pieces."""

    gone: str
    gone_text: list[Piece]
    other: str
    other_text: list[Piece]
    note: str


@dataclass(frozen=True)
class Totals:
    """Sums over all sources."""

    read: int
    train: int
    eval: int
    test: int
    tokens: int
    tasks: int
    dropped: dict[str, int]
    histogram: list[int]

    @property
    def used(self) -> int:
        """The rows of all files together."""
        return self.train + self.eval + self.test

    def dropped_as(self, start: str) -> int:
        """The rows dropped for the reasons whose names begin so."""
        return sum(count for reason, count in self.dropped.items() if reason.startswith(start))


def render_mix_page(
    title: str, manifest: Manifest, facts: Mapping[str, str], settings_yaml: str, rules: Sequence[str] = ()
) -> str:
    """The whole page. The same input gives the same bytes.

    `facts` are shown in their order, `rules` are the recipe's in words (see `rules_in_words`). Long texts are cut.
    ValueError, naming sources, where the numbers do not add up.
    """
    check_sums(manifest)
    totals = summed(manifest)
    return render_template(
        TEMPLATE,
        (breakable, marked, mirror, restrictions, share, words),
        title=title,
        manifest=manifest,
        facts=facts,
        rules=rules,
        settings=settings_yaml,
        totals=totals,
        warnings=warnings_of(manifest.sources),
        tokens=tokens_in_words(manifest, totals.tokens),
        plots=mix_plots_of(manifest, totals),
        tasks=tasks_of(manifest),
        tasks_of_all=tasks_of_all(manifest),
        contradictions=[contradictory(found) for found in manifest.contradictions],
        bins=bin_names(),
        exact_pairs=[duplicate(pair) for pair in manifest.duplicates[:MOST_PAIRS]],
        near_pairs=[duplicate(pair) for pair in manifest.near_duplicates[:MOST_PAIRS]],
        contamination=[(found, contaminated(found, len(manifest.eval_sets))) for found in manifest.eval_sets],
    )


def template_hashes() -> dict[str, str]:
    """The SHA-256 of each file that shapes the page beside the code, for the settings of its stage."""
    return {TEMPLATE.name: sha256_file(TEMPLATE)}


def summed(manifest: Manifest) -> Totals:
    """The sums over all sources; reasons of drops by their number, the largest first."""
    dropped = sum((Counter(source.dropped) for source in manifest.sources), Counter[str]())
    return Totals(
        read=sum(source.read for source in manifest.sources),
        train=sum(source.train for source in manifest.sources),
        eval=sum(source.eval for source in manifest.sources),
        test=sum(source.test for source in manifest.sources),
        tokens=sum(source.tokens for source in manifest.sources),
        tasks=sum(len(source.tasks) for source in manifest.sources),
        dropped=dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
        histogram=[
            sum(counts) for counts in zip(*(source.token_histogram for source in manifest.sources), strict=True)
        ],
    )


def tokens_in_words(manifest: Manifest, tokens: int) -> str:
    """The number of tokens, to three figures where it is an estimate."""
    return f"{tokens:,}" if manifest.tokens_counted == "every row" else f"about {compact(tokens)}"


def mix_plots_of(manifest: Manifest, totals: Totals) -> dict[str, list[Plot]]:
    """The plots by the section of the page."""
    used = [source for source in manifest.sources if source.used]
    largest = sorted(used, key=lambda source: (-source.used, source.name))[:MOST_IN_PLOT]
    some = f" The {MOST_IN_PLOT} largest of {len(used)}." if len(used) > MOST_IN_PLOT else ""
    shares = [
        (source.name, 100 * source.used / totals.used, 100 * source.tokens / max(totals.tokens, 1))
        for source in largest
    ]
    lengths = [Plot(mix_plots.all_lengths_plot(totals.histogram), "Per cent of all rows, by their tokens.")]
    if len(used) > 1:
        by_source = mix_plots.source_lengths_plot([(source.name, source.token_histogram) for source in largest])
        lengths.append(Plot(by_source, f"Rows of each source, each with a scale of its own.{some}"))
    kept = [(source.name, 100 * source.used / source.read) for source in largest]
    return {
        "composition": [
            Plot(mix_plots.composition_plot(shares), f"Share of rows and of tokens.{some}"),
            Plot(mix_plots.used_plot(kept), f"What is used of the rows read from each source.{some}"),
        ],
        "lengths": lengths,
    }


def bin_names() -> list[str]:
    """The bins of a token histogram in words: '0 to 31' ... '8,192 and more'."""
    inner = [f"{low:,} to {high - 1:,}" for low, high in pairwise(TOKEN_EDGES)]
    return [*inner, f"{TOKEN_EDGES[-1]:,} and more"]


def tasks_of(manifest: Manifest) -> list[SourceTasks]:
    """The tasks of each source that has more than one; over all of them the MOST_TASKS largest are shown."""
    several = [source for source in manifest.sources if len(source.tasks) > 1]
    sizes = [(task.rows, place) for place, source in enumerate(several) for task in source.tasks]
    number_shown = Counter(place for _, place in nlargest(MOST_TASKS, sizes))
    found = []
    for place, source in enumerate(several):
        ordered = sorted(source.tasks, key=lambda task: (-task.rows, task.task))
        shown, rest = ordered[: number_shown[place]], ordered[number_shown[place] :]
        rows, tokens = sum(task.rows for task in rest), sum(task.tokens for task in rest)
        found.append(SourceTasks(source, shown, len(rest), rows, tokens))
    return found


def duplicate(pair: DuplicatePair) -> ShownPair:
    """A pair of duplicates with the differing words marked."""
    gone, kept = differing(shorten(pair.input, LONGEST_COMPARED), shorten(pair.kept_input, LONGEST_COMPARED))
    if pair.input == pair.kept_input and pair.similarity == 1:
        note = "the same text"
    elif pair.similarity == 1:
        note = "The same words."
    elif any(piece.marked for piece in (*gone, *kept)):
        note = f"{_percent(pair.similarity)} of the words are the same."
    else:
        note = f"{_percent(pair.similarity)} of the words are the same; the others are in a part that is not shown."
    return ShownPair(
        f"{pair.source}, row {pair.id}",
        excerpt(gone, LONGEST_TEXT),
        f"{pair.kept_source}, row {pair.kept_id}",
        excerpt(kept, LONGEST_TEXT),
        note,
    )


def contradictory(found: ContradictoryInput) -> ContradictoryInput:
    """An input with several answers, its texts cut to what is shown."""
    answers = [answer.model_copy(update={"answer": shorten(answer.answer, LONGEST_SHARED)}) for answer in found.answers]
    return found.model_copy(update={"input": shorten(found.input, LONGEST_TEXT), "answers": answers})


def _percent(similarity: float) -> str:
    """Never 100 % for what is not all."""
    return "over 99.9 %" if similarity >= 0.9995 else f"{100 * similarity:.1f} %"


def contaminated(found: EvalSetResult, sets: int) -> list[ShownPair]:
    """Rows that hold a part of an evaluation set, the shared words marked in both texts."""
    pairs = []
    for example in found.examples[: max(MOST_EXAMPLES // sets, 1)]:
        both = (shorten(text, LONGEST_COMPARED) for text in (example.input, example.eval_text))
        texts = [sharing(text, shorten(example.shared, LONGEST_COMPARED)) for text in both]
        whole = all(any(piece.marked for piece in text) for text in texts)
        shared = shorten(example.shared, LONGEST_SHARED)
        pairs.append(
            ShownPair(
                f"{example.source}, row {example.id}",
                excerpt(texts[0], LONGEST_TEXT),
                f"{found.name}, row {example.eval_id}",
                excerpt(texts[1], LONGEST_TEXT),
                "" if whole else f"Shared, in a part that is not shown or in the answer: {shared}",
            )
        )
    return pairs


def marked(found: Sequence[Piece]) -> Markup:
    """A text in pieces as HTML."""
    return Markup("").join(Markup("<mark>{}</mark>").format(text) if mark else text for text, mark in found)
