"""/decode inverts /tokenize byte for byte; nothing is added, and what cannot be exact is said."""

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.completing.token_text import vocabulary
from serve.text_tokens import HARD_TEXTS, decode, round_trip_fault, tokenize
from tests.serve.text_tokenizers import REAL, real_tokenizer, toys

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KINDS = ["tiny", "llama", "legacy llama", "mistral", "qwen", "spaced"]
LIKE_SPECIAL = ["<s>", "</s>", "<bos>", "<eos>", "<unk>", "<|im_end|>", "<|end|>", "<tool>", "<0x0A>", "\u2581", "Ġ"]
ANY_TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [*LIKE_SPECIAL, " ", "  ", "\n", "\r\n", "\t", "\0", "the", "cat", "e\u0301", "\u00e9", "\U0001f64f"]
    ),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def kinds(
    tiny_tokenizer: "PreTrainedTokenizerBase", tmp_path_factory: pytest.TempPathFactory
) -> "dict[str, PreTrainedTokenizerBase]":
    return toys(tiny_tokenizer, tmp_path_factory.mktemp("tokenizers"))


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT)
@settings(deadline=None, max_examples=200)
def test_a_text_comes_back_from_its_tokens_byte_for_byte(kinds: Any, kind: str, text: str) -> None:
    assert decode(kinds[kind], tokenize(kinds[kind], text)) == text


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT, length=st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_the_first_tokens_of_a_text_give_its_beginning(kinds: Any, kind: str, text: str, length: int) -> None:
    """Also where they end within a character; what HELM then sends is not longer than it wanted."""
    ids = tokenize(kinds[kind], text, truncation=True, max_length=length)
    assert ids == tokenize(kinds[kind], text)[:length]
    assert text.startswith(decode(kinds[kind], ids))


@pytest.mark.parametrize("kind", KINDS)
def test_no_hard_text_is_lost_by_a_tokenizer_with_all_bytes(kinds: Any, kind: str) -> None:
    assert round_trip_fault(kinds[kind]) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["the cat", "The\ncat  sat.\n\nb\n", "naïve \U0001f64f", "don 't , a ."])
