from pathlib import Path
from typing import Any

import pytest
import torch

from compress.pruning.calibration import calibration_ids
from compress.pruning.importance import choose_heads, head_energies, neuron_scores, rows_of, strongest
from compress.pruning.parent import open_model
from compress.pruning.refit import refit
from compress.pruning.residual import Channels, Rotation, gain_error, principal_directions
from compress.pruning.sizes import Sizes
from compress.pruning.statistics import InputSums, Watch, empty_inputs, empty_site
from compress.pruning.streaming import LayerStream
from tests.compress.pruning.tiny_architectures import save, texts


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sizes(heads: int, groups: int) -> Sizes:
    return Sizes(hidden=8, intermediate=8, heads=heads, groups=groups, head_dim=4, layers=1, positions=8)


def test_refit_finds_a_kept_input_that_carries_what_a_dropped_one_carried() -> None:
    inputs = drawn(4000, 6)
    inputs[:, 5] = 2 * inputs[:, 1] - inputs[:, 3]
    weight, kept = drawn(3, 6, seed=1), torch.arange(5)
    solved = refit(weight, kept, inputs.T @ inputs)
    before = (inputs @ weight.T - inputs[:, :5] @ weight[:, :5].T).square().mean()
    after = (inputs @ weight.T - inputs[:, :5] @ solved.T).square().mean()
    assert after < 0.5 * before


def test_refit_changes_nothing_where_nothing_goes_or_nothing_was_seen() -> None:
    inputs, weight = drawn(50, 6), drawn(3, 6, seed=1)
    assert torch.allclose(refit(weight, torch.arange(6), inputs.T @ inputs), weight, atol=1e-5)
    assert torch.allclose(refit(weight, torch.tensor([0, 4]), torch.zeros(6, 6)), weight[:, [0, 4]], atol=1e-5)


def test_refit_is_never_worse_on_the_calibration_texts() -> None:
    inputs = drawn(300, 12) @ drawn(12, 12, seed=2)
    weight, kept = drawn(5, 12, seed=1), torch.tensor([0, 3, 4, 7, 8, 11])
    solved = refit(weight, kept, inputs.T @ inputs)
    errors = [(inputs @ weight.T - inputs[:, kept] @ left.T).square().sum() for left in (weight[:, kept], solved)]
    assert errors[1] < 0.9 * errors[0]


def test_strongest_keeps_the_highest_scores_in_order_and_the_earlier_of_equals() -> None:
    choice = strongest(torch.tensor([1.0, 3, 0, 3, 1]), 3)
    assert choice.kept.tolist() == [0, 1, 3]
    assert choice.share == pytest.approx(7 / 8)


def test_head_energy_is_that_of_what_the_head_adds_to_the_stream() -> None:
    inputs, output = drawn(200, 8), drawn(5, 8, seed=3)
    wanted = [(inputs[:, part] @ output[:, part].T).square().sum() for part in (slice(0, 4), slice(4, 8))]
    assert torch.allclose(head_energies(inputs.T @ inputs, output, 4).float(), torch.stack(wanted), rtol=1e-4)


def test_heads_go_in_groups_and_the_weakest_of_each_kept_group_goes() -> None:
    energies = torch.tensor([9.0, 0, 1, 4, 4, 4, 5, 1, 5])  # groups of three: 9 0 1, 4 4 4, 5 1 5
    choice = choose_heads(energies, sizes(9, 3), sizes(4, 2))
    assert (choice.groups.tolist(), choice.heads.tolist()) == ([0, 2], [0, 2, 6, 8])
    assert choice.share == pytest.approx(20 / 33)


def test_all_rows_of_a_head_stay_together() -> None:
    assert rows_of(torch.tensor([2, 0]), 3).tolist() == [6, 7, 8, 0, 1, 2]


def test_neurons_are_scored_by_activation_times_the_length_of_their_column() -> None:
    sums = empty_inputs(2, with_moment=False)
    sums.add(torch.tensor([[[-1.0, 2.0], [3.0, 2.0]]]))
    assert neuron_scores(sums, torch.tensor([[3.0, 0.0], [4.0, 1.0]])).tolist() == pytest.approx([10, 2])


