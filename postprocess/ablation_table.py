"""The ablation in words and as Markdown tables in ASCII, for the terminal and for a log."""

from collections.abc import Iterator, Sequence

from eval.scores import Interval
from eval.table import label
from postprocess.ablation_record import Ablation, Gain, RuleFacts, RuleGain, SetResult

SCORES_HEAD = ("answers", "rows", "no rule", "all rules", "gain of all", "rules that pay", "gain of those")
RULES_HEAD = (
    "rule",
    "answers",
    "texts changed",
    "gain alone",
    "gain in the chain",
    "",
    "beside those that pay",
    "kept",
)


def render(record: Ablation) -> str:
    """Scores by set, gains by rule and set, what was dropped, and where the server takes other rules."""
    parts = [markdown(SCORES_HEAD, score_cells(record)), markdown(RULES_HEAD, rule_cells(record))]
    parts += ["\n".join(sentences(record))]
    if rows := served_cells(record):
        parts += ["The server takes other rules by the prompt than the evaluation by the task:"]
        parts += [markdown(("answers", "task", "case", "in the server", "other rules", "other texts"), rows)]
    return "\n\n".join(parts)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of even width."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def score_cells(record: Ablation) -> list[list[str]]:
    """A line a set: its scores with no rule, with all, with those that pay."""
    return [
        [label(s.name), str(s.rows), score(s.none), score(s.all), gain(s.all_gain), score(s.kept), gain(s.kept_gain)]
        for s in record.sets
    ]


def rule_cells(record: Ablation) -> list[list[str]]:
    """A line for each rule and set where it does something, or one for a rule that does nothing anywhere."""
    lines = []
    for number, rule in enumerate(record.rules):
        kept = "yes" if rule.kept else "no"
        found = [(answers, answers.rules[number]) for answers in record.sets if does_something(answers.rules[number])]
        if not found:
            lines.append([f"`{rule.rule}`", "all", "0", "", "", "changes nothing", "", kept])
        for answers, of_set in found:
            name, shown = (f"`{rule.rule}`", kept) if answers is found[0][0] else ("", "")
            lines.append(
                [name, label(answers.name), *_gain_cells(of_set), of_set.chain.verdict, gain(of_set.beside_kept), shown]
            )
    return lines


def _gain_cells(rule: RuleGain) -> list[str]:
    return [str(rule.changed), gain(rule.alone), gain(rule.chain)]


def does_something(rule: RuleGain) -> bool:
    """Whether the rule changes a text of a set in the chain, or a score alone."""
    return rule.changed > 0 or any((rule.alone.gain, rule.alone.low, rule.alone.high))


def sentences(record: Ablation) -> Iterator[str]:
    """What was kept and dropped, and how far to believe it."""
    yield f"Rules that pay: {listed(record.kept)}."
    if record.dropped:
        order = "; ".join(f"`{dropped.rule}`" for dropped in record.dropped)
        yield f"Dropped in turn, the least gain first, each measured beside the rules left then: {order}."
    yield (
        f"Macro averages over tasks, {percent(record)} % intervals from {record.resamples:,} resamples of the rows, "
        "the same for all choices. A rule pays if its interval is above 0 on one set and below 0 on none; "
        f"by chance alone, up to {record.by_chance:.1f} of the gains above 0 would be expected."
    )
    yield "Rules chosen on the rows that are then reported flatter the score: choose on others (--generations)."


def listed(rules: Sequence[RuleFacts]) -> str:
    """The rules in one line."""
    return "; ".join(f"`{rule.rule}`" for rule in rules) or "none"


def served_cells(record: Ablation) -> list[list[str]]:
    """A line for each set and task of which a row gets other rules in the server."""
    return [line for answers in record.sets for line in _served_lines(answers)]


def _served_lines(answers: SetResult) -> Iterator[list[str]]:
    for task in answers.served:
        if task.other_rules:
            server = ", ".join(f"{case} {rows}" for case, rows in task.server.items())
            other = [f"{task.other_rules} of {task.rows}", str(task.other_texts)]
            yield [label(answers.name), task.task, task.case, server, *other]


def score(interval: Interval) -> str:
    """A score with its interval: '0.081 (0.070 to 0.093)'."""
    return f"{interval.score:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def gain(difference: Gain) -> str:
    """A gain with its interval: '+0.021 (+0.010 to +0.033)'."""
    return f"{signed(difference.gain)} ({signed(difference.low)} to {signed(difference.high)})"


def signed(value: float) -> str:
    """A number with its sign and three decimals; 0 has none where it is exactly 0, or at least shows as it."""
    return f"{value:+.3f}" if value else "0"


def percent(record: Ablation) -> str:
    """The confidence level in per cent, such as '95'."""
    return f"{100 * record.confidence:g}"
