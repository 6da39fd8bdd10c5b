from typing import Any

from compress.trimming.audit import produced, unreachable
from compress.trimming.tokenizer_file import TokenizerFile


def test_a_tokenizer_as_trained_has_no_unreachable_token(byte_level: TokenizerFile) -> None:
    assert unreachable(byte_level.data) == []


def test_a_token_without_the_merge_that_makes_it_is_found(byte_level: TokenizerFile) -> None:
    model: dict[str, Any] = byte_level.model
    *merges, last = model["merges"]
    assert unreachable(byte_level.data | {"model": model | {"merges": merges}}) == ["".join(last)]


def test_added_tokens_and_bytes_count_as_reachable(file: TokenizerFile) -> None:
    found = unreachable(file.data)
    assert not {token for token in found if token in file.added or token in file.byte_tokens}


def test_what_the_real_tokenizer_makes_is_reachable(file: TokenizerFile) -> None:
    made = produced(file.encoder, file, file.pieces)
    assert len(made) > 300
    assert not made & set(unreachable(file.data))


def test_what_is_unreachable_the_real_tokenizer_never_makes(file: TokenizerFile) -> None:
    assert produced(file.encoder, file, unreachable(file.data)) == set()