def test_a_site_weighs_every_token_the_same() -> None:
    site = empty_site(2, with_moment=True)
    site.add(torch.tensor([[[3.0, 4.0], [300.0, 400.0]]]), torch.tensor([[[1.0, -2.0], [1.0, 0.0]]]))
    assert site.energy.tolist() == pytest.approx([2 * 0.72, 2 * 1.28])
    assert site.output.tolist() == [2, 2]
    assert Channels(torch.tensor([1])).kept_energy(site) == pytest.approx(0.64)
    direction = torch.tensor([[0.6], [0.8]])
    assert Rotation(direction).kept_energy(site) == pytest.approx(1)


@pytest.mark.parametrize(("name", "tokens"), [("inkuba", [144, 288, 432, 576]), ("llama", [144] * 4)])
def test_the_shared_mlp_is_judged_by_all_its_uses(name: str, tokens: list[int], tmp_path: Path) -> None:
    seen = []

    def decide(layer: int, module: torch.nn.Module, attention: InputSums, neurons: InputSums) -> None:
        seen.append((layer, attention.tokens, neurons.tokens))

    model = open_model(save(tmp_path, name))
    watch = Watch(model.architecture, moments=False, neuron_moments=False, decide=decide)
    LayerStream(model.checkpoint, model.config, model.architecture, range(4)).run(texts(), watch)
    assert seen == [(layer, 144, tokens[layer]) for layer in range(4)]
    assert len(watch.sites) == 2 * 4 + 1


def test_principal_directions_span_the_top_and_share_its_energy() -> None:
    moment = torch.diag(torch.tensor([100.0, 1, 10, 0.1, 5, 0.01]))
    basis = principal_directions(moment, 3, seed=1)
    assert torch.allclose(basis.T @ basis, torch.eye(3), atol=1e-5)
    assert torch.allclose(basis[[1, 3, 5]], torch.zeros(3, 3), atol=1e-5)
    assert (basis.T @ moment @ basis).diagonal().max() < 95
    assert torch.equal(basis, principal_directions(moment, 3, seed=1))
    assert not torch.equal(basis, principal_directions(moment, 3, seed=2))


def test_a_rotation_keeps_the_mean_gain_in_the_norm() -> None:
    gain = drawn(6).abs() * 0.1
    split = Rotation(torch.eye(6)[:, :4]).split([gain])[0]
    assert torch.allclose(split.norm, gain.mean().expand(4))
    assert split.weights is not None
    assert torch.allclose(split.weights * gain.mean(), gain)


def test_proportional_gains_before_one_mlp_are_split_without_error() -> None:
    gain = drawn(6).abs() + 0.1
    gains = [gain, 2 * gain, -0.5 * gain]
    for split, wanted in zip(Rotation(torch.eye(6)).split(gains), gains, strict=True):
        assert split.weights is not None
        assert torch.allclose(split.norm[0] * split.weights, wanted, atol=1e-5)
    assert gain_error(gains) < 1e-6 < 0.1 < gain_error([gain, gain.flip(0)])


def test_calibration_ids_are_shuffled_by_the_seed_and_parted_by_the_end_of_text(tiny_tokenizer: Any) -> None:
    texts = [f"text {number}" for number in range(40)]
    ids = calibration_ids(tiny_tokenizer, iter(texts), 4, 16, seed=1)
    assert (ids.shape, ids.dtype) == ((4, 16), torch.int64)
    assert torch.equal(ids, calibration_ids(tiny_tokenizer, texts, 4, 16, seed=1))
    assert not torch.equal(ids, calibration_ids(tiny_tokenizer, texts, 4, 16, seed=2))
    found = tiny_tokenizer.decode(ids.flatten()).split("<eos>")[:-1]
    assert len(found) > 3 and set(found) < set(texts) and found != texts[: len(found)]
