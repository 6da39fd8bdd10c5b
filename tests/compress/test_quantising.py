"""Weights in fewer bits: the model loads again, is smaller, and loses little."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmarks.random_inkuba import make_random_inkuba
from compress.config import CorpusFile, Quantise
from compress.inkuba import from_hub_layout, register
from compress.quantising import mean_loss, quantise_model, table

TEXTS = ["Choose the option.", "Which one? A", "Habari ya asubuhi, dunia"]
CORPUS = [CorpusFile(path="texts.txt", language="swh")]
INT8 = Quantise(texts_each=20, scheme="int8_weight_only", group_size=16, texts=CORPUS)
INT4 = Quantise(texts_each=20, scheme="int4_weight_only", group_size=32, texts=CORPUS)
IDS = torch.arange(3, 23)[None]


@pytest.fixture(scope="module")
def inkuba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    sizes = {"vocabulary": 600, "hidden_size": 64, "intermediate_size": 96, "layers": 3, "heads": 4}
    return from_hub_layout(make_random_inkuba(folder / "hub", **sizes), folder / "inkuba")


def test_int8_is_smaller_loads_again_and_loses_little(tiny_model_dir: Path, tmp_path: Path) -> None:
    report = quantise_model(tiny_model_dir, tmp_path / "model", INT8, TEXTS)
    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (tiny_model_dir, tmp_path / "model"))
    kinds = {name: type(value).__name__ for name, value in after.named_parameters()}
    quantised = {name for name, kind in kinds.items() if kind == "Int8Tensor"}
    assert quantised == {name for name in kinds if name.endswith("_proj.weight")}
    difference = (before(IDS).logits - after(IDS).logits).std() / before(IDS).logits.std()
    assert 0 < difference < 0.03
    assert report.bytes_after == (tmp_path / "model" / "model.safetensors").stat().st_size < report.bytes_before
    assert abs(report.loss_after - report.loss_before) < 0.05
    assert report.loss_after == mean_loss(tmp_path / "model", TEXTS)[0] != report.loss_before


def test_a_shared_mlp_is_quantised_and_stays_shared(inkuba: Path, tmp_path: Path) -> None:
    report = quantise_model(inkuba, tmp_path / "model", INT8, TEXTS)
    register()
    model, loading = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(loading.values())
    assert all(layer.mlp is model.model.layers[0].mlp for layer in model.model.layers)
    assert type(model.model.layers[2].mlp.up_proj.weight).__name__ == "Int8Tensor"
    linear = 3 * 4 * 64 * 64 + 3 * 64 * 96
    assert report.bytes_before - report.bytes_after > 2.4 * linear  # of four bytes each, one and the scales stay
    assert report.bytes_after > report.bytes_before - 3 * linear
    assert model.generate(IDS, max_new_tokens=2, min_new_tokens=2, do_sample=False, pad_token_id=0).shape[1] == 22


def test_the_tokenizer_comes_along_and_no_pickle(inkuba: Path, tmp_path: Path) -> None:
    quantise_model(inkuba, tmp_path / "model", INT8, TEXTS)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"tokenizer.json", "tokenizer_config.json", "model.safetensors", "config.json"} <= names
    assert not any(name.endswith((".bin", ".pt")) for name in names)


def test_the_loss_is_the_models_own_over_all_tokens(tiny_model_dir: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer, model = (
        AutoTokenizer.from_pretrained(tiny_model_dir),
        AutoModelForCausalLM.from_pretrained(tiny_model_dir),
    )
    total, count = 0.0, 0
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        total += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    loss, tokens = mean_loss(tiny_model_dir, [*TEXTS, ""])
    assert tokens == count
    assert loss == pytest.approx(total / count, rel=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can run it")
def test_int4_on_a_cpu_is_refused_before_any_work(tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"int4_weight_only needs a CUDA GPU.*take scheme: int8_weight_only"):
        quantise_model(tiny_model_dir, tmp_path / "model", INT4, TEXTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
def test_int4_on_a_gpu_is_smaller_and_loads_again(tiny_model_dir: Path, tmp_path: Path) -> None:
    report = quantise_model(tiny_model_dir, tmp_path / "model", INT4, TEXTS)
    assert report.bytes_after < report.bytes_before
    assert abs(report.loss_after - report.loss_before) < 1


def test_what_cannot_be_quantised_is_refused(inkuba: Path, tmp_path: Path) -> None:
    wide = Quantise(texts_each=20, scheme="int8_weight_only", group_size=64, texts=CORPUS)
    with pytest.raises(
        ValueError, match=r"group_size: 64 does not divide the 96 inputs of .*down_proj\S+; take one of 16, 32$"
    ):
        quantise_model(inkuba, tmp_path / "model", wide, TEXTS)
    with pytest.raises(ValueError, match="none of the 1 texts has two tokens"):
        quantise_model(inkuba, tmp_path / "model", INT8, [""])
    quantise_model(inkuba, tmp_path / "done", INT8, TEXTS)
    with pytest.raises(ValueError, match="is quantised already"):
        quantise_model(tmp_path / "done", tmp_path / "model", INT8, TEXTS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no model\.safetensors"):
        quantise_model(tmp_path / "empty", tmp_path / "model", INT8, TEXTS)
    assert not (tmp_path / "model").exists()
    shutil.rmtree(tmp_path / "done")


def test_widths_that_no_group_fits_are_said_to_be_so(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "narrow")
    with pytest.raises(ValueError, match=r"does not divide the 24 inputs of .*; no multiple of 16 fits all layers"):
        quantise_model(tmp_path / "narrow", tmp_path / "model", INT8, TEXTS)


def test_the_table_shows_bytes_and_loss(tiny_model_dir: Path, tmp_path: Path) -> None:
    report = quantise_model(tiny_model_dir, tmp_path / "model", INT8, TEXTS)
    text = table(report)
    assert f"{report.bytes_after:,}" in text and f"{report.loss_after:.4f}" in text and "groups of 16" in text
