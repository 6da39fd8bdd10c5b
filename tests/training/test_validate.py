"""Every rule of `python -m training.validate` is tripped once; the recipe that is spoilt is recipes/quickstart."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oneday.config import ConfigError, Fault, load_document
from oneday.recipe import load_recipe, training_files
from training.checks.axolotl_schema import axolotl_faults
from training.checks.compute_capability import capabilities, generation
from training.validate import check_recipe, check_train, main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """No test of this file opens a connection, not even one whose failure is swallowed."""
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield tried
    assert not tried


def faults_of(recipe: Any) -> list[Fault]:
    with pytest.raises(ConfigError) as caught:
        check_recipe(recipe.path)
    return caught.value.faults


def told(recipe: Any) -> dict[str, str]:
    """The message of each key; no key is reported twice."""
    faults = faults_of(recipe)
    assert len({(fault.file, fault.key) for fault in faults}) == len(faults), faults
    return {fault.key: fault.message for fault in faults}


def append(recipe: Any, text: str) -> None:
    with (recipe.path / "train.yaml").open("a", encoding="utf-8") as file:
        file.write(text)


def clear_schedule(recipe: Any) -> None:
    """Take out when the recipe saves, evaluates and warms up, for a test to say it."""
    keys = [f"{what}{end}" for what in ("save", "eval") for end in ("_strategy", "_steps", "s_per_epoch")]
    others = ("warmup_steps", "warmup_ratio", "load_best_model_at_end", "early_stopping_patience")
    recipe.remove("train.yaml", *keys, *others)


DATA_FILES = sorted(ROOT.glob("recipes/**/data*.yaml"))


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_data_file_of_a_recipe_is_checked_with_its_folder(path: Path) -> None:
    assert path in check_recipe(path)


@pytest.mark.parametrize(
    "folder", sorted(path for path in ROOT.glob("recipes/*") if path.is_dir()), ids=lambda path: path.name
)
def test_every_recipe_is_valid(folder: Path) -> None:
    trained_by = [path for path in training_files(folder) if path is not None]
    assert set(trained_by) <= set(check_recipe(folder))


def test_valid_recipe_passes_without_its_model_and_names_the_files(recipe: Any) -> None:
    recipe.edit("train.yaml", base_model="nobody/no-such-model")
    recipe.remove("train.yaml", "oneday_base_model_from")
    assert [path.name for path in check_recipe(recipe.path)] == [
        "data.yaml",
        "eval.yaml",
        "rules.yaml",
        "serve.yaml",
        "train.yaml",
    ]


def test_typos_in_all_files_are_reported_together_with_the_nearest_key(recipe: Any) -> None:
    recipe.edit("data.yaml", sed=1, mix__eval_shar=0.1)
    recipe.edit("eval.yaml", batchsize=1, variants__0__modle="base")
    recipe.edit(
        "train.yaml",
        gradient_acumulation_steps=4,
        datasets__0__type__field_ouput="answer",
        special_tokens={"pad_tokn": 1},
    )
    expected = {
        ("data.yaml", "sed"): "'seed'",
        ("data.yaml", "mix.eval_shar"): "'eval_share'",
        ("eval.yaml", "batchsize"): "'batch_size'",
        ("eval.yaml", "variants.0.modle"): "'model'",
        ("train.yaml", "gradient_acumulation_steps"): "'gradient_accumulation_steps'",
        ("train.yaml", "datasets.0.type.field_ouput"): "'field_output'",
        ("train.yaml", "special_tokens.pad_tokn"): "'pad_token'",
    }
    faults = {(fault.file.name, fault.key): fault for fault in faults_of(recipe)}
    assert faults.keys() >= expected.keys()
    for place, nearest in expected.items():
        assert nearest in faults[place].message
        lines = (recipe.path / place[0]).read_text(encoding="utf-8").splitlines()
        line = faults[place].line
        assert line is not None
        assert place[1].rpartition(".")[2] in lines[line - 1]


@pytest.mark.parametrize(
    "key",
    ["random_split", "instances_for_test_metric", "debug", "debug_num_examples", "attn_supports_packing"],
)
def test_key_that_axolotl_drops_silently_is_a_fault(recipe: Any, key: str) -> None:
    append(recipe, f"{key}: true\n")
    assert "unknown key" in told(recipe)[key]


def test_keys_that_axolotl_still_maps_are_allowed(recipe: Any) -> None:
    recipe.remove("train.yaml", "attn_implementation")
    append(recipe, "flash_attention: true\nmodel_type: LlamaForCausalLM\nnoisy_embedding_alpha: 5\nlocal_rank:\n")
    append(recipe, "model_config: {sliding_window: null}\n")
    check_recipe(recipe.path)


def test_prefixed_fsdp_keys_are_allowed_and_their_typos_are_not(recipe: Any) -> None:
    append(recipe, "fsdp_config: {fsdp_offload_params: false, version: 2, fsdp_offload_parms: false}\n")
    assert set(told(recipe)) == {"fsdp_config.fsdp_offload_parms"}


def test_open_mappings_may_hold_anything(recipe: Any) -> None:
    append(recipe, "lr_scheduler_kwargs: {any: 1}\noverrides_of_model_config: {thing: {deep: 2}}\n")
    check_recipe(recipe.path)


def test_key_of_another_kind_of_data_set_is_a_fault(recipe: Any) -> None:
    recipe.edit("train.yaml", datasets__0__field_chosen="x", test_datasets__0__length=3)
    assert set(told(recipe)) == {"datasets.0.field_chosen", "test_datasets.0.length"}


def test_preference_data_sets_are_read_as_axolotl_reads_them(recipe: Any) -> None:
    entry = {"path": "nobody/pairs", "type": {"field_chosen": "a", "field_output": "b"}}
    recipe.edit("train.yaml", rl="dpo", sample_packing=False, eval_sample_packing=False, datasets=[entry])
    recipe.remove("train.yaml", "test_datasets")
    assert set(told(recipe)) == {"datasets.0.type.field_output"}


def test_wrong_types_are_reported_with_their_key_paths(recipe: Any) -> None:
    prompt = {"field_instruction": "question", "field_output": 3}
    recipe.edit("train.yaml", datasets__0__type=prompt, test_datasets__0__split=[1], lora_r="many", bf16="perhaps")
    messages = told(recipe)
    assert set(messages) == {"datasets.0.type.field_output", "lora_r", "bf16", "test_datasets.0.split"}
    assert "valid string" in messages["datasets.0.type.field_output"]
    assert "'auto'" in messages["bf16"] and "boolean" in messages["bf16"], "all that is allowed is said"


def test_values_that_are_no_mapping_or_list_are_reported(recipe: Any) -> None:
    recipe.edit("train.yaml", datasets={"path": "x"}, test_datasets=["x"], fsdp_config=3, special_tokens="x", trl=[1])
    assert set(told(recipe)) == {"datasets", "test_datasets.0", "fsdp_config", "special_tokens", "trl"}


def test_data_set_over_which_axolotl_stumbles_is_a_fault(recipe: Any) -> None:
    recipe.edit("train.yaml", datasets__0__message_property_mappings=3)
    assert set(told(recipe)) == {"datasets.0"}


def test_numbers_written_as_strings_are_allowed_where_axolotl_reads_them(recipe: Any) -> None:
    recipe.remove("train.yaml", "learning_rate", "weight_decay")
    append(recipe, "learning_rate: 2e-4\nweight_decay: 1e-2\n")
    assert isinstance(load_document(recipe.path / "train.yaml").values["learning_rate"], str)
    check_recipe(recipe.path)


def test_all_broken_rules_of_axolotl_are_reported_with_the_wrong_types(recipe: Any) -> None:
    clear_schedule(recipe)
    recipe.edit("train.yaml", saves_per_epoch=2, save_steps=5, warmup_steps=3, warmup_ratio=0.1, lora_r="many")
    messages = told(recipe)
    assert "save_steps and saves_per_epoch are mutually exclusive" in messages["save_steps"]
    assert "warmup_steps and warmup_ratio are mutually exclusive" in messages["warmup_steps"]
    assert "lora_r" in messages


def test_rules_on_the_whole_file_are_reported_one_after_another(recipe: Any) -> None:
    clear_schedule(recipe)
    append(recipe, "early_stopping_patience: 3\nscaling_softmax: true\n")
    assert set(told(recipe)) == {"early_stopping_patience", "scaling_softmax"}


def test_key_that_axolotl_refuses_is_reported_once_in_its_words(recipe: Any) -> None:
    append(recipe, "rope_scaling: {type: linear}\nmax_packed_sequence_len: 5\nunsloth_lora_mlp: true\n")
    messages = told(recipe)
    assert set(messages) == {"rope_scaling", "max_packed_sequence_len", "unsloth_lora_mlp"}
    assert all("no longer supported" in text or "removed" in text for text in messages.values())


def test_plugins_that_cannot_be_loaded_are_faults(recipe: Any) -> None:
    plugins = ["training.plugin.OneDayPlugin", "nobody.Plugin", "training.plugin.Nothing", "short"]
    recipe.edit("train.yaml", plugins=plugins)
    messages = told(recipe)
    assert set(messages) == {"plugins.1", "plugins.2", "plugins.3"}
    assert "nobody.Plugin cannot be loaded" in messages["plugins.1"]


def test_plugins_argument_is_checked(recipe: Any) -> None:
    recipe.edit("train.yaml", oneday_base_model_from="no-colon")
    assert "pattern" in told(recipe)["oneday_base_model_from"]


def test_key_of_a_plugin_that_is_not_named_names_the_plugin(recipe: Any) -> None:
    append(recipe, "liger_rope: true\n")
    recipe.remove("train.yaml", "plugins")
    messages = told(recipe)
    assert "axolotl.integrations.liger" in messages["liger_rope"]
    assert "training.plugin.OneDayPlugin" in messages["oneday_base_model_from"]


def test_key_of_a_named_plugin_is_allowed(recipe: Any) -> None:
    plugins = ["training.plugin.OneDayPlugin", "axolotl.integrations.liger.LigerPlugin"]
    recipe.edit("train.yaml", plugins=plugins, liger_rope=True)
    check_recipe(recipe.path)


def test_check_leaves_plugins_and_hub_access_as_they_were(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from axolotl.integrations.base import PluginManager
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    before = dict(PluginManager.get_instance().plugins)
    check_recipe(recipe.path)
    assert dict(PluginManager.get_instance().plugins) == before
    assert "HF_HUB_OFFLINE" not in os.environ
    assert constants.HF_HUB_OFFLINE is False


DEMANDS: list[tuple[dict[str, Any], str, str]] = [
    ({"attn_implementation": None}, "attn_implementation", "packed rows"),
    ({"excess_length_strategy": None}, "excess_length_strategy", "vanish silently"),
    ({"special_tokens__pad_token": "<|im_end|>"}, "special_tokens.pad_token", "eos_token"),
    ({"output_dir": "out"}, "output_dir", "runs/quickstart/06_train/"),
    ({"output_dir": "runs/quickstart/06_train"}, "output_dir", "runs/quickstart/06_train/"),
    ({"output_dir": "runs/quickstart/06_train/../../other/06_train"}, "output_dir", "runs/quickstart/06_train/"),
    ({"output_dir": "runs/other/06_train/model"}, "output_dir", "runs/quickstart/06_train/"),
    ({"datasets__0__path": "runs/other/05_mix/train.jsonl"}, "datasets.0.path", "runs/quickstart/05_mix/train.jsonl"),
    ({"datasets__0__path": "runs/quickstart/05_mix/eval.jsonl"}, "datasets.0.path", "05_mix/train.jsonl"),
    ({"test_datasets__0__path": "./runs/other/x.jsonl"}, "test_datasets.0.path", "runs/quickstart/05_mix/eval.jsonl"),
    ({"trust_remote_code": True}, "trust_remote_code", "nobody"),
    ({"datasets__0__trust_remote_code": True}, "datasets.0.trust_remote_code", "nobody"),
    ({"auto_resume_from_checkpoints": False}, "auto_resume_from_checkpoints", "cut off"),
    ({"seed": None}, "seed", "repeated"),
    ({"save_only_model": True}, "save_only_model", "cannot be resumed"),
    ({"deepspeed": "recipes/absent.json"}, "deepspeed", "no such file: recipes/absent.json"),
    ({"oneday_budget_hours": 24}, "warmup_steps", "warmup_ratio"),
]


@pytest.mark.parametrize(
    ("changes", "key", "reason"), DEMANDS, ids=[f"{n}-{key}" for n, (_, key, _) in enumerate(DEMANDS)]
)
def test_demand_of_this_project_is_reported_with_its_reason(
    recipe: Any, changes: dict[str, Any], key: str, reason: str
) -> None:
    recipe.edit("train.yaml", **changes)
    messages = told(recipe)
    assert set(messages) == {key}
    assert reason in messages[key]


@pytest.mark.parametrize(
    ("output", "ds_type", "keys"),
    [
        ("parquet", "parquet", set()),
        ("parquet", None, set()),
        ("parquet", "json", {"datasets.0.ds_type", "test_datasets.0.ds_type"}),
        (
            "jsonl",
            "parquet",
            {f"{key}.0.{last}" for key in ("datasets", "test_datasets") for last in ("path", "ds_type")},
        ),
    ],
)
def test_training_reads_the_format_that_the_mix_writes(
    recipe: Any, output: str, ds_type: str | None, keys: set[str]
) -> None:
    recipe.edit("data.yaml", mix__output=output)
    for key, name in (("datasets", "train"), ("test_datasets", "eval")):
        path = f"runs/quickstart/05_mix/{name}.parquet"
        recipe.edit("train.yaml", **{f"{key}__0__path": path, f"{key}__0__ds_type": ds_type})
    if keys:
        messages = told(recipe)
        assert set(messages) == keys
        assert all("mix.output of data.yaml" in text for text in messages.values())
    else:
        check_recipe(recipe.path)


def test_training_on_jsonl_where_the_mix_writes_parquet_is_a_fault(recipe: Any) -> None:
    recipe.edit("data.yaml", mix__output="parquet")
    messages = told(recipe)
    assert set(messages) == {f"{key}.0.{last}" for key in ("datasets", "test_datasets") for last in ("path", "ds_type")}
    assert "must be runs/quickstart/05_mix/eval.parquet" in messages["test_datasets.0.path"]
    assert "must be parquet" in messages["datasets.0.ds_type"]


def test_every_data_file_of_the_folder_must_write_what_the_training_reads(recipe: Any) -> None:
    text = (recipe.path / "data.yaml").read_text(encoding="utf-8")
    (recipe.path / "data-large.yaml").write_text(text, encoding="utf-8")
    check_recipe(recipe.path)
    recipe.edit("data-large.yaml", mix__output="parquet")
    assert "mix.output of data-large.yaml" in told(recipe)["datasets.0.path"]


def test_training_on_rows_of_a_subset_that_the_mix_does_not_write_is_a_fault(recipe: Any) -> None:
    name = load_recipe(recipe.path).data.mix.sources[0].source
    recipe.edit("data.yaml", mix__subsets={"chosen": [name]}, mix__test_share=0.1)
    mixed = "runs/quickstart/05_mix"
    recipe.edit("train.yaml", datasets__0__path=f"{mixed}/train-chosen.jsonl")
    recipe.edit("train.yaml", test_datasets__0__path=f"{mixed}/eval-chosen.jsonl")
    check_recipe(recipe.path)
    for given in ("train-other", "eval-chosen", "test", "test-chosen"):
        recipe.edit("train.yaml", datasets__0__path=f"{mixed}/{given}.jsonl")
        expected = f"must be {mixed}/train.jsonl or {mixed}/train-chosen.jsonl: stage mix writes jsonl"
        assert told(recipe)["datasets.0.path"].startswith(expected)


def in_turn(recipe: Any) -> None:
    """Make two trainings in turn of the one: the second goes on with the model of the first."""
    text = (recipe.path / "train.yaml").read_text(encoding="utf-8")
    for number, folder in (("1", "05d_train_1"), ("2", "06_train")):
        path = recipe.path / f"train-{number}-part.yaml"
        path.write_text(text.replace("06_train", folder), encoding="utf-8")
    (recipe.path / "train.yaml").unlink()
    keys = ("adapter", "load_in_4bit", "lora_r", "lora_alpha", "lora_dropout", "lora_target_linear")
    for name in ("train-1-part.yaml", "train-2-part.yaml"):
        recipe.remove(name, *keys)
    recipe.remove("train-2-part.yaml", "oneday_base_model_from")
    recipe.edit("train-2-part.yaml", base_model="runs/quickstart/05d_train_1/model")


def test_two_trainings_in_turn_are_valid(recipe: Any) -> None:
    in_turn(recipe)
    assert {path.name for path in check_recipe(recipe.path)} >= {"train-1-part.yaml", "train-2-part.yaml"}


def test_the_second_training_starts_from_the_model_of_the_first(recipe: Any) -> None:
    in_turn(recipe)
    base_model = load_document(recipe.path / "train-1-part.yaml").values["base_model"]
    recipe.edit("train-2-part.yaml", base_model=base_model)
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("train-2-part.yaml", "base_model")
    expected = "must be runs/quickstart/05d_train_1/model, the model of the first training (given: "
    assert fault.message.startswith(expected)


def test_each_training_has_the_folder_of_its_stage(recipe: Any) -> None:
    in_turn(recipe)
    recipe.edit("train-1-part.yaml", output_dir="runs/quickstart/06_train/first")
    recipe.edit("train-2-part.yaml", output_dir="runs/quickstart/05d_train_1/second")
    messages = {fault.file.name: fault.message for fault in faults_of(recipe) if fault.key == "output_dir"}
    assert messages["train-1-part.yaml"].startswith("must be below runs/quickstart/05d_train_1/")
    assert messages["train-2-part.yaml"].startswith("must be below runs/quickstart/06_train/")


def test_the_first_of_two_trainings_makes_a_whole_model(recipe: Any) -> None:
    in_turn(recipe)
    recipe.edit("train-1-part.yaml", adapter="lora", lora_r=8, lora_alpha=16, lora_target_linear=True)
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("train-1-part.yaml", "adapter")
    assert "the second training goes on with the whole model" in fault.message


def test_a_variant_of_the_second_training_may_start_from_a_variant_of_the_first(recipe: Any) -> None:
    in_turn(recipe)
    for number, folder in (("1", "05d_train_1"), ("2", "06_train")):
        text = (recipe.path / f"train-{number}-part.yaml").read_text(encoding="utf-8")
        path = recipe.path / f"train-{number}-part-fast.yaml"
        path.write_text(text.replace(f"{folder}/model", f"{folder}/fast"), encoding="utf-8")
    recipe.edit("train-2-part-fast.yaml", base_model="runs/quickstart/05d_train_1/fast")
    assert len(check_recipe(recipe.path)) == 8
    recipe.edit("train-2-part-fast.yaml", base_model="runs/quickstart/05d_train_1/slow")
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("train-2-part-fast.yaml", "base_model")


def test_a_faulty_set_of_trainings_is_told_with_the_faults_of_each(recipe: Any) -> None:
    in_turn(recipe)
    (recipe.path / "train-1-part.yaml").rename(recipe.path / "train-1-other.yaml")
    (recipe.path / "train-2-part.yaml").rename(recipe.path / "train-1-part.yaml")
    recipe.edit("train-1-other.yaml", learning_rte=1)
    messages = [str(fault) for fault in faults_of(recipe)]
    assert any("there are: train-1-other.yaml, train-1-part.yaml" in message for message in messages)
    assert any("learning_rte" in message for message in messages)


TABLE = {
    "source": "table",
    "name": "own",
    "licence": "ours",
    "path": "own.csv",
    "question_answer": {"question": "q", "answer": "a"},
}


def test_rows_longer_than_a_training_that_stops_at_them_are_a_fault_of_the_data_file(recipe: Any) -> None:
    recipe.edit("data.yaml", mix__max_tokens=513)
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("data.yaml", "mix.max_tokens")
    assert fault.line == recipe.line("data.yaml", "max_tokens: 513")
    text = "513, but sequence_len of train.yaml is 512 and training stops at longer rows"
    assert fault.message == text
    recipe.edit("data.yaml", mix__max_tokens=512)
    check_recipe(recipe.path)


def test_rows_of_unknown_length_are_a_fault_unless_the_stage_sample_limits_them(recipe: Any) -> None:
    check_recipe(recipe.path)  # it has rows of the stage sample alone, and no max_tokens
    recipe.edit("data.yaml", mix__sources=[{"source": "sampled"}, TABLE])
    assert "must be set, to at most sequence_len of train.yaml (512)" in told(recipe)["mix.max_tokens"]
    recipe.edit("data.yaml", mix__max_tokens=512)
    check_recipe(recipe.path)


@pytest.mark.parametrize("strategy", ["truncate", "drop"])
def test_training_that_does_not_stop_at_long_rows_takes_rows_of_any_length(recipe: Any, strategy: str) -> None:
    recipe.edit("data.yaml", mix__sources=[TABLE], mix__max_tokens=8000)
    recipe.edit("train.yaml", excess_length_strategy=strategy)
    check_recipe(recipe.path)


def test_the_shortest_training_of_the_folder_limits_the_rows_of_every_data_file(recipe: Any) -> None:
    for name in ("data", "train"):
        text = (recipe.path / f"{name}.yaml").read_text(encoding="utf-8").replace("06_train/model", "06_train/short")
        (recipe.path / f"{name}-short.yaml").write_text(text, encoding="utf-8")
    recipe.edit("train-short.yaml", sequence_len=256)
    recipe.edit("data-short.yaml", mix__max_tokens=300)
    recipe.edit("data.yaml", mix__max_tokens=256)
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("data-short.yaml", "mix.max_tokens")
    assert "sequence_len of train-short.yaml is 256" in fault.message


def test_all_that_a_budget_of_hours_cannot_follow_is_reported_with_the_other_faults(recipe: Any) -> None:
    recipe.edit("train.yaml", oneday_budget_hours=24, oneday_budget_seconds=60, lr_scheduler="polynomial", lora_rr=1)
    recipe.edit("train.yaml", cosine_constant_lr_ratio=0.8, seed=None)
    faults = faults_of(recipe)
    expected = {"warmup_steps", "oneday_budget_seconds", "lr_scheduler", "cosine_constant_lr_ratio", "lora_rr", "seed"}
    assert {fault.key for fault in faults} == expected
    for fault in faults:
        assert fault.line == recipe.line("train.yaml", f"{fault.key}:")
    assert "cosine, linear, constant" in told(recipe)["lr_scheduler"]


def test_a_budget_with_a_warm_up_by_share_and_a_known_schedule_is_allowed(recipe: Any) -> None:
    recipe.remove("train.yaml", "warmup_steps", "lr_scheduler")
    recipe.edit("train.yaml", oneday_budget_hours=24, warmup_ratio=0.03, cosine_min_lr_ratio=0.05)
    check_recipe(recipe.path)


@pytest.mark.parametrize("budget", [0, -1, "a day"])
def test_a_budget_that_is_no_time_is_one_fault_of_its_own_key(recipe: Any, budget: Any) -> None:
    recipe.remove("train.yaml", "warmup_steps")
    recipe.edit("train.yaml", oneday_budget_hours=budget)
    assert set(told(recipe)) == {"oneday_budget_hours"}


def test_the_keys_of_a_budget_without_the_plugin_name_it(recipe: Any) -> None:
    recipe.remove("train.yaml", "plugins", "oneday_base_model_from")
    recipe.edit("train.yaml", oneday_budget_hours=24)
    assert "training.plugin.OneDayPlugin" in told(recipe)["oneday_budget_hours"]


FP8 = [({"fp8": True}, "fp8"), ({"attn_implementation": "fp8", "sample_packing": False}, "attn_implementation")]


@pytest.mark.parametrize(("changes", "key"), FP8, ids=["training", "attention"])
def test_fp8_is_refused_on_a_card_of_2022_and_allowed_without_naming_one(
    recipe: Any, changes: dict[str, Any], key: str
) -> None:
    recipe.edit("train.yaml", eval_sample_packing=False, **changes)
    check_recipe(recipe.path)
    with pytest.raises(ConfigError) as caught:
        check_recipe(recipe.path, "sm_89")
    (fault,) = caught.value.faults
    assert (fault.key, fault.line) == (key, recipe.line("train.yaml", f"{key}:"))
    assert "fp8" in fault.message


def test_what_a_card_refuses_is_reported_with_all_other_faults(recipe: Any) -> None:
    recipe.edit("train.yaml", fp8=True, lora_rr=1, seed=None)
    recipe.edit("data.yaml", sed=1)
    with pytest.raises(ConfigError) as caught:
        check_recipe(recipe.path, "sm_89")
    assert {fault.key for fault in caught.value.faults} == {"fp8", "lora_rr", "seed", "sed"}


@pytest.mark.parametrize("card", [None, "sm_89"])
def test_unknown_keys_are_told_with_a_card_as_without(recipe: Any, card: str | None) -> None:
    recipe.edit("train.yaml", n_gpu=1, capabilities=None, lora_rr=1)
    document = load_document(recipe.path / "train.yaml")
    assert {fault.key for fault in axolotl_faults(document, card)} == {"n_gpu", "capabilities", "lora_rr"}


def test_a_card_before_ampere_has_no_bfloat16_and_no_flash_attention(recipe: Any) -> None:
    recipe.edit("train.yaml", bf16=True, attn_implementation="flash_attention_2")
    document = load_document(recipe.path / "train.yaml")
    assert check_train(document, "sm_80") == []
    faults = check_train(document, "sm_75")
    assert {fault.key for fault in faults} == {"bf16", "attn_implementation"}
    assert all("sm_80 or newer (given: sm_75)" in fault.message for fault in faults)


def test_flash_attention_3_needs_a_hopper_card(recipe: Any) -> None:
    recipe.edit("train.yaml", attn_implementation="flash_attention_3")
    document = load_document(recipe.path / "train.yaml")
    assert check_train(document, "sm_90") == []
    assert "sm_90 or newer" in check_train(document, "sm_89")[0].message


def test_a_card_is_described_as_axolotl_describes_the_one_it_finds() -> None:
    from axolotl.utils.schemas.internal import EnvCapabilities, GPUCapabilities

    ada, hopper, blackwell = (capabilities({}, name) for name in ("sm_89", "sm_90", "sm_120"))
    assert ada["capabilities"].keys() <= GPUCapabilities.model_fields.keys()
    assert ada["env_capabilities"].keys() == EnvCapabilities.model_fields.keys()
    assert [card["capabilities"]["fp8"] for card in (ada, hopper, blackwell)] == [False, True, True]
    assert all(card["capabilities"]["bf16"] for card in (ada, hopper, blackwell))


@pytest.mark.parametrize(
    ("values", "gpus"),
    [
        ({}, 1),
        ({"fsdp_config": {"offload_params": False}}, 2),
        ({"deepspeed": "zero2.json"}, 2),
        ({"use_ray": True, "ray_num_workers": 4}, 4),
        ({"use_ray": True}, 1),
    ],
)
def test_the_number_of_gpus_is_that_of_the_files_engine(values: dict[str, Any], gpus: int) -> None:
    assert capabilities(values, "sm_89")["capabilities"]["n_gpu"] == gpus


def test_fused_kernels_with_the_first_fsdp_are_refused_where_there_are_several_gpus(recipe: Any) -> None:
    recipe.edit("train.yaml", lora_mlp_kernel=True, fsdp_version=1, fsdp_config={"offload_params": False})
    document = load_document(recipe.path / "train.yaml")
    assert check_train(document) == []
    assert "FSDP1" in check_train(document, "sm_89")[0].message


@pytest.mark.parametrize("name", ["8.9", "sm_9", "sm89", "ada"])
def test_what_is_no_compute_capability_is_an_error_that_shows_one(name: str) -> None:
    with pytest.raises(ValueError, match="such as sm_89"):
        generation(name)


def test_whether_flash_attention_is_installed_is_a_note_and_no_fault(
    recipe: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Axolotl asks the machine, and the hub, which is out of reach here; the same file may train on another one."""
    import torch
    from axolotl.utils.schemas.config import AxolotlInputConfig

    recipe.edit("train.yaml", attn_implementation="flash_attention_2")
    document = load_document(recipe.path / "train.yaml")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", without_flash_attention(importlib.util.find_spec))
    with pytest.raises(ValueError, match="flash-attn"):
        AxolotlInputConfig(**document.values)
    assert axolotl_faults(document) == []
    assert main([str(recipe.path)]) == 0
    out = capfd.readouterr().out
    assert "flash_attention_2 of train.yaml needs the package flash-attn" in out
    assert "attn_implementation: sdpa" in out
    recipe.edit("train.yaml", lora_r="many")
    assert set(told(recipe)) == {"lora_r"}, "the other faults are still told"


