"""The tokens returned are those of the text returned: their texts join to it, whatever was cut."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.chain import Step, apply_rules, step
from serve.completing.request import ScoredToken
from serve.returned_text import Returned, TextToken, echoed, prompt_texts, returned
from serve.text_tokens import tokenize
from tests.serve.rule_steps import CUTS, STEPS
from tests.serve.rule_steps import texts as texts_for_rules
from tests.serve.text_tokenizers import toys

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ["tiny", "llama", "legacy llama", "mistral", "qwen", "spaced"]
BLANK_LINE, STRIP = step("cut_at_blank_line"), step("strip")


@pytest.fixture(scope="module")
def kinds(
    tiny_tokenizer: "PreTrainedTokenizerBase", tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, PreTrainedTokenizerBase]":
    return toys(tiny_tokenizer, tmp_path_factory.mktemp("tokenizers"))


def scored(ids: Sequence[int]) -> list[ScoredToken]:
    """Tokens whose log-probabilities tell them apart, also in a sum."""
    return [ScoredToken(token, -(2.0 ** -(number % 50))) for number, token in enumerate(ids)]


def answer(
    tokenizer: Any, text: str, stop: Sequence[str] = (), rules: Sequence[Step] = (), cut: int | None = None
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
    rules=st.lists(st.sampled_from(CUTS), max_size=3),
    cut=st.integers(0, 60),
)
@settings(deadline=None, max_examples=150)
def test_tokens_join_to_the_text_that_stops_and_rules_leave(
    kinds: Any, kind: str, text: str, stop: list[str], rules: list[Step], cut: int
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


@pytest.mark.parametrize("each", STEPS, ids=str)
@given(text=texts_for_rules, cut=st.integers(0, 80))
@settings(deadline=None, max_examples=60)
def test_every_rule_leaves_tokens_that_join_to_its_text_with_the_log_probability_of_their_span(
    kinds: Any, each: Step, text: str, cut: int
) -> None:
    for kind in ("qwen", "llama"):
        tokens = scored(tokenize(kinds[kind], text)[:cut])
        before, after = (returned(tokens, kinds[kind], (), (), steps) for steps in ([], [each]))
        assert after.text == each.apply(before.text) == "".join(texts(after))
        edit = each.edit(before.text)
        if edit is None:
            assert after == before
            continue
        assert edit.text is None or each.rule.rewrites
        ends = list(accumulate((len(token.text) for token in before.tokens), initial=0))
        span = [
            token
            for token, start, end in zip(before.tokens, ends, ends[1:], strict=False)
            if max(start, edit.start) < min(max(end, start + 1), edit.end)
        ]
        if edit.text is not None:
            assert len(after.tokens) == (edit.text != "")
        if after.text:
            assert math.fsum(token.logprob for token in after.tokens) == math.fsum(token.logprob for token in span)


@given(text=texts_for_rules, steps=st.lists(st.sampled_from(STEPS), min_size=2, max_size=4))
@settings(deadline=None, max_examples=200)
def test_any_chain_of_rules_gives_the_text_that_it_gives_elsewhere(kinds: Any, text: str, steps: list[Step]) -> None:
    tokens = scored(tokenize(kinds["qwen"], text))
    raw = returned(tokens, kinds["qwen"], (), (), ()).text
    answered = returned(tokens, kinds["qwen"], (), (), steps)
    assert answered.text == apply_rules(raw, steps) == "".join(texts(answered))
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
    assert returned(tokens, tokenizer, prompt, (), [STRIP]).text == "the"
    assert returned(tokens, tokenizer, (1,), (), ()).text == "the"


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_of_several_tokens_keeps_all_their_log_probabilities(kinds: Any, kind: str) -> None:
    answered = answer(kinds[kind], ".\U0001f64f\n\nc", rules=[BLANK_LINE])
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
    assert answer(tokenizer, text, rules=[STRIP, BLANK_LINE]).text == "A "
    assert answer(tokenizer, text, rules=[BLANK_LINE, STRIP]).text == ""
    assert answer(tokenizer, text, stop=["B"], rules=[STRIP]).text == "A"


def test_of_equal_parts_a_rule_means_the_first(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    answered = answer(tokenizer, "A\n\nA", rules=[BLANK_LINE])
    assert [token.logprob for token in answered.tokens] == [-1.0]


def test_a_text_that_a_rule_rewrites_is_one_token_with_the_sum_of_what_it_is_made_from(kinds: Any) -> None:
    tokenizer = kinds["qwen"]
    ids = tokenize(tokenizer, "x #### 1,234.\n\nv")
    tokens, number = scored(ids), step("final_number")
    before = returned(tokens, tokenizer, (), (), ())
    answered = returned(tokens, tokenizer, (), (), [BLANK_LINE, number])
    edit = number.edit(before.text[: before.text.index("\n")])
    assert edit is not None and edit.text == "1234"
    ends = list(accumulate(len(token.text) for token in before.tokens))
    span = [token for token, end in zip(tokens, ends, strict=True) if edit.start < end <= edit.end]
    assert 0 < len(span) < len(tokens)
    assert answered == Returned("1234", (TextToken(span[0].id, "1234", math.fsum(token.logprob for token in span)),))
    assert returned(tokens, tokenizer, (), (), [BLANK_LINE, number, STRIP, BLANK_LINE]) == answered


def test_a_rule_that_rewrites_drops_the_alternatives_and_one_that_cuts_keeps_them(kinds: Any) -> None:
    tokenizer = kinds["qwen"]
    tokens = [ScoredToken(token, -0.5, ((token, -0.5),)) for token in tokenize(tokenizer, " a  b")]
    cut, rewritten = (returned(tokens, tokenizer, (), (), [each]).tokens for each in (STRIP, step("fix_spaces")))
    assert len(cut) > 1 and all(token.alternatives for token in cut)
    assert [token.alternatives for token in rewritten] == [()]


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
    assert returned([], kinds["tiny"], (), stop, STEPS) == Returned("", ())
