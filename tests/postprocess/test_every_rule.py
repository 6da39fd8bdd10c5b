"""What holds for every registered rule, with the parameters of its own examples."""

import pickle
import re
import time
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from postprocess.chain import Step, step
from postprocess.rule import RULES, Edit, Example, Rule

ANY_CHARACTER = st.characters(exclude_categories=())  # lone surrogates too
LONG = 20_000  # characters
SECONDS = 0.5  # of processor time for a long text; a rule that is quadratic in it takes many
COMMON = (
    "", " ", "\n", "\n\n", "\r\n", "\t", "\x00", "\u00a0", "\u2028", "\u200b", "\ufeff", "\ud800", "\udfff", "e\u0301",
    "\U0001f468\u200d\U0001f469", "a", "A", "A.", "(B)", "B) ", "The answer is", "the answer is ", ": ", ".", ". ", "!",
    "?", ",", ";", "'", '"', "``", "`", "**", "*", "_", "__", "~~", "#", "####", "- ", "1", "-1", "1,234", "1.5", "½",
    "\u0661", "$", "%", "\\boxed{", "}", "{", "\\", "\u201c", "\u201d", "\u00ab", "ﬁ", "İ", "ß", "word",
)  # fmt: skip


def steps() -> list[Step]:
    """Each rule with each set of parameters of its examples."""
    return list(dict.fromkeys(step(rule.name, **each.parameters) for rule in RULES.values() for each in rule.examples))


def examples() -> list[tuple[Rule, Example]]:
    return [(rule, each) for rule in RULES.values() for each in rule.examples]


every_step = pytest.mark.parametrize("each", steps(), ids=str)
every_example = pytest.mark.parametrize(
    ("rule", "shown"), examples(), ids=[f"{rule.name}-{shown.text[:20]!r}" for rule, shown in examples()]
)
thorough = settings(max_examples=60, deadline=None)


def pieces(rule: Rule) -> list[str]:
    """The texts of a rule's examples, whole and in parts, and strings that rules care about."""
    whole = [text for shown in rule.examples for text in (shown.text, shown.output)]
    parts = [part for text in whole for part in re.findall(r"\w+|\s+|[^\w\s]+|[^\w\s]", text)]
    values = [str(value) for shown in rule.examples for value in _leaves(shown.parameters)]
    return list(dict.fromkeys([*whole, *parts, *values, *COMMON]))


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def texts(rule: Rule) -> st.SearchStrategy[str]:
    """Any text, and texts glued together of pieces that the rule cares about."""
    glued = st.lists(st.sampled_from(pieces(rule)) | ANY_CHARACTER, max_size=12).map("".join)
    return glued | st.text(ANY_CHARACTER)


def check(each: Step, text: str) -> str:
    """The text after the rule; asserts all that must hold for what the rule says that it does."""
    edit = each.edit(text)
    if edit is None:
        return text
    assert isinstance(edit, Edit)
    assert 0 <= edit.start <= edit.end <= len(text), "the span is not in the text"
    assert edit.text is None or each.rule.rewrites, "a rule that is declared to cut rewrites"
    output = edit.apply(text)
    assert output != text, "an edit that changes nothing"
    assert isinstance(output, str)
    if edit.text is None:
        assert output == text[edit.start : edit.end]
    return output


@every_example
def test_example_comes_out_as_stated(rule: Rule, shown: Example) -> None:
    each = step(rule.name, **shown.parameters)
    assert check(each, shown.text) == each.apply(shown.text) == shown.output
    assert (each.edit(shown.text) is None) == (shown.output == shown.text)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_examples_show_a_text_that_changes_and_one_that_stays(rule: Rule) -> None:
    assert any(shown.output != shown.text for shown in rule.examples)
    assert any(shown.output == shown.text for shown in rule.examples)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_what_a_page_says_of_a_rule_is_there(rule: Rule) -> None:
    assert rule.summary.endswith((".", "!", "?")), "the first line of the docstring is a sentence"
    assert rule.reason.endswith("."), "the reason is a sentence"


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.rewrites], ids=lambda rule: rule.name)
def test_a_rule_that_is_declared_to_rewrite_has_an_example_of_it(rule: Rule) -> None:
    edits = [step(rule.name, **shown.parameters).edit(shown.text) for shown in rule.examples]
    assert any(edit is not None and edit.text is not None for edit in edits)


@every_step
@given(data=st.data())
@thorough
def test_rule_is_total_and_done_twice_changes_nothing_more(each: Step, data: st.DataObject) -> None:
    once = check(each, data.draw(texts(each.rule)))
    assert check(each, once) == once


@every_step
@given(text=st.text(ANY_CHARACTER, max_size=40), number=st.integers(1, 500))
@example(text="a", number=100_000)
@settings(max_examples=10, deadline=None)
def test_rule_is_total_on_a_long_text(each: Step, text: str, number: int) -> None:
    once = check(each, text * number)
    assert check(each, once) == once


@every_step
def test_time_does_not_grow_with_the_square_of_the_length(each: Step) -> None:
    for piece in filter(None, pieces(each.rule)):
        body = piece * (LONG // len(piece))
        for text in (body, f"{body}x", f"x{body}", f"x{body}.\n\nA"):
            began = time.process_time()
            check(each, text)
            seconds = time.process_time() - began
            assert seconds < SECONDS, f"{seconds:.2f} s for {piece!r} again and again: {text[:20]!r}..{text[-5:]!r}"


@pytest.mark.parametrize("each", [each for each in steps() if each.stops], ids=str)
@given(data=st.data())
@thorough
def test_from_the_first_stop_on_nothing_counts(each: Step, data: st.DataObject) -> None:
    pieced = st.lists(st.sampled_from([*pieces(each.rule), *each.stops]), max_size=8).map("".join)
    text, overhang = data.draw(pieced), data.draw(pieced)
    ends = [text.find(stop) + len(stop) for stop in each.stops if stop in text]
    if ends:
        cut = each.apply(text)
        assert each.apply(text[: min(ends)] + overhang) == cut
        assert each.apply(text[: min(ends)]) == cut


@pytest.mark.parametrize("each", [each for each in steps() if each.stops], ids=str)
def test_some_example_ends_at_a_stop(each: Step) -> None:
    assert any(stop in shown.text for shown in each.rule.examples for stop in each.stops)


@every_step
def test_step_is_the_same_after_yaml_and_after_travelling_between_processes(each: Step) -> None:
    adapter = TypeAdapter(Step)
    assert "\n" not in str(each)
    assert adapter.validate_python(yaml.safe_load(str(each))) == each
    assert adapter.validate_python(adapter.dump_python(each)) == each
    assert pickle.loads(pickle.dumps(each)) == each
    assert hash(pickle.loads(pickle.dumps(each))) == hash(each)
