"""The tokens returned are those of the text returned: their texts join to it, whatever was cut."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess import rules as rules_module
from postprocess.rules import RuleName, apply_rules
from serve.completing.request import ScoredToken
from serve.returned_text import Returned, TextToken, echoed, prompt_texts, returned
from serve.text_tokens import tokenize
from tests.serve.text_tokenizers import toys

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ["tiny", "llama", "legacy llama", "mistral", "qwen", "spaced"]
RULES: list[RuleName] = ["cut_at_blank_line", "strip"]


@pytest.fixture(scope="module")
def kinds(
    tiny_tokenizer: "PreTrainedTokenizerBase", tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, PreTrainedTokenizerBase]":
    return toys(tiny_tokenizer, tmp_path_factory.mktemp("tokenizers"))


def scored(ids: Sequence[int]) -> list[ScoredToken]:
    """Tokens whose log-probabilities tell them apart, also in a sum."""
    return [ScoredToken(token, -(2.0 ** -(number % 50))) for number, token in enumerate(ids)]


def answer(
    tokenizer: Any, text: str, stop: Sequence[str] = (), rules: Sequence[RuleName] = (), cut: int | None = None
) -> Returned:
    """What is returned of a text that is generated behind a prompt."""
    prompt = tokenize(tokenizer, "ab")
    ids = tokenize(tokenizer, "ab" + text)
    assert ids[: len(prompt)] == prompt
    return returned(scored(ids[len(prompt) :][:cut]), tokenizer, prompt, stop, rules)


def texts(answered: Returned) -> list[str]:
    return [token.text for token in answered.tokens]


@pytest.mark.parametrize("kind", KINDS)
@given(
    text=st.text(alphabet="a \n.é\U0001f64f", max_size=30) | st.text(max_size=20),
    stop=st.lists(st.sampled_from(["", "\n", "\n\n", "a.", "é", ".\U0001f64f"]), max_size=3),
    rules=st.lists(st.sampled_from(RULES), max_size=3),
    cut=st.integers(0, 60),
)
@settings(deadline=None, max_examples=150)
def test_tokens_join_to_the_text_that_stops_and_rules_leave(
    kinds: Any, kind: str, text: str, stop: list[str], rules: list[RuleName], cut: int
) -> None:
    tokens = scored(tokenize(kinds[kind], text)[:cut])
    whole = returned(tokens, kinds[kind], (), (), ()).text
    assert text.startswith(whole)
    expected = min(
        (whole[: whole.find(ending)] for ending in stop if ending and ending in whole), key=len, default=whole
    )
    answered = returned(tokens, kinds[kind], (), stop, rules)
    assert answered.text == apply_rules(expected, rules) == "".join(texts(answered))
    assert [(token.id, token.logprob) for token in answered.tokens] == [
        (token.id, token.logprob) for token in tokens if token.logprob in {kept.logprob for kept in answered.tokens}
    ]
    assert answered.tokens or not answered.text


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_stop_string_ends_the_text_and_is_not_in_it(kinds: Any, kind: str) -> None:
    assert answer(kinds[kind], ".c\nd.e", stop=["e", "\n", "d"]).text == ".c"
    assert answer(kinds[kind], ".c\nd.e", stop=["", "x"]).text == ".c\nd.e"
    assert answer(kinds[kind], ".c", stop=["."]) == Returned("", ())


def test_a_stop_string_within_a_token_leaves_the_tokens_beginning(kinds: Any) -> None:
    tokenizer = kinds["spaced"]
    tokens = scored(tokenize(tokenizer, "the cat the"))
    assert texts(returned(tokens, tokenizer, (), (), ())) == ["the", " cat", " the"]
    answered = returned(tokens, tokenizer, (), ["t the"], ())
    assert answered.tokens == (
        TextToken(tokens[0].id, "the", tokens[0].logprob),
        TextToken(tokens[1].id, " ca", tokens[1].logprob),
    )


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_first_token_keeps_its_space_behind_a_prompt_and_the_rule_takes_it(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    tokens = scored(tokenize(tokenizer, "the"))
    prompt = tokenize(tokenizer, "cat")
    assert returned(tokens, tokenizer, prompt, (), ()).text == " the"
    assert returned(tokens, tokenizer, prompt, (), ["strip"]).text == "the"
    assert returned(tokens, tokenizer, (1,), (), ()).text == "the"


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_of_several_tokens_keeps_all_their_log_probabilities(kinds: Any, kind: str) -> None:
    answered = answer(kinds[kind], ".\U0001f64f\n\nc", rules=["cut_at_blank_line"])
    assert texts(answered) == [".", "", "", "", "\U0001f64f"]
    assert math.fsum(token.logprob for token in answered.tokens) == -(1 + 1 / 2 + 1 / 4 + 1 / 8 + 1 / 16)


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_that_is_cut_off_takes_all_its_tokens_along(kinds: Any, kind: str) -> None:
    assert texts(answer(kinds[kind], ".\U0001f64f", stop=["\U0001f64f"])) == ["."]
    assert texts(answer(kinds[kind], ".\U0001f64f", cut=3)) == ["."]
    assert answer(kinds[kind], "\U0001f64f", cut=3) == Returned("", ())


def test_a_special_token_within_a_text_stays_without_a_text(kinds: Any) -> None:
    tokenizer = kinds["qwen"]
    a, b = tokenize(tokenizer, "a"), tokenize(tokenizer, "b")
    answered = returned(scored([*a, tokenizer.eos_token_id, *b]), tokenizer, (), (), ())
    assert (answered.text, texts(answered)) == ("ab", ["a", "", "b"])


def test_the_rules_run_behind_the_stop_strings_in_their_order(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    text = " \n\nA \n\nB"
    assert answer(tokenizer, text, rules=["strip", "cut_at_blank_line"]).text == "A "
    assert answer(tokenizer, text, rules=["cut_at_blank_line", "strip"]).text == ""
    assert answer(tokenizer, text, stop=["B"], rules=["strip"]).text == "A"


def test_of_equal_parts_a_rule_means_the_first(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    answered = answer(tokenizer, "A\n\nA", rules=["cut_at_blank_line"])
    assert [token.logprob for token in answered.tokens] == [-1.0]


def test_a_text_that_a_rule_rewrites_is_one_token_with_the_sum(kinds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules_module.RULES, "strip", lambda text: text.upper())
    tokenizer = kinds["qwen"]
    ids = tokenize(tokenizer, "xyz\n\nv")
    answered = returned(scored(ids), tokenizer, (), (), ["cut_at_blank_line", "strip"])
    assert answered == Returned("XYZ", (TextToken(ids[0], "XYZ", -1.75),))
    again = returned(scored(ids), tokenizer, (), (), ["strip", "cut_at_blank_line"])
    assert (again.text, len(again.tokens)) == ("XYZ", 1)
    assert again.tokens[0].logprob == sum(token.logprob for token in scored(ids))


def test_alternatives_are_texts_in_their_place_behind_what_was_generated(kinds: Any) -> None:
    tokenizer = kinds["spaced"]
    the, cat = tokenize(tokenizer, "the cat")
    tokens = [ScoredToken(the, -0.5, ((the, -0.5), (cat, -1.5))), ScoredToken(cat, -0.25, ((cat, -0.25), (the, -2.0)))]
    first, second = returned(tokens, tokenizer, (), (), ()).tokens
    assert first.alternatives == (("the", -0.5), ("cat", -1.5))
    assert second.alternatives == ((" cat", -0.25), (" the", -2.0))
    (kept,) = returned(tokens[1:], tokenizer, (the,), ["t"], ()).tokens
    assert (kept.text, kept.alternatives) == (" ca", ((" cat", -0.25), (" the", -2.0)))


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40))
@settings(deadline=None, max_examples=60)
def test_an_echoed_prompt_is_its_text_and_has_as_many_tokens_as_tokenize_gives(
    kinds: Any, kind: str, text: str
) -> None:
    tokenizer = kinds[kind]
    ids = tokenize(tokenizer, text)
    for front in ([], [1]) if "llama" in kind else ([],):
        echo = echoed(scored([*front, *ids]), tokenizer, len(front))
        assert (echo.text, [token.id for token in echo.tokens]) == (text, ids)
        assert texts(echo) == prompt_texts(tokenizer, [*front, *ids], len(front))


def test_a_prompt_that_ends_in_a_token_without_text_is_echoed_with_it(kinds: Any) -> None:
    """As where the tokenizer has no token for a character and writes its unknown one."""
    echo = echoed(scored([1, *tokenize(kinds["llama"], "a"), 0]), kinds["llama"], 1)
    assert (echo.text, texts(echo)) == ("a", ["", "a", ""])


@pytest.mark.parametrize("stop", [[], ["a"]])
def test_nothing_generated_is_nothing_returned(kinds: Any, stop: list[str]) -> None:
    assert returned([], kinds["tiny"], (), stop, RULES) == Returned("", ())
