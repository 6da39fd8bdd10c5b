from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from compress.pruning.model import prune_model
from compress.pruning.random_choice import draw_order, published_seed, reduce_randomly
from tests.compress.pruning.tiny_architectures import build, logits, save, settings, texts

HALF = {"hidden_size": 16, "intermediate_size": 24, "head_dim": 4}


def halved(tensor: torch.Tensor, vocabulary: bool) -> torch.Tensor:
    """The published rule in its own words: half of the rows of each column, then half of the columns of each row."""
    for dimension in range(tensor.ndim):
        if vocabulary and dimension == 0:
            continue
        order = torch.rand_like(tensor).argsort(dim=dimension)
        first = order.index_select(dimension, torch.arange(tensor.shape[dimension] // 2))
        tensor = torch.take_along_dim(tensor, torch.sort(first, dim=dimension).values, dim=dimension)
    return tensor


def expected(model: Any, layers: int, inkuba: bool) -> dict[str, torch.Tensor]:
    """The published loop over a whole state dict in memory; shared tensors are halved once."""
    result, done = {}, {}
    state = model.state_dict()
    with torch.random.fork_rng():
        torch.manual_seed(123)
        for name in draw_order(state, inkuba):
            if name.startswith("model.layers.") and int(name.split(".")[2]) >= layers:
                continue
            place = state[name].data_ptr()
            if place not in done:
                done[place] = halved(state[name], vocabulary="embed" in name or "head" in name)
            result[name] = done[place]
    return result


@pytest.mark.parametrize("name", ["smollm", "inkuba", "llama"])
def test_random_is_the_published_method(name: str, tmp_path: Path) -> None:
    changes = {"attention_bias": False, "mlp_bias": False} if name == "llama" else {}
    source = save(tmp_path, name, **changes)
    choice = settings(method="random", seed=123, depth="first", layers=3, calibration=None, **HALF)
    report = prune_model(source, tmp_path / "pruned", choice, None)
    found = load_file(tmp_path / "pruned" / "model.safetensors")
    wanted = expected(build(name, **changes), 3, inkuba=name == "inkuba")
    assert found.keys() <= wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in found)
    assert (report.layers, report.loss_before, report.kept) == ([0, 1, 2], None, {})
    assert logits(tmp_path / "pruned", texts()).shape == (6, 24, 96)


def test_a_tied_head_takes_the_embeddings_values(tmp_path: Path) -> None:
    source = save(tmp_path, "llama")
    choice = settings(method="random", seed=123, head="tied", calibration=None, **HALF)
    report = prune_model(source, tmp_path / "pruned", choice, None)
    assert "lm_head.weight" not in load_file(tmp_path / "pruned" / "model.safetensors")
    assert (report.after.parameters["head"], report.after.tied_head) == (0, True)


def test_an_untied_head_is_drawn_once_with_the_embedding(tmp_path: Path) -> None:
    choice = settings(method="random", seed=123, head="untied", calibration=None, **HALF)
    prune_model(save(tmp_path, "smollm"), tmp_path / "pruned", choice, None)
    found = load_file(tmp_path / "pruned" / "model.safetensors")
    assert torch.equal(found["lm_head.weight"], found["model.embed_tokens.weight"])


def test_rows_stay_in_order_and_are_chosen_for_each_column_alone() -> None:
    tensor = torch.arange(64.0).reshape(16, 4)
    with published_seed(123):
        reduced = reduce_randomly(tensor, (8, 4))
    assert (reduced.diff(dim=0) > 0).all()
    assert torch.equal(reduced % 4, torch.arange(4.0).expand(8, 4))
    assert len({tuple((column // 4).tolist()) for column in reduced.T}) == 4


def test_a_size_that_stays_draws_nothing() -> None:
    with published_seed(1):
        reduce_randomly(torch.zeros(5, 6), (5, 6))
        after = torch.rand(1)
    with published_seed(1):
        assert torch.equal(after, torch.rand(1))


def test_the_global_generator_is_left_as_it_was() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(2)
    torch.manual_seed(7)
    with published_seed(123):
        torch.rand(9)
    assert torch.equal(torch.rand(2), wanted)


def test_inkubas_mlp_is_drawn_in_the_order_of_its_own_class() -> None:
    names = ["a.weight", "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.up_proj.weight"]
    names += ["model.layers.0.mlp.down_proj.weight", "model.norm.weight"]
    assert draw_order(names, inkuba=False) == names
    assert draw_order(names, inkuba=True) == [names[0], names[1], names[3], names[2], names[4]]