def without_flash_attention(find_spec: Any) -> Any:
    return lambda name, package=None: None if name.startswith("flash_attn") else find_spec(name, package)


def test_named_checkpoint_stands_in_for_automatic_resumption(recipe: Any) -> None:
    recipe.edit("train.yaml", auto_resume_from_checkpoints=None, resume_from_checkpoint="runs/quickstart/06_train/x")
    check_recipe(recipe.path)


def test_data_set_of_the_hub_is_allowed(recipe: Any) -> None:
    recipe.edit("train.yaml", datasets__0__path="nobody/data")
    check_recipe(recipe.path)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"save_steps": 10, "eval_steps": 5}, True),
        ({"save_steps": 5, "eval_steps": 10}, False),
        ({"save_steps": 5}, False),
        ({"saves_per_epoch": 2, "evals_per_epoch": 4}, True),
        ({"saves_per_epoch": 4, "evals_per_epoch": 1}, False),  # once a training is not given, for Axolotl
    ],
)
def test_best_checkpoint_needs_saves_that_fall_on_evaluations(recipe: Any, changes: dict[str, Any], kept: bool) -> None:
    clear_schedule(recipe)
    recipe.edit("train.yaml", load_best_model_at_end=True, num_epochs=1, **changes)
    if kept:
        check_recipe(recipe.path)
    else:
        assert "multiple of eval_steps" in told(recipe)["load_best_model_at_end"]


