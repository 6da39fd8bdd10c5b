"""Every prompt fits into the window with its answer: cut on the left, never refused for its length."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneday.prompt import build_prompt
from serve.config import Wrap
from serve.prompt_window import FittedPrompt, fit_prompt
from serve.text_tokens import decode, tokenize
from tests.serve.text_tokenizers import toys

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ["tiny", "llama", "legacy llama", "mistral", "qwen", "spaced"]
LONG = "".join(f"{number} the cat, né \U0001f64f\n" for number in range(400))
WRAP = Wrap(below_blank_lines=2, preamble="Answer.")


@pytest.fixture(scope="module")
def kinds(
    tiny_tokenizer: "PreTrainedTokenizerBase", tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, PreTrainedTokenizerBase]":
    return toys(tiny_tokenizer, tmp_path_factory.mktemp("tokenizers"))


def shown(tokenizer: Any, fitted: FittedPrompt) -> str:
    """The text that the model reads."""
    return decode(tokenizer, fitted.ids)


@pytest.mark.parametrize("kind", KINDS)
@given(
    text=st.text(max_size=80) | st.sampled_from(LONG).map(lambda character: character * 90),
    max_new_tokens=st.integers(0, 100),
    max_length=st.integers(16, 64),
    wrap=st.sampled_from([None, WRAP, Wrap(below_blank_lines=9, preamble="A very long preamble. " * 20)]),
)
@settings(deadline=None, max_examples=100)
def test_prompt_and_answer_always_fit(
    kinds: Any, kind: str, text: str, max_new_tokens: int, max_length: int, wrap: Wrap | None
) -> None:
    fitted = fit_prompt(kinds[kind], text, max_new_tokens, max_length, wrap)
    assert fitted.ids
    assert len(fitted.ids) + fitted.max_new_tokens <= max_length
    assert 0 <= fitted.max_new_tokens <= max_new_tokens
    assert fitted.max_new_tokens >= min(max_new_tokens, max_length // 2)
    assert 0 <= fitted.special <= len(fitted.ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_fits_is_what_tokenize_gives_behind_the_models_own_tokens(kinds: Any, kind: str) -> None:
    tokenizer, text = kinds[kind], " the cat </s>\n\u2581"
    fitted = fit_prompt(tokenizer, text, 5, 64, None)
    assert list(fitted.ids[fitted.special :]) == tokenize(tokenizer, text)
    assert fitted.ids[: fitted.special] == ((1,) if "llama" in kind else ())
    assert (fitted.max_new_tokens, fitted.cut) == (5, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_is_too_long_keeps_its_end_and_the_special_tokens_before_it(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    fitted, every = fit_prompt(tokenizer, LONG, 10, 100, None), tokenize(tokenizer, LONG)
    kept = list(fitted.ids[fitted.special :])
    assert kept == every[fitted.cut :]
    assert fitted.ids[: fitted.special] == ((1,) if "llama" in kind else ())
    assert 90 - 3 <= len(fitted.ids) <= 90
    assert fitted.max_new_tokens == 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", range(40, 48))
def test_no_character_is_cut_apart(kinds: Any, kind: str, max_length: int) -> None:
    text = "a\U0001f64f" * 50
    kept = shown(kinds[kind], fit_prompt(kinds[kind], text, 4, max_length, None)).lstrip()
    assert text.endswith(kept)
    assert len(kept) >= 10


def test_a_prompt_of_just_the_window_is_whole_and_one_more_token_costs_one(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    text = "Choose the option." * 20
    length = len(tokenize(tokenizer, text))
    assert fit_prompt(tokenizer, text, 4, length + 4, None) == FittedPrompt(tuple(tokenize(tokenizer, text)), 0, 4, 0)
    assert fit_prompt(tokenizer, text, 4, length + 3, None).cut == 1
    assert fit_prompt(tokenizer, text, 0, length, None).cut == 0


def test_for_a_prompt_fewer_new_tokens_are_written_rather_than_more_than_half_of_it_cut(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    short, long = "the cat", "Choose the option." * 20
    assert fit_prompt(tokenizer, short, 5000, 64, None).max_new_tokens == 64 - len(tokenize(tokenizer, short))
    assert fit_prompt(tokenizer, short, 5000, 64, None).cut == 0
    fitted = fit_prompt(tokenizer, long, 60, 64, None)
    assert (len(fitted.ids), fitted.max_new_tokens) == (32, 32)
    fitted = fit_prompt(tokenizer, long, 20, 64, None)
    assert (len(fitted.ids), fitted.max_new_tokens) == (44, 20)


def test_an_empty_prompt_is_the_beginning_or_the_end_of_a_sequence_or_some_token(kinds: Any) -> None:
    from transformers import PreTrainedTokenizerFast

    assert fit_prompt(kinds["llama"], "", 5, 64, None) == FittedPrompt((1,), 1, 5, 0)
    beginning = kinds["mistral"].bos_token_id
    assert fit_prompt(kinds["mistral"], "", 5, 64, None) == FittedPrompt((beginning,), 1, 5, 0)
    assert fit_prompt(kinds["qwen"], "", 5, 64, None) == FittedPrompt((kinds["qwen"].eos_token_id,), 1, 5, 0)
    backend = kinds["spaced"].backend_tokenizer
    padded = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="t")
    assert fit_prompt(padded, "", 5, 64, None).ids == (padded.pad_token_id,)
    assert fit_prompt(kinds["spaced"], "", 5, 64, None) == FittedPrompt((0,), 1, 5, 0)


def test_an_end_of_sequence_that_the_tokenizer_puts_behind_a_text_is_left_out(kinds: Any) -> None:
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(kinds["llama"].backend_tokenizer.to_str())
    ends = [("<s>", 1), ("</s>", 2)]
    backend.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    assert tokenizer("the")["input_ids"][-1] == 2
    assert fit_prompt(tokenizer, "the", 5, 64, None).ids == (1, *tokenize(tokenizer, "the"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_with_few_blank_lines_becomes_the_input_of_a_prompt(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    wrapped = build_prompt("Answer.", "", "the\n\ncat")
    assert shown(tokenizer, fit_prompt(tokenizer, "the\n\ncat", 5, 400, WRAP)) == wrapped
    assert shown(tokenizer, fit_prompt(tokenizer, "the\n\ncat\n\nsat", 5, 400, WRAP)) == "the\n\ncat\n\nsat"
    assert shown(tokenizer, fit_prompt(tokenizer, "", 5, 400, WRAP)) == build_prompt("Answer.", "", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", [150, 151, 152, 153, 154, 300])
def test_of_a_long_text_the_left_is_cut_and_the_form_around_it_stays(kinds: Any, kind: str, max_length: int) -> None:
    tokenizer = kinds[kind]
    fitted = fit_prompt(tokenizer, LONG, 10, max_length, WRAP)
    read = shown(tokenizer, fitted)
    before, after = "Answer.\n\n### Input:\n", "\n\n### Response:\n"
    assert read.startswith(before)
    assert read.endswith(after)
    kept = read.removeprefix(before).removesuffix(after)
    assert kept
    assert LONG.strip().endswith(kept)
    assert max_length - 16 <= len(fitted.ids) + fitted.max_new_tokens <= max_length
    assert fitted.max_new_tokens == 10
    left = tokenize(tokenizer, LONG.strip())[fitted.cut :]
    assert decode(tokenizer, left).strip() == kept


def test_a_form_that_alone_is_too_long_is_cut_itself(kinds: Any) -> None:
    wrap = Wrap(below_blank_lines=2, preamble="Long. " * 100)
    fitted = fit_prompt(kinds["tiny"], "the cat", 4, 32, wrap)
    assert (len(fitted.ids), fitted.max_new_tokens) == (28, 4)
    assert shown(kinds["tiny"], fitted).endswith("### Response:\n")


@pytest.mark.parametrize("kind", ["llama", "qwen"])
@pytest.mark.parametrize(("text", "wrap"), [(LONG, None), ("a", WRAP), ("a ", WRAP), (" ", None)])
def test_a_prompt_of_a_megabyte_is_cut_in_time(kinds: Any, kind: str, wrap: Wrap | None, text: str) -> None:
    """A second or so; a search token by token, or one that reads the whole again for each try, takes minutes."""
    long = text * (1_000_000 // len(text.encode()))
    started = time.perf_counter()
    fitted = fit_prompt(kinds[kind], long, 100, 2048, wrap)
    assert time.perf_counter() - started < 20
    assert len(fitted.ids) <= 1948


@pytest.mark.parametrize(("max_new_tokens", "max_length"), [(-1, 64), (5, 1)])
def test_a_negative_answer_and_a_window_of_nothing_are_refused(
    kinds: Any, max_new_tokens: int, max_length: int
) -> None:
    with pytest.raises(ValueError, match=f"max_new_tokens is {max_new_tokens} in a window of {max_length}"):
        fit_prompt(kinds["tiny"], "a", max_new_tokens, max_length, None)


def test_a_lone_surrogate_is_refused(kinds: Any) -> None:
    with pytest.raises(ValueError, match=r"U\+D800 at character 1"):
        fit_prompt(kinds["tiny"], "a\ud800", 5, 64, None)
    with pytest.raises(ValueError, match=r"U\+D800 at character 1"):
        fit_prompt(kinds["tiny"], "a\ud800", 5, 64, WRAP)
