from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from compress.trimming.bpe import merge, pairs_of, ranks_of
from compress.trimming.tokenizer_file import TokenizerFile, byte_alphabet_of

LETTERS = st.text(alphabet="abdehiknoswzu t▁", max_size=40)


def own(file: TokenizerFile, word: str) -> list[str]:
    symbols: list[str] = []
    for character in word:
        fallback = [f"<0x{byte:02X}>" for byte in character.encode()]
        symbols += [character] if character in file.pieces else fallback
    return merge(symbols, file.ranks)[0]


def test_merges_are_read_in_both_forms() -> None:
    assert pairs_of({"merges": ["a b", ["ab", "c d"]]}) == [("a", "b"), ("ab", "c d")]


def test_the_last_of_equal_merges_counts() -> None:
    assert ranks_of([("a", "b"), ("b", "c"), ("a", "b")]) == {("a", "b"): 2, ("b", "c"): 1}


def test_the_lowest_rank_goes_first_and_then_the_leftmost() -> None:
    ranks = ranks_of([("b", "c"), ("a", "a"), ("a", "b")])
    assert merge("abc", ranks) == (["a", "bc"], ["bc"])
    assert merge("aaa", ranks) == (["aa", "a"], ["aa"])


@given(word=LETTERS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_merging_is_that_of_tokenizers_on_any_word(file: TokenizerFile, word: str) -> None:
    word = byte_alphabet_of(word) if file.byte_level else word.replace(" ", "▁")
    assert own(file, word) == [made.value for made in file.encoder.model.tokenize(word)]


@pytest.mark.slow
def test_merging_is_that_of_tokenizers_with_a_real_vocabulary(tmp_path: Path) -> None:
    from benchmarks.tiny_mistral import write_tokenizer
    from compress.trimming.tokenizer_file import read_tokenizer

    write_tokenizer(tmp_path)
    file = read_tokenizer(tmp_path / "tokenizer.json")
    real: Any = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            word = real.normalizer.normalize_str(line + " 日本 🙏 ɗaya")
            assert own(file, word) == [made.value for made in real.model.tokenize(word)]
