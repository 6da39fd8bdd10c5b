"""The texts of tokens join to the text, whatever the tokenizer and wherever a character is split."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.completing.token_text import TextSoFar, rest_of_a_character, token_texts, vocabulary
from serve.text_tokens import tokenize
from tests.serve.text_tokenizers import toys

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ["tiny", "llama", "legacy llama", "mistral", "qwen", "spaced"]
PREFIXED = ["llama", "legacy llama", "mistral", "spaced"]


@pytest.fixture(scope="module")
def kinds(
    tiny_tokenizer: "PreTrainedTokenizerBase", tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, PreTrainedTokenizerBase]":
    return toys(tiny_tokenizer, tmp_path_factory.mktemp("tokenizers"))


def pieces(tokenizer: Any, text: str, before: str = "") -> list[str]:
    """The texts of a text's tokens behind those of another, both read as one."""
    ids = tokenize(tokenizer, before + text)
    start = len(tokenize(tokenizer, before))
    assert ids[:start] == tokenize(tokenizer, before)
    return token_texts(tokenizer, ids[start:], ids[:start])


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40), split=st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_texts_join_wherever_the_tokens_are_parted(kinds: Any, kind: str, text: str, split: int) -> None:
    tokenizer = kinds[kind]
    ids = tokenize(tokenizer, text)
    assert "".join(token_texts(tokenizer, ids)) == text
    first, second = token_texts(tokenizer, ids[:split]), token_texts(tokenizer, ids[split:], ids[:split])
    assert first + second == token_texts(tokenizer, ids)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_the_tokenizers_own_decoding(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    text = "The cat, naïve \U0001f468\u200d\U0001f469 ɗan. a b  c\n\n\te"
    ids = tokenizer(text)["input_ids"]
    assert "".join(token_texts(tokenizer, ids)).removeprefix(" ") == text
    own = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert own.removeprefix(" ") == text


@pytest.mark.parametrize("kind", PREFIXED)
def test_a_continuation_keeps_its_leading_space_and_a_text_has_none(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    assert vocabulary(tokenizer).prefixed
    ids = tokenize(tokenizer, "the cat")
    assert "".join(token_texts(tokenizer, ids)) == "the cat"
    assert "".join(token_texts(tokenizer, ids, before=ids)) == " the cat"


def test_special_tokens_before_a_text_do_not_make_it_a_continuation(kinds: Any) -> None:
    ids = tokenize(kinds["llama"], "the")
    assert "".join(token_texts(kinds["llama"], ids, before=[1])) == "the"


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_comes_with_its_last_token(kinds: Any, kind: str) -> None:
    assert pieces(kinds[kind], "\U0001f64f", before="ab") == ["", "", "", "\U0001f64f"]


def test_tokens_that_complete_a_prompts_character_have_it_whole(kinds: Any) -> None:
    ids = tokenize(kinds["llama"], "a\U0001f64fb")
    unfinished = ids[:-2]
    assert token_texts(kinds["llama"], ids[-2:], unfinished) == ["\U0001f64f", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unfinished_character_at_the_end_is_left_out(kinds: Any, kind: str) -> None:
    ids = tokenize(kinds[kind], "a\U0001f64f")[:-1]
    assert "".join(token_texts(kinds[kind], ids)) == "a"


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_no_text_become_replacement_characters(kinds: Any, kind: str) -> None:
    ids = tokenize(kinds[kind], "a\U0001f64fb")
    without_the_third = [*ids[:-3], *ids[-2:]]
    assert "".join(token_texts(kinds[kind], without_the_third)) == "a\ufffdb"


def test_special_tokens_and_spare_rows_have_no_text_and_part_no_character(kinds: Any) -> None:
    tokenizer = kinds["qwen"]
    ids = tokenize(tokenizer, "a\u00e9b")
    end, spare = tokenizer.eos_token_id, len(tokenizer) + 7
    assert token_texts(tokenizer, [ids[0], end, ids[1], end, spare, *ids[2:], end]) == [
        "a",
        "",
        "",
        "",
        "",
        "é",
        "b",
        "",
    ]


def test_an_added_token_that_is_no_special_one_has_its_spelling(kinds: Any) -> None:
    tokenizer = kinds["qwen"]
    assert token_texts(tokenizer, tokenizer("a<tool>b")["input_ids"]) == ["a", "<tool>", "b"]


def test_spaces_before_punctuation_stay_in_a_tokenizer_that_would_clean_them_up(kinds: Any) -> None:
    tokenizer = kinds["tiny"]
    tokenizer.clean_up_tokenization_spaces = True
    try:
        assert "".join(pieces(tokenizer, "don 't , no . ?")) == "don 't , no . ?"
    finally:
        tokenizer.clean_up_tokenization_spaces = False


def test_a_peeked_token_is_not_added(kinds: Any) -> None:
    tokenizer = kinds["llama"]
    cat, *rest = tokenize(tokenizer, "cat\u00e9")
    text = TextSoFar(tokenizer)
    assert [text.peek(cat), text.peek(cat), text.add(cat), text.peek(cat)] == ["", "", "", " "]
    for token in rest[:-1]:
        text.add(token)
    assert (text.text, text.peek(rest[-1]), text.peek(rest[-1]), text.text) == ("cat", "é", "é", "cat")
    assert (text.add(rest[-1]), text.text) == ("é", "caté")


def test_a_cut_list_says_how_many_tokens_end_a_character(kinds: Any) -> None:
    for tokenizer in kinds.values():
        ids = tokenize(tokenizer, "a\U0001f64fb")
        whole = len(ids) - 1
        assert [rest_of_a_character(tokenizer, ids[start:]) for start in range(whole - 4, whole + 1)] == [0, 3, 2, 1, 0]
        assert rest_of_a_character(tokenizer, []) == 0
        assert rest_of_a_character(tokenizer, ids[whole - 2 : whole]) == 2


def test_adding_a_token_costs_the_same_behind_a_long_text(kinds: Any) -> None:
    """Twenty times the tokens cost about twenty times as much, not four hundred times."""
    ids = tokenize(kinds["tiny"], "Choose the option. \U0001f64f")

    def seconds(count: int) -> float:
        text = TextSoFar(kinds["tiny"], before=ids * 1000)
        started = time.perf_counter()
        for _ in range(count):
            for token in ids:
                text.add(token)
        return time.perf_counter() - started

    assert min(seconds(2000) for _ in range(3)) < 80 * min(seconds(100) for _ in range(5))


def test_a_tokenizer_without_bytes_is_refused() -> None:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    words.decoder = decoders.WordPiece()
    with pytest.raises(ValueError, match=r"the tokenizer's decoder is .*WordPiece.*byte-level"):
        vocabulary(PreTrainedTokenizerFast(tokenizer_object=words))


def test_a_tokenizer_without_a_tokenizer_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"_Bare has no tokenizer\.json inside; save the model with"):
        vocabulary(_Bare())  # type: ignore[arg-type]


class _Bare:
    """What a tokenizer in Python looks like here."""


def test_the_vocabulary_is_read_once(kinds: Any) -> None:
    assert vocabulary(kinds["tiny"]) is vocabulary(kinds["tiny"])