def test_an_ordinary_text_has_the_tokenizers_own_tokens(kinds: Any, kind: str, text: str) -> None:
    assert tokenize(kinds[kind], text) == kinds[kind](text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_token_stands_for_nothing(kinds: Any, kind: str) -> None:
    assert tokenize(kinds[kind], "") == []
    assert decode(kinds[kind], []) == ""


def test_no_beginning_of_sequence_is_added_and_none_comes_back(kinds: Any) -> None:
    own = kinds["llama"]("the cat")["input_ids"]
    assert own[0] == 1
    assert [1, *tokenize(kinds["llama"], "the cat")] == own
    assert decode(kinds["llama"], own) == "the cat"


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_looks_like_a_special_token_is_plain_text(kinds: Any, kind: str) -> None:
    tokenizer = kinds[kind]
    special = vocabulary(tokenizer).special
    for text in LIKE_SPECIAL:
        assert not special & set(tokenize(tokenizer, f"a {text} b{text}"))


def test_the_callers_own_calls_of_the_tokenizer_change_nothing(kinds: Any) -> None:
    tokenizer = kinds["llama"]
    before = tokenize(tokenizer, "the cat </s>")
    tokenizer(["the", "the cat sat"], truncation=True, max_length=2, split_special_tokens=False)
    assert tokenize(tokenizer, "the cat </s>") == before


def test_truncation_needs_both_words(kinds: Any) -> None:
    every = tokenize(kinds["tiny"], "the cat sat")
    assert tokenize(kinds["tiny"], "the cat sat", max_length=2) == every
    assert tokenize(kinds["tiny"], "the cat sat", truncation=True) == every
    assert tokenize(kinds["tiny"], "the cat sat", truncation=True, max_length=2) == every[:2]
    assert tokenize(kinds["tiny"], "the cat sat", truncation=True, max_length=10**9) == every
    assert tokenize(kinds["tiny"], "the cat sat", truncation=True, max_length=0) == []


def test_a_negative_max_length_is_refused(kinds: Any) -> None:
    with pytest.raises(ValueError, match="max_length is -1; a number of tokens is 0 or more"):
        tokenize(kinds["tiny"], "a", truncation=True, max_length=-1)


def test_a_lone_surrogate_is_refused_with_its_place(kinds: Any) -> None:
    with pytest.raises(ValueError, match=r"lone surrogate U\+D83D at character 3; send well-formed"):
        tokenize(kinds["tiny"], "abc\ud83d")


@pytest.mark.parametrize("token", [-1, 284, 10**30])
def test_an_id_that_the_tokenizer_lacks_is_refused(kinds: Any, token: int) -> None:
    with pytest.raises(ValueError, match=rf"tokens\[1\] is {token}, which .* its tokens are 0 to 283"):
        decode(kinds["qwen"], [0, token])


def test_a_tokenizer_without_some_byte_is_said_to_lose_text() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = sorted({*pre_tokenizers.ByteLevel.alphabet()} - {"\u0104"})  # that of byte 4
    alphabet = {character: number for number, character in enumerate(characters)}
    bpe = Tokenizer(models.BPE(alphabet, []))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fault = round_trip_fault(PreTrainedTokenizerFast(tokenizer_object=bpe))
    assert fault == r"'\x04' comes back from its tokens as '', which differs from character 0 on"


@pytest.mark.parametrize("kind", ["mistral", "spaced"])
@pytest.mark.parametrize("text", ["a", "\u2581"])
def test_a_text_of_a_megabyte_takes_a_second_or_so(kinds: Any, kind: str, text: str) -> None:
    """Whoever reads each token's text anew from the beginning takes hours."""
    long = text * (1_000_000 // len(text.encode()))
    started = time.perf_counter()
    assert decode(kinds[kind], tokenize(kinds[kind], long)) == long
    assert time.perf_counter() - started < 30


@pytest.fixture(scope="module", params=list(REAL))
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return real_tokenizer(request.param, tmp_path_factory.mktemp("real"))


@pytest.mark.slow
def test_a_real_tokenizer_brings_back_every_text_that_it_has_bytes_for(real: Any) -> None:
    """SmolLM2's lacks six control characters, and all of the planes 4 to 11, which no Unicode version has filled."""
    lacks = {chr(4), chr(6), chr(0x13), chr(0x14), chr(0x16), chr(0x1D)} if vocabulary(real).byte_level else set()

    @given(text=ANY_TEXT)
    @settings(deadline=None, max_examples=500)
    def comes_back(text: str) -> None:
        known = "".join(c for c in text if c not in lacks and not (lacks and 0x40000 <= ord(c) < 0xC0000))
        assert decode(real, tokenize(real, known)) == known

    comes_back()
    for text in HARD_TEXTS:
        assert text in lacks or decode(real, tokenize(real, text)) == text
    fault = round_trip_fault(real)
    assert fault == (r"'\x04' comes back from its tokens as '', which differs from character 0 on" if lacks else None)


@pytest.mark.slow
def test_a_real_tokenizers_tokens_are_its_own(real: Any) -> None:
    @given(text=st.text(max_size=60))
    @settings(deadline=None, max_examples=200)
    def are_its_own(text: str) -> None:
        if "\u2581" not in text:
            assert tokenize(real, text) == real(text, add_special_tokens=False)["input_ids"]

    are_its_own()


@pytest.mark.slow
def test_a_real_tokenizer_reads_no_special_token(real: Any) -> None:
    for token in real.all_special_tokens:
        ids = tokenize(real, f"a{token}b")
        assert not vocabulary(real).special & set(ids)
        assert decode(real, ids) == f"a{token}b"
