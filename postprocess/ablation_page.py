"""The ablation as one HTML page: record -> text. Needs no network, no script and no second file.

The words and the layout are in `templates/ablation.html.j2`; this module chooses what is shown and draws the plots.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from eval.table import label, percent
from oneday.page import breakable, render_template, shorten
from oneday.svg_plot import FAINT, INK, MARKS, SERIES, axes_svg, legend, name_rows
from postprocess.ablation_record import Ablation, Gain, RuleGain, SetResult
from postprocess.ablation_table import does_something, gain, pays_after_all, score, signed, texts
from postprocess.sign_test import fewest_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATE = Path(__file__).parent / "templates/ablation.html.j2"
LONGEST_TEXT = 160  # characters of an example
MOST_IN_LEGEND = 6  # the colours and marks that differ


def render_page(record: Ablation) -> str:
    """The whole page. The same record gives the same bytes."""
    tasks = [task for answers in record.sets for task in answers.served]
    return render_template(
        TEMPLATE,
        (breakable, by_task, gain, label, quoted, score, texts),
        record=record,
        percent=percent(record),
        fewest_rows=fewest_rows(record.confidence),
        pays_after_all=pays_after_all(record),
        chain_plot=gains_plot(record, "chain", lambda rule: rule.chain),
        alone_plot=gains_plot(record, "alone", lambda rule: rule.alone),
        acting=[[(s, s.rules[n]) for s in record.sets if does_something(s.rules[n])] for n in range(len(record.rules))],
        served=[(answers, task) for answers in record.sets for task in answers.served if task.other_rules],
        prompts=sum(task.rows for task in tasks),
        other_rules=sum(task.other_rules for task in tasks),
        other_texts=sum(task.other_texts for task in tasks),
    )


def by_task(rule: RuleGain) -> str:
    """The gain in the chain on each task that has one, the largest first."""
    ranked = sorted(rule.by_task.items(), key=lambda item: (-abs(item[1]), item[0]))
    return ", ".join(f"{task} {signed(value)}" for task, value in ranked)


def quoted(text: str) -> str:
    """The text in quotes, with line feeds and other signs that cannot be seen as JSON writes them."""
    return json.dumps(shorten(text, LONGEST_TEXT), ensure_ascii=False)


def gains_plot(record: Ablation, name: str, of_rule: Callable[[RuleGain], Gain]) -> Markup:
    """The gain of each rule on every set with its interval, a line a rule; filled where it pays or harms."""
    sets = record.sets
    names = [f"{number} {rule.rule.partition(':')[0]}" for number, rule in enumerate(record.rules, start=1)]

    def draw(axes: "Axes") -> None:
        for row in range(0, len(names), 2):
            axes.axhspan(row - 0.5, row + 0.5, color=FAINT, alpha=0.35, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        for number, answers in enumerate(sets):
            _draw_set(axes, number, len(sets), [of_rule(rule) for rule in answers.rules], answers)
        name_rows(axes, names)
        axes.grid(axis="x", linewidth=0.8)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("gain in macro average")
        legend(axes, len(sets), columns=1 if max(len(label(s.name)) for s in sets) > 18 else 2)

    described = f"Dots: gain of each rule {name} on {', '.join(label(s.name) for s in sets)}, as in the table."
    height = 1.0 + len(names) * max(0.3, 0.13 * len(sets)) + 0.12 * len(sets)
    return axes_svg(f"gains-{name}", height, described, draw)


def _draw_set(axes: "Axes", number: int, sets: int, gains: Sequence[Gain], answers: SetResult) -> None:
    """One set's marks: hollow where the gain is not shown to be above or below 0."""
    colour, mark = SERIES[number % MOST_IN_LEGEND], MARKS[number % MOST_IN_LEGEND]
    shift = (number - (sets - 1) / 2) * 0.64 / sets
    axes.plot([], [], mark, color=colour, markersize=6, label=label(answers.name))
    for row, found in enumerate(gains):
        bars = [[max(found.gain - found.low, 0)], [max(found.high - found.gain, 0)]]
        filled = colour if found.verdict in ("pays", "harms") else "none"
        axes.errorbar(
            [found.gain], [row + shift], xerr=bars, fmt=mark, color=colour, markersize=5, markerfacecolor=filled
        )
