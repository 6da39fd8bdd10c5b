from pathlib import Path
from typing import Any

import pytest

from compress.trimming.bpe import merge
from compress.trimming.tokenizer_file import TokenizerFile, byte_alphabet, read_tokenizer, tokenizer_file
from oneday.files import write_json


def test_the_alphabet_of_bytes_is_that_of_tokenizers() -> None:
    from tokenizers import pre_tokenizers

    assert set(byte_alphabet()) == set(pre_tokenizers.ByteLevel.alphabet())
    shown = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str("é\n ")[0][0]
    assert shown == "".join(byte_alphabet()[byte] for byte in "é\n ".encode())


def test_all_256_bytes_are_known(file: TokenizerFile) -> None:
    assert len(file.byte_tokens) == 256


def test_tokens_are_the_vocabulary_and_what_stands_behind_it(file: TokenizerFile) -> None:
    assert sorted(file.tokens) == list(range(len(file.ids)))
    assert file.tokens[file.ids["<turn>"]] == "<turn>"


def test_the_derivation_is_by_the_merges_that_bpe_uses_not_by_the_first_that_makes_the_token() -> None:
    vocabulary = {token: number for number, token in enumerate((*"▁abc", "bc", "ab", "abc", *FALLBACK))}
    merges = [["b", "c"], ["ab", "c"], ["a", "bc"], ["a", "b"]]  # the first that makes abc is never used
    file = tokenizer_file({"model": {"type": "BPE", "byte_fallback": True, "vocab": vocabulary, "merges": merges}})
    assert file.derivation("abc") == {"a", "b", "c", "bc", "abc"}


def test_a_token_that_bpe_never_makes_has_no_derivation_unless_merges_are_ignored_for_words() -> None:
    vocabulary = {token: number for number, token in enumerate((*"▁abc", "bc", "abc", *FALLBACK))}
    model = {"type": "BPE", "byte_fallback": True, "vocab": vocabulary, "merges": [["b", "c"]]}
    assert tokenizer_file({"model": model}).derivation("abc") is None
    assert tokenizer_file({"model": model | {"ignore_merges": True}}).derivation("abc") == {"abc"}


def test_each_derivation_makes_its_token(file: TokenizerFile) -> None:
    for token in file.pieces:
        derivation = file.derivation(token)
        if file.is_normal(token) and derivation is not None:
            ranks = {pair: rank for pair, rank in file.ranks.items() if "".join(pair) in derivation}
            assert merge(token, ranks)[0] == [token]


def test_a_token_has_the_text_that_it_decodes_to(file: TokenizerFile) -> None:
    tokens = [token for token in file.pieces if file.is_normal(token) and file.text_of(token)]
    assert tokens
    for token in tokens:
        assert file.encoder.decode([file.ids[token]], skip_special_tokens=False) == file.text_of(token)


def test_a_part_of_a_character_has_no_text(file: TokenizerFile) -> None:
    assert file.text_of(byte_alphabet()[0xE2] if file.byte_level else "<0xE2>") is None


@pytest.mark.parametrize("kind", ["Unigram", "WordPiece"])
def test_another_kind_is_refused_with_what_works(kind: str) -> None:
    with pytest.raises(ValueError, match=f"of {kind} kind, .* what works: tokenizers of BPE kind"):
        tokenizer_file({"model": {"type": kind, "vocab": {}}})


@pytest.mark.parametrize("key", ["continuing_subword_prefix", "end_of_word_suffix"])
def test_marks_inside_words_are_refused(data: dict[str, Any], key: str) -> None:
    data["model"][key] = "##"
    with pytest.raises(ValueError, match=f"{key} is '##', which is not supported"):
        tokenizer_file(data)


def test_a_tokenizer_without_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="has no tokens for bytes"):
        tokenizer_file({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})


def test_a_merge_of_tokens_that_are_not_there_is_refused(data: dict[str, Any]) -> None:
    left, right = data["model"]["merges"][0]
    del data["model"]["vocab"][left + right]
    with pytest.raises(ValueError, match="which is not in the vocabulary; the file was cut wrongly"):
        tokenizer_file(data)


def test_an_absent_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a tokenizer\.model alone is not read"):
        read_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("content", [{"version": "1.0"}, []])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "tokenizer.json", content)
    with pytest.raises(ValueError, match=r"is no tokenizer\.json"):
        read_tokenizer(tmp_path / "tokenizer.json")


FALLBACK = tuple(f"<0x{byte:02X}>" for byte in range(256))
