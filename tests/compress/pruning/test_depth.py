from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from compress.pruning.depth import most_influential
from compress.pruning.model import prune_model
from tests.compress.pruning.tiny_architectures import ALL, build, logits, save, settings, texts


@pytest.mark.parametrize("name", ALL)
def test_the_layer_that_does_nothing_goes(name: str, tmp_path: Path) -> None:
    """Also its entry in the list of attention kinds: one layer too far, and Gemma's layers would swap theirs."""
    model = build(name)
    idle = model.model.layers[2]
    attention, mlp = idle.self_attn.o_proj, idle.mlp.down_proj
    if name == "inkuba":  # its MLP is the other layers' too, so no layer does nothing; the norm before it can be silent
        idle.post_attention_layernorm.weight.data.zero_()
    elif name == "gemma3_text" or name == "gemma2":
        idle.post_feedforward_layernorm.weight.data.fill_(-1)
    else:
        mlp.weight.data.zero_()
        mlp.bias.data.zero_() if mlp.bias is not None else None
    attention.weight.data.zero_()
    attention.bias.data.zero_() if attention.bias is not None else None
    model.save_pretrained(tmp_path / "parent")
    report = prune_model(tmp_path / "parent", tmp_path / "pruned", settings(layers=3), texts())
    assert report.layers == [0, 1, 3]
    assert report.block_influence is not None and abs(report.block_influence[2]) < 1e-9
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(tmp_path / "parent", texts()), atol=1e-4)
    kinds = getattr(AutoConfig.from_pretrained(tmp_path / "pruned"), "layer_types", None)
    assert kinds is None or len(kinds) == 3
    if "gemma" in name:
        assert kinds == ["full_attention", "sliding_attention", "sliding_attention"]


def test_depth_first_keeps_the_first_layers(tmp_path: Path) -> None:
    report = prune_model(save(tmp_path, "llama"), tmp_path / "pruned", settings(layers=2, depth="first"), texts())
    assert report.layers == [0, 1]
    assert report.loss_before is not None and report.loss_after is not None


def test_the_first_and_the_last_layer_always_stay() -> None:
    assert most_influential([0.0, 0.3, 0.2, 0.3, 0.1, 0.0], 4) == (0, 1, 3, 5)
    assert most_influential([0.0, 0.3, 0.2, 0.3, 0.1, 0.0], 3) == (0, 1, 5)
    assert most_influential([0.5, 0.5], 2) == (0, 1)
    assert most_influential([0.5], 1) == (0,)
