"""Rows for fresh tokens: copies where the parent has the token, means of its parts elsewhere."""

from typing import Any

import pytest
import torch

from compress.trimming import transplant as module
from compress.trimming.fresh import fresh_tokenizer
from compress.trimming.transplant import Transplant, rows_of, transplant, transplant_rows
from tests.compress.trimming.toy_parents import byte_level_parent, sentencepiece_parent, toy_texts

WIDTH = 8


def rows(count: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(5)).to(dtype)


def written(tokens: list[str]) -> str:
    """What the tokens of the parent spell; bytes of the fallback as the character that they are."""
    data = (bytes([int(token[3:-1], 16)]) if token.startswith("<0x") else token.encode() for token in tokens)
    return b"".join(data).decode()


@pytest.mark.parametrize("parent", [byte_level_parent(), sentencepiece_parent()], ids=["byte level", "byte fallback"])
def test_shared_tokens_keep_their_rows_and_others_get_the_mean_of_their_parts(parent: dict[str, Any]) -> None:
    fresh = fresh_tokenizer(parent, toy_texts(), 400)
    old, new = parent["model"]["vocab"], fresh["model"]["vocab"]
    before = rows(len(old))
    after = transplant_rows(before, parent, fresh)
    assert after.shape == (400, WIDTH)
    shared = [token for token in new if token in old]
    assert 260 < len(shared) < 400
    assert all(torch.equal(after[new[token]], before[old[token]]) for token in shared)
    made = transplant(parent, fresh).parts
    tokens = {number: token for token, number in old.items()}
    for token, number in new.items():
        if token not in old:
            assert written([tokens[part] for part in made[number]]) == token
            torch.testing.assert_close(after[number], before[made[number]].mean(0))


def test_the_parent_itself_gets_its_own_rows_back() -> None:
    parent = byte_level_parent()
    before = rows(len(parent["model"]["vocab"]))
    assert torch.equal(transplant_rows(before, parent, parent), before)


def test_characters_that_the_parent_lacks_are_made_of_its_bytes() -> None:
    parent = sentencepiece_parent()
    fresh = fresh_tokenizer(parent, [*toy_texts(), "😀 😀"], 400)
    number = fresh["model"]["vocab"]["😀"]
    expected = [parent["model"]["vocab"][f"<0x{byte:02X}>"] for byte in "😀".encode()]
    assert transplant(parent, fresh).parts[number] == expected


def test_the_methods_differ_as_they_are_named() -> None:
    before = rows(3)
    made = Transplant([[0, 1], [2]])
    assert torch.equal(rows_of(before, made, "first")[0], before[0])
    assert torch.equal(rows_of(before, made, "last")[0], before[1])
    torch.testing.assert_close(rows_of(before, made)[0], (before[0] + before[1]) / 2)
    kept = rows_of(before, made, "mean_of_norm")[0]
    torch.testing.assert_close(kept.norm(), (before[0].norm() + before[1].norm()) / 2)
    torch.testing.assert_close(kept / kept.norm(), (before[0] + before[1]) / (before[0] + before[1]).norm())
    assert made.copied == 1


def test_chunks_give_what_one_pass_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(50)
    made = Transplant([[number, (7 * number) % 50, (3 * number) % 50] for number in range(50)])
    whole = rows_of(before, made)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert torch.equal(rows_of(before, made), whole)


def test_the_rows_keep_the_parents_dtype_and_means_are_taken_in_float32() -> None:
    before = rows(4, torch.bfloat16)
    after = rows_of(before, Transplant([[0, 1, 2, 3], [1]]))
    assert after.dtype == torch.bfloat16
    assert torch.equal(after[0], before.float().mean(0).to(torch.bfloat16))
    assert torch.equal(after[1], before[1])


def test_tokenizers_of_two_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError, match="parent's tokenizer is of the kind byte-level and the fresh one SentencePiece's"
    ):
        transplant(byte_level_parent(), sentencepiece_parent())


def test_an_added_token_of_no_parent_is_refused() -> None:
    parent = byte_level_parent()
    fresh = byte_level_parent()
    fresh["added_tokens"].append(fresh["added_tokens"][0] | {"id": len(fresh["model"]["vocab"]), "content": "中"})
    with pytest.raises(ValueError, match="has no tokens for '中'; take only the parent's added tokens"):
        transplant(parent, fresh)


def test_fewer_rows_than_the_tokenizer_uses_are_refused() -> None:
    with pytest.raises(ValueError, match="has 3 rows, but its tokenizer uses the id 3"):
        rows_of(rows(3), Transplant([[0], [3]]))
