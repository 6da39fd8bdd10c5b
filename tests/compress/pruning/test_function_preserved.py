from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from compress.pruning.decisions import decide
from compress.pruning.model import prune_model
from compress.pruning.parent import open_model
from compress.pruning.residual import Channels
from compress.pruning.slicing import Refitted, Rows, write_structured
from compress.pruning.statistics import FINAL
from tests.compress.pruning.tiny_architectures import ALL, ROTATABLE, build, logits, save, settings, texts

WIDTH, KEPT = 32, 24
SMALLER: dict[str, Any] = {"hidden_size": KEPT, "intermediate_size": 40, "attention_heads": 2}
DEAD_CHANNELS, DEAD_NEURONS = [3, 7, 8, 12, 20, 21, 30, 31], [0, 5, 6, 11, 17, 23, 40, 47]


def heads_of(name: str) -> tuple[dict[str, Any], list[int]]:
    """Half of the heads in two ways, and which heads do nothing: one in each group; of one to one heads, any two."""
    return ({"key_value_heads": 2}, [1, 2]) if name != "inkuba" else ({"key_value_heads": 2}, [0, 3])


def silence(model: Any, channels: Sequence[int], neurons: Sequence[int], heads: Sequence[int]) -> None:
    """Make channels that nothing writes to, neurons and heads that nothing comes of."""
    model.model.embed_tokens.weight.data[:, channels] = 0
    for layer in model.model.layers:
        for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
            linear.weight.data[channels] = 0
            if linear.bias is not None:
                linear.bias.data[channels] = 0
        layer.mlp.down_proj.weight.data[:, neurons] = 0
        layer.self_attn.o_proj.weight.data.unflatten(1, (4, 8))[:, heads] = 0


@pytest.mark.parametrize("name", ALL)
def test_pruning_nothing_preserves_the_function(name: str, tmp_path: Path) -> None:
    source = save(tmp_path, name)
    report = prune_model(source, tmp_path / "pruned", settings(refit=True), texts())
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(source, texts()), atol=1e-4)
    assert report.loss_after == pytest.approx(report.loss_before, abs=1e-5)
    assert report.after == report.before


@pytest.mark.parametrize("name", ROTATABLE)
def test_a_full_rotation_preserves_the_function(name: str, tmp_path: Path) -> None:
    source = save(tmp_path, name)
    report = prune_model(source, tmp_path / "pruned", settings(method="pca", head="untied"), texts())
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(source, texts()), atol=1e-4)
    assert report.kept["residual stream"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_what_does_nothing_goes_and_the_function_stays(name: str, tmp_path: Path) -> None:
    """Half of all that the norms divide by, and the embedding's scale, change with the width: all is made up for."""
    sizes, dead_heads = heads_of(name)
    model = build(name)
    silence(model, DEAD_CHANNELS, DEAD_NEURONS, dead_heads)
    model.save_pretrained(tmp_path / "parent")
    report = prune_model(tmp_path / "parent", tmp_path / "pruned", settings(refit=True, **SMALLER, **sizes), texts())
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(tmp_path / "parent", texts()), atol=1e-4)
    assert all(share == pytest.approx(1, abs=1e-5) for share in report.kept.values())


@pytest.mark.parametrize("name", ROTATABLE)
def test_pca_finds_the_directions_that_are_used(name: str, tmp_path: Path) -> None:
    """No channel is silent, but all that is written to the stream lies in 24 of 32 directions."""
    model = build(name)
    mix = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(2)))[0][:, :KEPT]
    project = mix @ mix.T
    model.model.embed_tokens.weight.data @= project
    for linear in [linear for layer in model.model.layers for linear in (layer.self_attn.o_proj, layer.mlp.down_proj)]:
        linear.weight.data = project @ linear.weight.data
        if linear.bias is not None:
            linear.bias.data = project @ linear.bias.data
    model.save_pretrained(tmp_path / "parent")
    prune_model(
        tmp_path / "parent", tmp_path / "pruned", settings(method="pca", head="untied", hidden_size=KEPT), texts()
    )
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(tmp_path / "parent", texts()), atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_a_permutation_preserves_the_function(name: str, tmp_path: Path) -> None:
    source = open_model(save(tmp_path, name))
    refitted, generator = Refitted(tmp_path / "refitted"), torch.Generator().manual_seed(5)
    plan = decide(source, source.sizes, (0, 1, 2, 3), settings(), texts(), refitted).plan
    groups = torch.randperm(source.sizes.groups, generator=generator)
    per_group = source.sizes.heads_per_group
    heads = (groups[:, None] * per_group + torch.randperm(per_group, generator=generator)).flatten()
    rows = Rows(_rows(heads), _rows(groups), torch.randperm(48, generator=generator))
    channels = Channels(torch.randperm(WIDTH, generator=generator))
    gains = {site: channels.split([gain.norm])[0] for site, gain in plan.gains.items()}
    assert FINAL in gains
    permuted = replace(plan, narrowing=channels, gains=gains, rows=dict.fromkeys(range(4), rows))
    (tmp_path / "pruned").mkdir()
    write_structured(source, source.config, permuted, tmp_path / "pruned")
    source.config.save_pretrained(tmp_path / "pruned")
    assert not torch.equal(channels.kept, torch.arange(WIDTH))
    assert torch.allclose(logits(tmp_path / "pruned", texts()), logits(tmp_path / name, texts()), atol=1e-4)


def _rows(heads: torch.Tensor) -> torch.Tensor:
    return (heads[:, None] * 8 + torch.arange(8)).flatten()


def test_a_rotation_reports_what_it_loses_before_a_shared_mlp(tmp_path: Path) -> None:
    model, generator = build("inkuba"), torch.Generator().manual_seed(4)
    for layer in model.model.layers:
        layer.post_attention_layernorm.weight.data = 1 + torch.rand(WIDTH, generator=generator)
    model.save_pretrained(tmp_path / "parent")
    report = prune_model(tmp_path / "parent", tmp_path / "pruned", settings(method="pca"), texts())
    assert report.gain_error is not None and 0.05 < report.gain_error < 0.3