def test_best_checkpoint_needs_evaluation_rows(recipe: Any) -> None:
    clear_schedule(recipe)
    recipe.remove("train.yaml", "test_datasets")
    recipe.edit("train.yaml", load_best_model_at_end=True, save_steps=5, eval_steps=5)
    assert "test_datasets" in told(recipe)["load_best_model_at_end"]


@pytest.mark.parametrize("name", ["train.yml", "server.yaml", "database.yaml", "train_fast.yaml"])
def test_unknown_file_name_is_a_fault_that_says_which_are_allowed(recipe: Any, name: str) -> None:
    (recipe.path / name).write_text("seed: 1\n", encoding="utf-8")
    (fault,) = faults_of(recipe)
    assert fault.file.name == name
    assert (
        "allowed: data.yaml, compress.yaml, eval.yaml, zindi.yaml, rules.yaml, serve.yaml, train.yaml, and variants"
        in fault.message
    )


@pytest.mark.parametrize("name", ["data.yaml", "eval.yaml", "train.yaml"])
def test_absent_file_is_one_fault(recipe: Any, name: str) -> None:
    (recipe.path / name).unlink()
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.message) == (name, "no such file")


def test_absent_folder_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe folder"):
        check_recipe(tmp_path / "absent")


def test_fault_that_the_stages_know_too_is_reported_once(recipe: Any) -> None:
    recipe.remove("train.yaml", "base_model")
    recipe.edit("eval.yaml", variants__0__demonstrations=32)
    assert set(told(recipe)) == {"base_model", "variants.0.demonstrations"}


