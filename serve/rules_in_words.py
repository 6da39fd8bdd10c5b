"""The rules of a recipe as the server says them when it starts: which prompts get which, on one line."""

from collections.abc import Sequence

from postprocess.cases import DEFAULT, PromptMatch, RuleSet
from postprocess.chain import Step


def rules_in_words(rules: RuleSet) -> str:
    """Every case that a prompt can have, with what the prompt must have and the rules in their order.

    A case for tasks alone is the evaluation's and is not told of.
    """
    told = [
        f"{case.name} (a prompt {match_in_words(case.prompt)}): {_steps(case.rules)}"
        for case in rules.cases
        if case.prompt is not None
    ]
    told.append(f"{DEFAULT} ({'any other' if told else 'every'} prompt): {_steps(rules.default)}")
    return "; ".join(told)


def match_in_words(match: PromptMatch) -> str:
    """What a prompt must have: `with at least 2 options and ending in 'Answer:'`."""
    if match.every:
        return "of any kind"
    parts = [] if match.options is None else [f"with at least {match.options} options"]
    parts += [f"containing {_one_of(match.contains)}"] if match.contains else []
    parts += [f"ending in {_one_of(match.ends_with)}"] if match.ends_with else []
    return " and ".join(parts)


def _one_of(texts: Sequence[str]) -> str:
    return " or ".join(map(repr, texts))


def _steps(steps: Sequence[Step]) -> str:
    return ", ".join(map(str, steps)) or "none"
