"""The ablation in words and as Markdown tables in ASCII, for the terminal and for a log."""

from collections.abc import Iterator, Sequence

from eval.scores import Interval
from eval.table import label, markdown_table, percent
from postprocess.ablation_record import Ablation, Gain, RuleFacts, RuleGain, SetResult, pays
from postprocess.sign_test import fewest_rows

SCORES_HEAD = ("answers", "rows", "no rule", "all rules", "gain of all", "rules that pay", "gain of those")
RULES_HEAD = (
    "rule",
    "answers",
    "gain alone",
    "gain in the chain",
    "texts: better, worse",
    "verdict in the chain",
    "gain beside those that pay",
    "texts there: better, worse",
    "verdict there",
    "kept",
)


def render(record: Ablation) -> str:
    """Scores by set, gains by rule and set, what was dropped, and where the server takes other rules."""
    parts = [markdown_table(SCORES_HEAD, score_cells(record)), markdown_table(RULES_HEAD, rule_cells(record))]
    parts += ["\n".join(sentences(record))]
    if rows := served_cells(record):
        parts += ["The server takes other rules by the prompt than the evaluation by the task:"]
        parts += [markdown_table(("answers", "task", "case", "in the server", "other rules", "other texts"), rows)]
    return "\n\n".join(parts)


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
            lines.append([f"`{rule.rule}`", "all", "", "", "0", "changes nothing", "", "0", "changes nothing", kept])
        for answers, of_set in found:
            name, shown = (f"`{rule.rule}`", kept) if answers is found[0][0] else ("", "")
            judged = [*_judged_cells(of_set.chain), *_judged_cells(of_set.beside_kept)]
            lines.append([name, label(answers.name), gain(of_set.alone), *judged, shown])
    return lines


def _judged_cells(found: Gain) -> list[str]:
    return [gain(found), texts(found), found.verdict]


def texts(found: Gain) -> str:
    """How many texts read otherwise, and how many of them score more and less: '51: 17, 2'."""
    return f"{found.texts}: {found.better}, {found.worse}" if found.texts else "0"


def does_something(rule: RuleGain) -> bool:
    """Whether a text of the set reads otherwise for the rule, alone, in the chain or beside those that pay."""
    return any(found.texts for found in (rule.alone, rule.chain, rule.beside_kept))


def sentences(record: Ablation) -> Iterator[str]:
    """What was kept and dropped, and how far to believe it."""
    yield f"Rules that pay: {listed(record.kept)}."
    if record.dropped:
        order = "; ".join(f"`{dropped.rule}`" for dropped in record.dropped)
        yield f"Dropped in turn, the least gain first, each measured beside the rules left then: {order}."
    if again := pays_after_all(record):
        yield f"Dropped while another rule did its job, though beside those left in the end it pays: {listed(again)}."
    yield (
        "Alone: the rule against none. In the chain: all rules against all but it. Beside those that pay: it with them "
        "against them without it; what is kept is decided there. Texts: how many read otherwise for it, and how many "
        "of those score better and worse."
    )
    yield (
        f"Macro averages over tasks, {percent(record)} % intervals from {record.resamples:,} resamples of the rows, "
        "the same for all choices. A rule pays (harms) on a set if its interval is above (below) 0 and a sign test on "
        f"the texts that score better and worse agrees, so at least {fewest_rows(record.confidence)} must. Kept: "
        "pays on one set, harms none. No allowance is made for how many rules and sets are tried."
    )
    yield from record.notes
    yield "Rules chosen on the rows that are then reported flatter the score: choose on others (--generations)."


def pays_after_all(record: Ablation) -> list[RuleFacts]:
    """The rules that were dropped, but would pay beside those that are left."""
    by_rule = zip(record.rules, *(answers.rules for answers in record.sets), strict=True)
    return [rule for rule, *found in by_rule if not rule.kept and pays([each.beside_kept for each in found])]


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
