"""A generation that ends at the rules' stop strings gives the text of one that does not."""

from collections.abc import Iterator, Sequence
from itertools import cycle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postprocess.chain import Step, apply_rules, step
from serve.stop_strings import engine_stops
from tests.serve.rule_steps import STEPS, STOPPING

BLANK_LINE, STRIP = step("cut_at_blank_line"), step("strip")
PIECES = sorted({stop for each in STOPPING for stop in each.stops} | set("a\n \tQ:#"))
texts = st.text("a\n ", max_size=12) | st.lists(st.sampled_from(PIECES), max_size=10).map("".join)
some_stops = st.text("a\n ", min_size=1, max_size=3) | st.sampled_from(PIECES)


def cut_at_stop(*stops: str) -> Step:
    return step("cut_at_stop", stops=list(stops))


stop_steps = st.lists(some_stops, min_size=1, max_size=3, unique=True).map(lambda stops: cut_at_stop(*stops))
stopping = st.sampled_from(STOPPING) | stop_steps
chains = st.tuples(
    st.lists(stopping, max_size=3), st.lists(st.sampled_from(STEPS), max_size=1), st.lists(stopping, max_size=1)
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


def generated(text: str, stops: Sequence[str], sizes: Sequence[int]) -> str:
    """The text as an engine gives it: token by token, up to and with the one that completes a stop string."""

    def ends() -> Iterator[int]:
        place = 0
        for size in cycle(sizes):
            yield min(place := place + size, len(text))

    for end in ends():
        if end == len(text) or any(stop in text[:end] for stop in stops):
            return text[:end]
    raise AssertionError("tokens have texts")


def cleaned(text: str, stop: Sequence[str], steps: Sequence[Step]) -> str:
    """The text before its first stop sequence, after the rules."""
    cut = min((place for sequence in stop if (place := text.find(sequence)) >= 0), default=len(text))
    return apply_rules(text[:cut], steps)


@given(texts, st.lists(some_stops, max_size=2), chains, st.lists(st.integers(1, 4), min_size=1, max_size=3))
@example("a\n\na", ["\na"], [BLANK_LINE], [1])
@example("a\n\na", ["a\n\na"], [BLANK_LINE], [1])
@example("\n\na", [], [STRIP, BLANK_LINE], [1])
@example("a\n \n", [], [BLANK_LINE, cut_at_stop("a\n ")], [1])
@example("\n \n\nQ", ["\n\nQ"], [BLANK_LINE], [1])
@example("\n \n\nQ", [], [cut_at_stop("\n\nQ"), BLANK_LINE], [1])
@example("x\n \n", [], [BLANK_LINE, cut_at_stop(" ")], [1])
@example("abcd", [], [cut_at_stop("bcd"), cut_at_stop("c")], [1])
@example("aQ:\n\n", [], [BLANK_LINE, cut_at_stop("Q:\n")], [1])
@settings(max_examples=600, deadline=None)
def test_a_generation_that_ends_at_the_rules_stop_strings_gives_the_text_of_one_that_goes_on(
    text: str, stop: list[str], steps: list[Step], sizes: list[int]
) -> None:
    early = cleaned(generated(text, engine_stops(stop, steps), sizes), stop, steps)
    assert early == cleaned(generated(text, stop, sizes), stop, steps)
    if len(stop) <= 1:
        assert early == cleaned(text, stop, steps)


@given(text=texts, after=texts, each=stopping)
@example("a", "c", cut_at_stop("abc", "b"))
@settings(max_examples=300, deadline=None)
def test_what_a_rule_makes_of_a_text_with_one_of_its_stop_strings_is_settled(text: str, after: str, each: Step) -> None:
    for stop in each.stops:
        assert each.apply(text + stop + after) == each.apply(text + stop)


@pytest.mark.parametrize("stop", [[], ["\n"], ["Q:", "a\n"], [" "]])
def test_a_blank_line_ends_the_generation_where_the_first_rule_cuts_there(stop: list[str]) -> None:
    assert engine_stops(stop, [BLANK_LINE, STRIP]) == (*stop, "\n\n")
    assert engine_stops(stop, [STRIP, BLANK_LINE]) == engine_stops(stop, []) == tuple(stop)


@pytest.mark.parametrize("stop", ["\na", "\n\na", "a\n\na"])
def test_no_blank_line_ends_the_generation_where_a_stop_sequence_may_run_over_its_end(stop: str) -> None:
    assert engine_stops([stop], [BLANK_LINE]) == (stop,)


def test_the_stop_strings_of_several_rules_end_the_generation_each_once() -> None:
    questions = cut_at_stop("Q:", "###")
    assert engine_stops(["Q:"], [BLANK_LINE, questions, STRIP]) == ("Q:", "\n\n", "###")
    assert engine_stops([], [questions, BLANK_LINE, STRIP]) == ("Q:", "###", "\n\n")
    assert engine_stops([], [questions, STRIP, BLANK_LINE]) == ("Q:", "###")


def test_a_stop_string_that_an_earlier_rule_may_cut_in_two_does_not_end_the_generation() -> None:
    assert engine_stops([], [BLANK_LINE, cut_at_stop(" ", "Q:\n", "Q:")]) == ("\n\n", "Q:")
    assert engine_stops([], [cut_at_stop("bcd"), cut_at_stop("c", "x")]) == ("bcd", "x")
