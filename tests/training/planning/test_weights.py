"""Parameters and bytes against real models, peft's adapters, bitsandbytes' tensors and torch's optimizers."""

from typing import Any

import pytest
import torch

from tests.training.planning.tiny_models import LLAMA, LORA, MISTRAL, QWEN3, build, settings_of, shapes, token_ids
from training.planning.geometry import geometry_of, published_config
from training.planning.weights import (
    adapter_parameters,
    optimizer_bytes,
    state_kind,
    stored_bytes,
    trained_parameters,
    weight_bytes,
)

TIED = {"tie_word_embeddings": True}
MODELS = {
    "llama": LLAMA,
    "llama tied": LLAMA | TIED,
    "llama with biases": LLAMA | {"attention_bias": True},
    "mistral": MISTRAL,
    "mistral tied": MISTRAL | TIED,
    "qwen3": QWEN3,
    "qwen3 tied": QWEN3 | TIED,
}
FEW = LORA | {"lora_target_linear": False, "lora_target_modules": ["q_proj", "v_proj"]}
TRAINED = {"all": {}, "adapters": LORA, "few": FEW, "copies": LORA | {"lora_modules_to_save": ["lm_head"]}}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_of_the_model(name: str) -> None:
    model = build(MODELS[name], settings_of())
    assert shapes(MODELS[name]).parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("trained", ["all", "adapters", "few"])
def test_trained_parameters_are_those_with_gradients(name: str, trained: str) -> None:
    settings = settings_of(**TRAINED[trained])
    model = build(MODELS[name], settings)
    real = sorted(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert sorted(parameter.numbers for parameter in trained_parameters(shapes(MODELS[name]), settings)) == real


def test_copies_of_modules_to_save_are_trained() -> None:
    settings = settings_of(**TRAINED["copies"])
    model = build(MISTRAL, settings)
    real = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert sum(parameter.numbers for parameter in trained_parameters(shapes(MISTRAL), settings)) == real


@pytest.mark.parametrize(
    ("name", "parameters"), [("mistralai/Mistral-7B-v0.1", 7_241_732_096), ("Qwen/Qwen3-8B-Base", 8_190_735_360)]
)
def test_published_models_have_their_published_sizes(name: str, parameters: int) -> None:
    config = published_config(name)
    assert config is not None
    assert geometry_of(config, name).parameters == parameters


def test_rank_128_on_all_linear_layers_of_mistral_7b_is_335_million() -> None:
    config = published_config("mistralai/Mistral-7B-v0.1")
    assert config is not None
    settings = settings_of(**LORA | {"lora_r": 128})
    assert sum(p.numbers for p in adapter_parameters(geometry_of(config, "published"), settings)) == 335_544_320


@pytest.mark.parametrize("double", [True, False])
def test_4_bit_bytes_are_those_that_bitsandbytes_holds(double: bool) -> None:
    from bitsandbytes.nn import Linear4bit

    model = build(MISTRAL, settings_of())
    for name, module in list(model.model.named_modules()):
        if isinstance(module, torch.nn.Linear):
            packed = Linear4bit(
                module.in_features, module.out_features, bias=False, quant_type="nf4", compress_statistics=double
            )
            packed.load_state_dict(module.state_dict())
            model.model.set_submodule(name, packed.to("cpu"))
    held = 0
    for module in model.modules():
        if isinstance(module, Linear4bit):
            state = module.weight.quant_state
            tensors = [module.weight, state.absmax, state.code]
            if double:
                tensors += [state.state2.absmax, state.state2.code, state.offset]
            held += sum(tensor.nbytes for tensor in tensors)
        else:
            held += sum(parameter.nbytes for parameter in module.parameters(recurse=False))
    quantised = {"adapter": "qlora", "load_in_4bit": True, "bnb_config_kwargs": {"bnb_4bit_use_double_quant": double}}
    assert weight_bytes(shapes(MISTRAL), settings_of(**LORA | quantised)) == held


def test_8_bit_bytes_are_a_byte_a_weight_and_a_scale_a_row() -> None:
    geometry = shapes(MISTRAL)
    full, packed = settings_of(**LORA), settings_of(**LORA | {"load_in_8bit": True})
    rows, weights = (sum(getattr(m, name) for m in geometry.linears) for name in ("outputs", "parameters"))
    assert weight_bytes(geometry, full) - weight_bytes(geometry, packed) == 3 * weights - 4 * rows


@pytest.mark.parametrize("trained", ["all", "adapters"])
@pytest.mark.parametrize("name", ["adamw_torch", "sgd", "adagrad"])
def test_optimizer_bytes_are_those_of_torchs_state(trained: str, name: str) -> None:
    settings = settings_of(**TRAINED[trained])
    model = build(MISTRAL, settings)
    classes: dict[str, Any] = {"adamw_torch": torch.optim.AdamW, "sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = classes[name](parameters, lr=1e-4)
    model(input_ids=token_ids(1, 8), labels=token_ids(1, 8)).loss.backward()
    optimizer.step()
    held = sum(t.nbytes for state in optimizer.state.values() for t in state.values() if t.dim() > 0)
    found = trained_parameters(shapes(MISTRAL), settings)
    assert optimizer_bytes(found, name) == held
    assert stored_bytes(found) == sum(parameter.grad.nbytes for parameter in parameters)


def test_8_bit_state_is_that_of_bitsandbytes() -> None:
    from bitsandbytes.optim import AdamW8bit

    settings = settings_of(**LORA | {"lora_r": 32})
    model = build(MISTRAL, settings)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer = AdamW8bit(parameters, lr=1e-4)
    optimizer.fill_qmap()
    for group_number, group in enumerate(optimizer.param_groups):
        for number, parameter in enumerate(group["params"]):
            optimizer.init_state(group, parameter, group_number, number)
    names = ("state1", "state2", "absmax1", "absmax2")
    held = sum(state[name].nbytes for state in optimizer.state.values() for name in names if name in state)
    assert optimizer_bytes(trained_parameters(shapes(MISTRAL), settings), "adamw_8bit") == held


def test_state_kinds_know_pages_and_say_what_they_do_not_know() -> None:
    assert state_kind("paged_adamw_8bit").paged
    assert state_kind("paged_adamw_32bit").bits == "32"
    assert state_kind("lion_8bit").states == 1
    assert not state_kind("muon").known
    assert state_kind("muon").states == 2


def test_every_optimizer_of_transformers_that_is_called_adamw_is_known() -> None:
    from transformers.training_args import OptimizerNames

    names = [name.value for name in OptimizerNames if "adamw" in name.value]
    special = ("galore", "apollo", "anyprecision", "4bit", "apex", "grok")
    unknown = [name for name in names if not state_kind(name).known and not any(part in name for part in special)]
    assert names
    assert unknown == []


def test_adapters_in_16_bits_take_half() -> None:
    geometry = shapes(MISTRAL)
    wide = settings_of(**LORA | {"bf16": True})
    narrow = settings_of(**LORA | {"bf16": True, "peft_autocast_adapter_dtype": False})
    assert stored_bytes(trained_parameters(geometry, wide)) == 2 * stored_bytes(trained_parameters(geometry, narrow))
