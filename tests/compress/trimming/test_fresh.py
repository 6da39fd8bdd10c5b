"""A fresh tokenizer: the size asked for, no token in vain, any text comes back, the parent's added tokens in use."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from compress.trimming.audit import unreachable
from compress.trimming.fresh import fresh_tokenizer
from tests.compress.trimming.toy_parents import byte_level_parent, sentencepiece_parent, toy_texts

Parent = Callable[[], dict[str, Any]]
PARENTS = {
    "byte level": byte_level_parent,
    "byte fallback": sentencepiece_parent,
    "byte fallback with a prefix": lambda: sentencepiece_parent(prefix=True),
}
SIZE = 400
FRESH = {name: fresh_tokenizer(parent(), toy_texts(), SIZE) for name, parent in PARENTS.items()}
TEXTS = st.text().filter(
    lambda text: "▁" not in text
)  # SentencePiece's mark of a space is read as one, by the parent too


def loaded(content: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(content))


def added(content: dict[str, Any]) -> dict[str, int]:
    return {token["content"]: token["id"] for token in content["added_tokens"]}


@pytest.mark.parametrize("name", PARENTS)
def test_it_has_exactly_the_tokens_asked_for_with_ids_from_zero(name: str) -> None:
    tokenizer = loaded(FRESH[name])
    assert tokenizer.get_vocab_size() == SIZE
    assert sorted(tokenizer.get_vocab().values()) == list(range(SIZE))


@pytest.mark.parametrize("name", PARENTS)
def test_every_token_can_be_reached(name: str) -> None:
    content = FRESH[name]
    assert unreachable(content) == []
    tokenizer = loaded(content)
    made = {number for text in toy_texts() for number in tokenizer.encode(text, add_special_tokens=False).ids}
    byte_tokens = {token for token in content["model"]["vocab"] if token.startswith("<0x")}
    merged = {token for token in content["model"]["vocab"] if len(token) > 1} - byte_tokens - added(content).keys()
    inner = {side for pair in content["model"]["merges"] for side in pair}
    assert merged - inner <= {tokenizer.id_to_token(number) for number in made}


@pytest.mark.parametrize("name", PARENTS)
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_any_text_comes_back_whole(name: str, text: str) -> None:
    tokenizer = loaded(FRESH[name])
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("name", PARENTS)
def test_its_texts_come_back_whole_in_fewer_tokens_than_the_parent_needs(name: str) -> None:
    fresh, parent = loaded(FRESH[name]), loaded(PARENTS[name]())
    fewer = 0
    for text in toy_texts(50, seed=9):
        ids = fresh.encode(text, add_special_tokens=False).ids
        assert fresh.decode(ids) == text
        fewer += len(parent.encode(text, add_special_tokens=False).ids) - len(ids)
    assert fewer > 0


@pytest.mark.parametrize("name", PARENTS)
def test_the_same_texts_give_the_same_tokenizer(name: str) -> None:
    assert fresh_tokenizer(PARENTS[name](), iter(toy_texts()), SIZE) == FRESH[name]


def test_special_tokens_stay_and_reserved_or_unseen_ones_go() -> None:
    assert list(added(FRESH["byte level"])) == ["<|end|>", "<|start|>"]
    assert list(added(FRESH["byte fallback"])) == ["<unk>", "<s>", "</s>"]


def test_an_added_token_stays_if_a_text_has_it_or_it_is_to_be_kept() -> None:
    texts = [*toy_texts(), "wa\nna", "<unused1>"]
    content = fresh_tokenizer(sentencepiece_parent(), texts, SIZE, keep=["[tag]"])
    assert list(added(content)) == ["<unk>", "<s>", "</s>", "<unused1>", "\n", "[tag]"]
    tokens = loaded(content).encode("wa\nna[tag]", add_special_tokens=False).tokens
    assert [token for token in tokens if token in added(content)] == ["\n", "[tag]"]


def test_the_post_processor_puts_in_the_new_id() -> None:
    parent = sentencepiece_parent()
    parent["added_tokens"] = [token for token in parent["added_tokens"] if token["content"] != "<unk>"]
    parent["model"]["unk_token"] = None
    content = fresh_tokenizer(parent, toy_texts(), SIZE)
    assert added(content) == {"<s>": 0, "</s>": 1}
    assert loaded(content).encode("wa").ids[0] == 0


def test_a_text_is_neither_cut_nor_padded() -> None:
    assert FRESH["byte fallback"]["truncation"] is None
    assert len(loaded(FRESH["byte fallback"]).encode("7 " * 2_000).ids) > 2_000


def test_words_are_kept_apart_where_the_parent_has_no_pre_tokenizer() -> None:
    texts = ["wa na ku 12"] * 300 + toy_texts()
    tokens = fresh_tokenizer(sentencepiece_parent(), texts, SIZE)["model"]["vocab"]
    assert not [token for token in tokens if "▁" in token.lstrip("▁")]
    assert "12" not in tokens


def test_too_few_texts_say_how_many_tokens_they_give() -> None:
    with pytest.raises(ValueError, match=r"give (\d+) tokens .* and 5,000 are asked for; give \1 or fewer") as told:
        fresh_tokenizer(byte_level_parent(), toy_texts(20), 5_000)
    given = int(str(told.value).split("texts give ")[1].split(" ")[0])
    assert loaded(fresh_tokenizer(byte_level_parent(), toy_texts(20), given)).get_vocab_size() == given


@pytest.mark.parametrize("name", PARENTS)
def test_a_size_below_bytes_and_characters_says_the_least(name: str) -> None:
    with pytest.raises(ValueError, match=r"vocabulary: 100 is too small: .* are (\d+); give \1 or more") as told:
        fresh_tokenizer(PARENTS[name](), toy_texts(), 100)
    least = int(str(told.value).split(" are ")[1].split(";")[0])
    assert loaded(fresh_tokenizer(PARENTS[name](), toy_texts(), least)).get_vocab_size() == least


def test_a_parent_of_another_kind_is_refused() -> None:
    parent = byte_level_parent()
    parent["model"] = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}
    with pytest.raises(ValueError, match="Unigram kind"):
        fresh_tokenizer(parent, toy_texts(), SIZE)
