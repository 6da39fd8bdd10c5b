from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postprocess.rules import RULES, RuleName, apply_rules
from serve.answering import engine_stops, seed_of, top_logprob
from serve.schema import LARGEST_INT

TEXTS = st.text("a\n ", max_size=12)


def cleaned(text: str, stop: Sequence[str], rules: Sequence[RuleName]) -> str:
    """The text before its first stop sequence, after the rules."""
    cut = min((place for sequence in stop if (place := text.find(sequence)) >= 0), default=len(text))
    return apply_rules(text[:cut], rules)


@given(
    TEXTS,
    st.lists(st.text("a\n ", min_size=1, max_size=3), max_size=1),
    st.lists(st.sampled_from(sorted(RULES)), max_size=2),
    st.integers(0, 3),
)
@example("a\n\na", ["\na"], ["cut_at_blank_line"], 0)
@example("a\n\na", ["a\n\na"], ["cut_at_blank_line"], 0)
@example("\n\na", [], ["strip", "cut_at_blank_line"], 0)
@settings(max_examples=300)
def test_a_generation_that_ends_early_gives_the_text_of_one_that_goes_on(
    text: str, stop: list[str], rules: list[RuleName], token_overhang: int
) -> None:
    ends = [text.find(sequence) + len(sequence) for sequence in engine_stops(stop, rules) if sequence in text]
    generated = text[: min(ends, default=len(text)) + token_overhang]
    assert cleaned(generated, stop, rules) == cleaned(text, stop, rules)


@pytest.mark.parametrize("stop", [[], ["\n"], ["Q:", "a\n"], [" "]])
def test_a_blank_line_ends_the_generation_where_the_first_rule_cuts_there(stop: list[str]) -> None:
    assert engine_stops(stop, ["cut_at_blank_line", "strip"]) == (*stop, "\n\n")
    assert engine_stops(stop, ["strip", "cut_at_blank_line"]) == engine_stops(stop, []) == tuple(stop)


def test_seeds_of_completions_are_distinct_and_the_first_is_the_request_s() -> None:
    seeds = [seed_of(seed, number) for seed in range(50) for number in range(8)]
    assert len(set(seeds)) == len(seeds) and [seed_of(seed, 0) for seed in range(50)] == list(range(50))
    assert all(seed is not None and 0 <= seed <= LARGEST_INT for seed in seeds)
    assert seed_of(None, 3) is None


def test_of_alternatives_with_one_text_the_likeliest_is_told() -> None:
    assert top_logprob([("\ufffd", -0.1), ("a", -0.5), ("\ufffd", -2.0)]) == {"\ufffd": -0.1, "a": -0.5}
