"""The stand-in for InkubaLM's gated weights: the hub's layout, and a tokenizer of exactly the wanted size."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from benchmarks.random_inkuba import main, make_random_inkuba
from benchmarks.random_tokenizer import SMALLEST, write_random_tokenizer

SMALL = {"hidden_size": 32, "intermediate_size": 48, "layers": 2, "heads": 4}


@pytest.mark.parametrize("vocabulary", [SMALLEST, 600, 4000])
def test_the_tokenizer_has_exactly_the_size_and_every_piece_is_reachable(tmp_path: Path, vocabulary: int) -> None:
    write_random_tokenizer(tmp_path, vocabulary, seed=1)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == vocabulary
    for number in range(3 + 256, vocabulary):
        piece = tokenizer.id_to_token(number)
        assert [token.id for token in tokenizer.model.tokenize(piece)] == [number]


def test_the_tokenizer_file_is_laid_out_like_the_hubs(tmp_path: Path) -> None:
    write_random_tokenizer(tmp_path, 2000, seed=1)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    model = content["model"]
    assert [(token["content"], token["id"]) for token in content["added_tokens"]] == [
        ("<unk>", 0),
        ("<s>", 1),
        ("</s>", 2),
    ]
    assert content["pre_tokenizer"] is None and content["truncation"]["max_length"] == 1024
    assert [step["type"] for step in content["normalizer"]["normalizers"]] == ["Prepend", "Replace"]
    assert [step["type"] for step in content["decoder"]["decoders"]] == ["Replace", "ByteFallback", "Fuse", "Strip"]
    assert model["byte_fallback"] and model["fuse_unk"]
    products = ["".join(merge.split(" ")) for merge in model["merges"]]
    assert len(products) > len(set(products)), "no product has several merges"
    assert set(products) <= set(model["vocab"])


@pytest.mark.parametrize("text", ["Habari ya asubuhi", "ina  mbili", "日本 ƙasa", "a\nb\tc", " mbele"])
def test_every_text_comes_back(tmp_path: Path, text: str) -> None:
    write_random_tokenizer(tmp_path, 600, seed=1)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_texts_shape_the_tokenizer_and_the_seed_decides_the_rest(tmp_path: Path) -> None:
    texts = ["qzxwv qzxwv"] * 50
    for name, given, seed in (("a", texts, 1), ("b", texts, 1), ("c", [], 2)):
        write_random_tokenizer(tmp_path / name, 700, seed, given)
    first, second, other = ((tmp_path / name / "tokenizer.json").read_bytes() for name in "abc")
    assert first == second != other
    assert "▁qzxwv" in Tokenizer.from_file(str(tmp_path / "a" / "tokenizer.json")).get_vocab()


def test_both_layouts_hold_the_same_weights_and_equal_mlp_copies(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    one = make_random_inkuba(tmp_path / "one", vocabulary=600, **SMALL)
    other = make_random_inkuba(tmp_path / "other", "safetensors", vocabulary=600, **SMALL)
    tensors, again = torch.load(one / "pytorch_model.bin", weights_only=True), load_file(other / "model.safetensors")
    assert tensors.keys() == again.keys()
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    first, second = (tensors[f"model.layers.{layer}.mlp.up_proj.weight"] for layer in (0, 1))
    assert torch.equal(first, second) and first.data_ptr() != second.data_ptr()
    assert not torch.equal(tensors["lm_head.weight"], tensors["model.embed_tokens.weight"])
    assert json.loads((one / "config.json").read_text())["architectures"] == ["VulavulaLlamaForCausalLM"]


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"vocabulary: 300 is too small: .* need 3"):
        make_random_inkuba(tmp_path / "out", vocabulary=300, **SMALL)
    with pytest.raises(ValueError, match="hidden_size: 32 does not fit heads: 3; it must be a multiple of 6"):
        make_random_inkuba(tmp_path / "out", vocabulary=600, **SMALL | {"heads": 3})
    assert main([str(tmp_path / "out"), "--vocabulary", "300"]) == 1
    assert "vocabulary: 300 is too small" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_folder(tmp_path: Path) -> None:
    options = [
        "--vocabulary",
        "600",
        "--hidden-size",
        "32",
        "--intermediate-size",
        "48",
        "--layers",
        "2",
        "--heads",
        "4",
    ]
    assert main([str(tmp_path / "out"), "--layout", "safetensors", *options]) == 0
    assert (tmp_path / "out" / "model.safetensors").is_file()