def test_broken_yaml_is_one_fault_beside_those_of_the_other_files(recipe: Any) -> None:
    append(recipe, "seed: [1\n")
    recipe.edit("data.yaml", sed=1)
    assert [fault.file.name for fault in faults_of(recipe)] == ["data.yaml", "train.yaml"]


def test_variants_are_checked_as_well(recipe: Any) -> None:
    for name in ("data", "eval", "train"):
        text = (recipe.path / f"{name}.yaml").read_text(encoding="utf-8").replace("06_train/model", "06_train/fast")
        (recipe.path / f"{name}-fast.yaml").write_text(text, encoding="utf-8")
    assert len(check_recipe(recipe.path)) == 8
    for name in ("data", "eval", "train"):
        recipe.edit(f"{name}-fast.yaml", nonsense_key=1)
    assert [fault.file.name for fault in faults_of(recipe)] == ["data-fast.yaml", "eval-fast.yaml", "train-fast.yaml"]


def test_other_rules_beside_rules_yaml_are_checked_too(recipe: Any) -> None:
    (recipe.path / "rules-candidates.yaml").write_text("default: [strip]\n", encoding="utf-8")
    assert "rules-candidates.yaml" in [path.name for path in check_recipe(recipe.path)]
    recipe.edit("rules-candidates.yaml", default=["stripe"])
    (fault,) = faults_of(recipe)
    assert (fault.file.name, fault.key) == ("rules-candidates.yaml", "default.0")


