"""A ranking as Markdown: the table of win rates and scores, plain means, and how firm the order is, in words."""

from collections.abc import Sequence

from eval.ranking.records import LeftOut, Ranking, Stability
from eval.ranking.win_rates import SMALLEST, ScoreName
from eval.table import markdown_table, percent

TITLES: dict[ScoreName, str] = {"full": "full", "open": "open", "hidden": "hidden", "mean_win_rate": "mean win rate"}


def ranking_table(ranking: Ranking) -> str:
    """Win rates by scenario, scores and ranks; then plain means, notes and what resampling shows, if there are any."""
    parts = [markdown_table(*_win_rate_cells(ranking)), _legend(ranking)]
    if any(entry.plain for entry in ranking.entries):
        parts += [markdown_table(*_plain_cells(ranking)), _plain_legend(ranking)]
    if ranking.stability is not None:
        parts += [markdown_table(*_stability_cells(ranking, ranking.stability)), _verdict(ranking, ranking.stability)]
    if ranking.left_out is not None:
        parts.append(_without(ranking.left_out))
    if ranking.notes:
        parts.append("\n".join(f"Note: {note}." for note in ranking.notes))
    return "\n\n".join(parts)


def _scores(ranking: Ranking) -> list[ScoreName]:
    first = ranking.entries[0]
    stages: dict[ScoreName, float | None] = {"open": first.open, "hidden": first.hidden, "full": first.full}
    return [name for name, value in stages.items() if value is not None] or ["mean_win_rate"]


def _win_rate_cells(ranking: Ranking) -> tuple[list[str], list[list[str]]]:
    shown = _scores(ranking)
    names = [scenario.name for scenario in ranking.scenarios]
    lines = [
        [
            str(entry.rank),
            entry.name,
            *(number(entry.win_rates[name]) + ("*" if name in entry.nulls else "") for name in names),
            *(number(entry.score(score)) for score in shown),
            *([number(entry.plain.overall)] if entry.plain is not None else []),
            *([_rank_interval(ranking.stability, entry.name)] if ranking.stability is not None else []),
        ]
        for entry in ranking.entries
    ]
    head = ["rank", "entry", *names, *(TITLES[score] for score in shown)]
    plain = ["plain mean"] if ranking.entries[0].plain is not None else []
    firmness = [f"ranks, {_level(ranking.stability)}"] if ranking.stability is not None else []
    return [*head, *plain, *firmness], lines


def _rank_interval(stability: Stability, entry: str) -> str:
    own = stability.entries[entry]
    return str(own.rank_low) if own.rank_low == own.rank_high else f"{own.rank_low} to {own.rank_high}"


def _level(stability: Stability) -> str:
    return f"{percent(stability)} % interval"


def _legend(ranking: Ranking) -> str:
    lines = [
        f"Win rates by scenario; ranked by the {TITLES[ranking.score]}"
        f"{'' if ranking.score == 'mean_win_rate' else ' score'}."
    ]
    metrics = {scenario.name: scenario.metrics for scenario in ranking.scenarios}
    for entry in ranking.entries:
        for scenario, lacking in entry.nulls.items():
            what = scenario if lacking == metrics[scenario] else f"{scenario} {', '.join(lacking)}"
            lines.append(f"* {entry.name} has no value of {what}: that counts as worst.")
    zeros = [entry.name for entry in ranking.entries if 0.0 in entry.win_rates.values()]
    if zeros and ranking.score != "mean_win_rate":
        lines.append(
            f"A win rate of 0 counts as {SMALLEST} in a geometric mean, so it all but zeroes the score of its stage: "
            f"{', '.join(zeros)}."
        )
    return "\n".join(lines)


def _plain_cells(ranking: Ranking) -> tuple[list[str], list[list[str]]]:
    head = [f"{scenario.name} {_short(scenario.main)}" for scenario in ranking.scenarios if scenario.main]
    names = [scenario.name for scenario in ranking.scenarios if scenario.main]
    staged = any(scenario.stage is not None for scenario in ranking.scenarios)
    lines = []
    for entry in ranking.entries:
        if entry.plain is not None:
            plain = entry.plain
            stages = [number(plain.open), number(plain.hidden)] if staged else []
            means = [number(plain.scenarios.get(name)) for name in names]
            lines.append([entry.name, *means, *stages, number(plain.overall)])
    return ["entry", *head, *(["open", "hidden"] if staged else []), "mean"], lines


def _short(metrics: Sequence[str]) -> str:
    return metrics[0] if len(metrics) == 1 else f"(mean of {len(metrics)})"


def _plain_legend(ranking: Ranking) -> str:
    several = [scenario for scenario in ranking.scenarios if len(scenario.main) > 1]
    means = "".join(f" {scenario.name} is the mean of {', '.join(scenario.main)}." for scenario in several)
    return f"Plain means of the main metrics, not win rates; '-' where a value is missing.{means}"


def _stability_cells(ranking: Ranking, stability: Stability) -> tuple[list[str], list[list[str]]]:
    places = range(1, len(ranking.entries) + 1)
    lines = []
    for entry in ranking.entries:
        own = stability.entries[entry.name]
        interval = own.scores[ranking.score]
        span = f"{number(interval.low)} to {number(interval.high)}"
        lines.append([entry.name, number(entry.score(ranking.score)), span, *map(_percent, own.rank_shares)])
    return ["entry", TITLES[ranking.score], _level(stability), *(f"at rank {place}" for place in places)], lines


def _verdict(ranking: Ranking, stability: Stability) -> str:
    """How often each entry is ahead of the one below it."""
    what = {
        "instances": "instances, the same for all entries",
        "scenarios": "scenarios within their stage, the win rates as they are",
    }
    lines = [f"{stability.resamples} resamples of {what[stability.over]}; seed {stability.seed}."]
    for better, worse in zip(ranking.entries, ranking.entries[1:], strict=False):
        share = stability.entries[better.name].better_than[worse.name]
        lines.append(f"{better.name} is above {worse.name} in {_percent(share)} of them, equal scores counting half.")
    if stability.fixed:
        fixed = "; ".join(f"{scenario}: {', '.join(metrics)}" for scenario, metrics in stability.fixed.items())
        lines.append(f"Not resampled, as fewer than two entries have them by instance: {fixed}.")
    return "\n".join(lines)


def _without(left_out: Sequence[LeftOut]) -> str:
    lines = []
    for each in left_out:
        for ahead, behind in each.swapped:
            lines.append(f"Without {each.absent}, {behind} is above {ahead}.")
    return "\n".join(lines) or "No two entries change places when any third one is absent."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def number(value: float | None) -> str:
    """Three decimals, or an exponent for a tiny number; '-' for none."""
    if value is None:
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 0.0005 else f"{value:.3f}"
