"""What is read of a train file: types, defaults, and what Axolotl makes of several keys together."""

from pathlib import Path
from typing import Any

import pytest

from oneday.config import ConfigError, Document
from tests.training.planning.tiny_models import LORA, settings_of
from training.planning.settings import KERNELS, OLDER_NAMES, TrainSettings, read_settings


def test_defaults_are_axolotls() -> None:
    from axolotl.utils.schemas.config import AxolotlInputConfig

    theirs = AxolotlInputConfig.model_fields
    same = (
        "sequence_len",
        "sample_packing_group_size",
        "sample_packing_bin_size",
        "micro_batch_size",
        "gradient_accumulation_steps",
        "num_epochs",
        "optimizer",
        "bf16",
    )
    assert {name: TrainSettings.model_fields[name].default for name in same} == {
        name: theirs[name].default for name in same
    }


def test_every_key_is_one_of_axolotls_or_of_a_plugin() -> None:
    from axolotl.integrations.cut_cross_entropy.args import CutCrossEntropyArgs
    from axolotl.integrations.liger.args import LigerArgs
    from axolotl.utils.schemas.config import AxolotlInputConfig

    from training.plugin_args import OneDayArgs

    models: tuple[Any, ...] = (AxolotlInputConfig, LigerArgs, CutCrossEntropyArgs, OneDayArgs)
    known = {name for model in models for name in model.model_fields}
    assert set(TrainSettings.model_fields) <= known


def test_older_names_of_attentions_are_axolotls() -> None:
    from axolotl.utils.schemas.enums import ATTN_IMPLS_SUPPORTING_PACKING, LEGACY_ATTN_FLAG_TO_IMPL

    assert OLDER_NAMES == LEGACY_ATTN_FLAG_TO_IMPL
    for name in ATTN_IMPLS_SUPPORTING_PACKING:
        assert settings_of(attn_implementation=name).reads_packed_rows
    assert settings_of(attn_implementation=None, flash_attention=True).attn_implementation == "flash_attention_2"


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"adapter": "lora"}, "", "lora_r is required"),
        ({"adapter": "lora", "lora_r": 8}, "", "lora_target_linear: true, or lora_target_modules"),
        ({"load_in_4bit": True}, "", "need an adapter"),
        ({"micro_batch_size": 0}, "micro_batch_size", "greater than or equal to 1"),
        ({"sequence_len": "long"}, "sequence_len", "valid integer"),
        ({"adapter": "llama-adapter"}, "adapter", "'lora' or 'qlora'"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        read_settings(Document(Path("train.yaml"), {"base_model": "tiny"} | values, {}))
    assert error.value.faults[0].key == key


def test_kernels_are_on_where_no_key_says_otherwise() -> None:
    plain = {key: value for key, value in LORA.items() if key not in KERNELS}
    assert settings_of(**plain).kernels == set(KERNELS)
    assert settings_of(**plain | {"load_in_8bit": True}).kernels == set()
    assert settings_of(**plain | {"lora_o_kernel": True}).kernels == {"lora_o_kernel"}
    assert settings_of().kernels == set()


def test_packing_pads_to_the_sequence_length_by_default() -> None:
    assert settings_of(sample_packing=True, sequence_len=1000).pads_to == 1024
    assert settings_of(sample_packing=False).pads_to == 64
    assert settings_of(sample_packing=True, pad_to_sequence_len=False, pad_to_multiple_of=8).pads_to is None


@pytest.mark.parametrize(
    ("values", "offloading", "recomputes"),
    [
        ({}, None, False),
        ({"gradient_checkpointing": True}, None, True),
        ({"gradient_checkpointing": True, "activation_offloading": "hidden_states"}, "hidden_states", True),
        ({"gradient_checkpointing": True, "activation_offloading": True}, "hidden_states", True),
        (LORA | {"gradient_checkpointing": True, "activation_offloading": True}, "all", False),
        (LORA | {"gradient_checkpointing": "offload"}, "all", False),
    ],
)
def test_offloading_replaces_recomputation_for_adapters_only(
    values: dict[str, Any], offloading: str | None, recomputes: bool
) -> None:
    settings = settings_of(**values)
    assert (settings.offloading, settings.recomputes) == (offloading, recomputes)


def test_the_budget_is_a_day_unless_the_recipe_says_less() -> None:
    assert settings_of().budget_hours == 24
    assert settings_of(oneday_budget_hours=3).budget_hours == 3
    assert settings_of(oneday_budget_seconds=1800).budget_hours == 0.5