def test_a_wrong_key_and_a_wrong_value_of_serve_yaml_are_faults(recipe: Any) -> None:
    recipe.edit("serve.yaml", engin="vllm", batching__slots=0)
    assert {(fault.file.name, fault.key) for fault in faults_of(recipe)} == {
        ("serve.yaml", "engin"),
        ("serve.yaml", "batching.slots"),
    }


def test_recipe_with_variants_only_is_valid_and_its_faults_are_those_of_all(recipe: Any) -> None:
    text = (recipe.path / "data.yaml").read_text(encoding="utf-8")
    (recipe.path / "data.yaml").rename(recipe.path / "data-200k.yaml")
    (recipe.path / "data-400k.yaml").write_text(text, encoding="utf-8")
    names = ["data-200k.yaml", "data-400k.yaml", "eval.yaml", "rules.yaml", "serve.yaml", "train.yaml"]
    assert [path.name for path in check_recipe(recipe.path)] == names
    assert [path.name for path in check_recipe(recipe.path / "data-400k.yaml")] == names
    recipe.edit("data-400k.yaml", collect__demonstrations=2, predict__demonstrations=2)
    recipe.edit("data-200k.yaml", seed=-1)
    recipe.edit("eval.yaml", nonsense_key=1)
    assert [(fault.file.name, fault.key) for fault in faults_of(recipe)] == [
        ("data-200k.yaml", "seed"),
        ("eval.yaml", "nonsense_key"),
    ]
    recipe.remove("eval.yaml", "nonsense_key")
    faults = faults_of(recipe)
    assert [(fault.file.name, fault.key) for fault in faults] == [
        ("data-200k.yaml", "seed"),
        ("eval.yaml", "variants.1.demonstrations"),
    ]
    assert "but data-400k.yaml: collect.demonstrations keeps only 2" in faults[1].message


