"""Parameters by part, unique and stored, from headers and from settings."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from benchmarks.random_inkuba import make_random_inkuba
from compress.counts import Counts, comparison, count_parameters, parameters_of, part_of, table
from compress.inkuba import expand, from_hub_layout
from compress.inkuba_model import InkubaConfig

PARENT = {
    "vocab_size": 61_788,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 8,
    "num_attention_heads": 32,
    "head_dim": 64,
    "tie_word_embeddings": False,
}
HALF = PARENT | {"hidden_size": 1024, "intermediate_size": 2816, "head_dim": 32}
TRIMMED = {"vocab_size": 8_064}
TIED = {"tie_word_embeddings": True}
SMALL: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
ATTENTION = 2 * (2 * 32 * 32 + 2 * 16 * 32)
MLP = 2 * 3 * 32 * 48


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(PARENT, 421_939_200, id="parent"),
        pytest.param(PARENT | TRIMMED, 201_885_696, id="trimmed"),
        pytest.param(HALF | TRIMMED, 58_737_664, id="half width, untied"),
        pytest.param(HALF | TRIMMED | TIED, 50_480_128, id="50M"),
        pytest.param(HALF | TIED, 105_493_504, id="100M"),
        pytest.param(HALF | TRIMMED | TIED | {"num_hidden_layers": 6}, 42_087_424, id="40M"),
        pytest.param(HALF | TRIMMED | TIED | {"num_attention_heads": 16, "head_dim": 64}, 50_480_128, id="16 x 64"),
        pytest.param(HALF | TRIMMED | TIED | {"head_dim": 64}, 84_034_560, id="head size left as it was"),
    ],
)
def test_the_published_models_have_exactly_their_parameters(settings: dict[str, Any], expected: int) -> None:
    assert parameters_of(InkubaConfig(**settings)) == expected


@pytest.mark.parametrize(
    ("model", "config", "norms"),
    [
        (LlamaForCausalLM, LlamaConfig(**SMALL), 5 * 32),
        (Qwen3ForCausalLM, Qwen3Config(**SMALL), 5 * 32 + 4 * 8),
        (Gemma3ForCausalLM, Gemma3TextConfig(**SMALL), 9 * 32 + 4 * 8),
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_every_part_of_a_saved_model_is_counted(
    tmp_path: Path, model: Any, config: Any, norms: int, tied: bool
) -> None:
    config.tie_word_embeddings = tied
    model(config).save_pretrained(tmp_path)
    counts = count_parameters(tmp_path)
    head = 0 if tied else 90 * 32
    assert counts.parts == {
        "embeddings": 90 * 32,
        "head": head,
        "attention": ATTENTION,
        "mlp": MLP,
        "norms": norms,
        "other": 0,
    }
    assert counts.unique == counts.stored == parameters_of(config)
    assert counts.unique == AutoModelForCausalLM.from_pretrained(tmp_path).num_parameters()


def test_a_shared_mlp_counts_once_until_it_is_expanded(tmp_path: Path) -> None:
    hub = make_random_inkuba(
        tmp_path / "hub", "safetensors", vocabulary=600, hidden_size=32, intermediate_size=48, layers=3, heads=4
    )
    once = count_parameters(from_hub_layout(hub, tmp_path / "inkuba"))
    plain = count_parameters(expand(tmp_path / "inkuba", tmp_path / "plain"))
    mlp = 3 * 32 * 48
    assert once.parts["mlp"] == mlp and once.unique == once.stored
    assert plain.parts["mlp"] == 3 * mlp and plain.unique == plain.stored == once.unique + 2 * mlp
    as_on_the_hub = count_parameters(hub)
    assert (as_on_the_hub.unique, as_on_the_hub.stored) == (once.unique, plain.stored)
    assert once.bytes == (tmp_path / "inkuba" / "model.safetensors").stat().st_size


def test_a_tied_head_that_is_stored_all_the_same_counts_once(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SMALL, tie_word_embeddings=True)).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(
        tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, tmp_path / "model.safetensors"
    )
    counts = count_parameters(tmp_path)
    assert counts.stored - counts.unique == 90 * 32 and counts.parts["head"] == 0


def test_shards_are_added_up(tmp_path: Path) -> None:
    model = LlamaForCausalLM(LlamaConfig(**SMALL))
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    whole, shards = count_parameters(tmp_path / "whole"), count_parameters(tmp_path / "shards")
    assert (whole.parts, whole.unique, whole.stored) == (shards.parts, shards.unique, shards.stored)


def test_a_folder_without_weights_is_refused_and_a_bin_is_counted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no weights: looked for model\.safetensors and pytorch_model"):
        count_parameters(tmp_path)
    hub = make_random_inkuba(tmp_path / "hub", vocabulary=600, hidden_size=32, intermediate_size=48, layers=2, heads=4)
    counts = count_parameters(hub)
    assert (counts.parts["mlp"], counts.stored - counts.unique) == (3 * 32 * 48, 3 * 32 * 48)
    assert counts.bytes == (hub / "pytorch_model.bin").stat().st_size


def test_an_unknown_tensor_is_counted_as_other() -> None:
    assert part_of("model.layers.0.router.weight") == "other"
    assert part_of("model.layers.0.self_attn.q_norm.weight") == "norms"
    assert part_of("model.layers.0.self_attn.q_proj.bias") == "attention"


def test_the_tables_show_what_is_left() -> None:
    before = Counts({"embeddings": 2000, "head": 2000, "mlp": 1000}, 5000, 5000, 20_000)
    after = Counts({"embeddings": 500, "head": 0, "mlp": 1000}, 1500, 1500, 6000)
    assert (
        table(after)
        == "parameters\nembeddings    500\nmlp         1,000\nunique      1,500\nstored      1,500\nbytes       6,000"
    )
    assert comparison(before, after).splitlines() == [
        "parameters  before  after    left",
        "embeddings   2,000    500   25.0%",
        "head         2,000      0    0.0%",
        "mlp          1,000  1,000  100.0%",
        "unique       5,000  1,500   30.0%",
        "stored       5,000  1,500   30.0%",
        "bytes       20,000  6,000   30.0%",
    ]