def test_two_trainings_of_a_recipe_may_not_share_a_folder(recipe: Any) -> None:
    text = (recipe.path / "train.yaml").read_text(encoding="utf-8")
    (recipe.path / "train-fast.yaml").write_text(text, encoding="utf-8")
    assert "whose checkpoints it would resume" in told(recipe)["output_dir"]


def test_check_train_adds_the_demands_to_what_axolotl_says(recipe: Any) -> None:
    recipe.edit("train.yaml", seed=None, lora_rr=1)
    document = load_document(recipe.path / "train.yaml")
    assert {fault.key for fault in axolotl_faults(document)} == {"lora_rr"}
    assert {fault.key for fault in check_train(document)} == {"lora_rr", "seed"}


def test_command_names_the_valid_files_in_one_line(recipe: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe.path)]) == 0
    assert capfd.readouterr() == (
        f"{recipe.path}: data.yaml, eval.yaml, rules.yaml, serve.yaml, train.yaml are valid\n",
        "",
    )


def test_command_ends_with_2_and_one_line_for_each_fault(recipe: Any, capfd: pytest.CaptureFixture[str]) -> None:
    recipe.edit("train.yaml", lora_rr=1, seed=None)
    recipe.edit("data.yaml", sed=1)
    assert main([str(recipe.path)]) == 2
    *lines, last = capfd.readouterr().err.splitlines()
    assert [re.sub(r"^.*/(\S+:)\d+: (\S+:) .*$", r"\1 \2", line) for line in lines] == [
        "data.yaml: sed:",
        "train.yaml: seed:",
        "train.yaml: lora_rr:",
    ]
    assert last == "3 faults; nothing was run."


def test_command_checks_for_a_card_and_says_so(recipe: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe.path), "--compute-capability", "sm_89"]) == 0
    assert (
        capfd.readouterr().out
        == f"{recipe.path}: data.yaml, eval.yaml, rules.yaml, serve.yaml, train.yaml are valid on sm_89\n"
    )
    recipe.edit("train.yaml", fp8=True)
    assert main([str(recipe.path), "--compute-capability", "sm_89"]) == 2
    assert main([str(recipe.path)]) == 0


def test_command_with_an_unknown_card_is_a_usage_message(recipe: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe.path), "--compute-capability", "4090"]) == 2
    err = capfd.readouterr().err
    assert "--compute-capability" in err
    assert "Traceback" not in err


def test_help_needs_no_heavy_library() -> None:
    program = (
        "import sys; from training.validate import main; code = main(['--help']);"
        "sys.exit(code or len({'torch', 'transformers', 'axolotl'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "Check every YAML" in finished.stdout
