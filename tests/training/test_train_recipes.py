"""The training files of the recipes: Birbal's values, what is changed and why, and how several GPUs share a batch."""

import inspect
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from oneday.config import Document, load_document
from oneday.recipe import load_recipe
from training.checks.compute_capability import capabilities
from training.validate import check_train

RECIPES = Path(__file__).parents[2] / "recipes"
BIRBAL, ONEDAY, QWEN = (RECIPES / name for name in ("mistral-7b-birbal", "mistral-7b-oneday", "qwen3-8b-oneday"))
TRAININGS = sorted(RECIPES.glob("**/train*.yaml"))
VARIANTS = sorted(ONEDAY.glob("train-*.yaml"))
SLIDING_WINDOW = 4096  # of Mistral-7B-v0.1 (its config.json)
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")

# nips_02.yml of github.com/Upaya07/NeurIPS-llm-efficiency-challenge: the keys that say how it is trained.
YEAR_2023 = {
    "base_model": "mistralai/Mistral-7B-v0.1",
    "load_in_4bit": True,
    "sequence_len": 8192,
    "sample_packing": True,
    "eval_sample_packing": True,
    "pad_to_sequence_len": True,
    "adapter": "qlora",
    "lora_r": 128,
    "lora_alpha": 256,
    "lora_dropout": 0.05,
    "lora_target_linear": True,
    "gradient_accumulation_steps": 4,
    "micro_batch_size": 2,
    "num_epochs": 3,
    "optimizer": "paged_adamw_32bit",
    "lr_scheduler": "cosine",
    "learning_rate": 0.00002,
    "train_on_inputs": False,
    "bf16": True,
    "tf32": False,
    "gradient_checkpointing": True,
    "logging_steps": 1,
    "warmup_steps": 100,
    "eval_steps": 64,
    "save_steps": 64,
    "save_total_limit": 10,
    "metric_for_best_model": "eval_loss",
    "greater_is_better": False,
    "load_best_model_at_end": True,
    "weight_decay": 0.01,
    "max_grad_norm": 0.3,
}
# Its other keys: each has a row in the README's table.
CHANGED_OR_LEFT_OUT = (
    *("base_model_config", "model_type", "tokenizer_type", "is_mistral_derived_model", "load_in_8bit", "strict"),
    *("type: alpaca_chat.load_qa", "random_split", "instances_for_test_metric", "val_set_size"),
    *("dataset_prepared_path", "output_dir", "wandb_project", "wandb_run_id", "lora_fan_in_fan_out"),
    *("lora_target_modules", "noisy_embedding_alpha", "group_by_length", "fp16", "bfloat16", "early_stopping_patience"),
    *("local_rank", "xformers_attention", "flash_attention", "debug", "debug_num_examples", "fsdp", "fsdp_config"),
    *("special_tokens", "seed"),
)
# What is here and was not there.
ADDED = {
    *("plugins", "special_tokens", "lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "neftune_noise_alpha"),
    *("datasets", "test_datasets", "dataset_prepared_path", "output_dir", "excess_length_strategy"),
    *("attn_implementation", "auto_resume_from_checkpoints", "seed"),
}


def values_of(path: Path) -> dict[str, Any]:
    return load_document(path).values


def tokens_a_step(values: dict[str, Any], gpus: int = 1) -> int:
    product = values["micro_batch_size"] * values["gradient_accumulation_steps"] * values["sequence_len"]
    return int(product) * gpus


def resolved(document: Document) -> Any:
    """The settings as Axolotl has them in a training on an RTX 4090: defaults and what it switches on by itself."""
    from axolotl.integrations.base import PluginManager
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    manager = PluginManager.get_instance()
    before = manager.plugins.copy()
    try:
        for name in document.values["plugins"]:
            manager.register(name)
        return validate_config(DictDefault(document.values), **capabilities(document.values, "sm_89"))
    finally:
        manager.plugins = before


@pytest.mark.parametrize("card", [None, "sm_89"], ids=["no card", "sm_89"])
@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_training_file_passes_the_check_and_axolotls_for_an_rtx_4090(path: Path, card: str | None) -> None:
    assert check_train(load_document(path), card) == []


def test_all_training_files_are_found() -> None:
    assert len(TRAININGS) >= 7
    assert {path.name for path in VARIANTS} == {"train-deepspeed.yaml", "train-fsdp2.yaml", "train-ray.yaml"}


def test_birbals_training_has_the_values_of_2023_and_no_key_that_is_not_listed() -> None:
    values = values_of(BIRBAL / "train.yaml")
    assert {key: values[key] for key in YEAR_2023} == YEAR_2023
    assert values.keys() - YEAR_2023.keys() == ADDED
    assert values["neftune_noise_alpha"] == 5
    assert values["test_datasets"][0]["split"] == "train[:2000]"


@pytest.mark.parametrize("key", CHANGED_OR_LEFT_OUT)
def test_each_deviation_from_2023_stands_in_the_recipes_table(key: str) -> None:
    text = (BIRBAL / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    assert any(f"`{key}" in row for row in rows)


def test_the_published_set_can_be_trained_on_as_the_readme_says() -> None:
    text = (BIRBAL / "README.md").read_text(encoding="utf-8")
    (block,) = (
        block for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL) if "NeurIPS-LLM-data" in block
    )
    document = load_document(BIRBAL / "train.yaml")
    own = document.values["datasets"][0]["type"]
    changed = document.values | yaml.safe_load(block)
    assert [entry["type"] for key in ("datasets", "test_datasets") for entry in changed[key]] == [own, own]
    assert check_train(Document(document.path, changed, {}), "sm_89") == []


def test_birbals_training_has_no_fused_kernels_although_axolotl_would_switch_them_on() -> None:
    document = load_document(BIRBAL / "train.yaml")
    assert not any(resolved(document).get(kernel) for kernel in KERNELS)
    without = {key: value for key, value in document.values.items() if key not in KERNELS}
    assert all(resolved(Document(document.path, without, {}))[kernel] for kernel in KERNELS)


@pytest.mark.parametrize("folder", [ONEDAY, QWEN], ids=lambda folder: folder.name)
def test_our_trainings_have_the_kernels_that_do_not_replace_the_same_code(folder: Path) -> None:
    settings = resolved(load_document(folder / "train.yaml"))
    assert all(settings[kernel] for kernel in KERNELS[:3])
    assert settings.liger_rope and settings.liger_rms_norm and settings.liger_fused_linear_cross_entropy
    assert not settings.liger_glu_activation
    assert not settings.lora_embedding_kernel


@pytest.mark.parametrize("model_type", ["mistral", "qwen3"])
def test_axolotls_kernels_and_ligers_know_the_models_of_our_trainings(model_type: str) -> None:
    import importlib

    from axolotl.monkeypatch.lora_kernels import ORIGINAL_O_CODE, QKV_PATCHES
    from axolotl.monkeypatch.utils import detab_code
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    module = importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    attention = getattr(module, f"{model_type.capitalize()}Attention")
    source, _ = detab_code(inspect.getsource(attention.forward))
    assert ORIGINAL_O_CODE in source
    assert any(original in source for original, _ in QKV_PATCHES)
    accepted = inspect.signature(MODEL_TYPE_TO_APPLY_LIGER_FN[model_type]).parameters
    assert {"rope", "rms_norm", "fused_linear_cross_entropy"} <= accepted.keys()


@pytest.mark.parametrize("folder", [ONEDAY, QWEN], ids=lambda folder: folder.name)
def test_our_adapters_are_scaled_as_birbals_and_batches_are_half_of_its(folder: Path) -> None:
    ours, theirs = values_of(folder / "train.yaml"), values_of(BIRBAL / "train.yaml")
    assert ours["lora_alpha"] / ours["lora_r"] == theirs["lora_alpha"] / theirs["lora_r"] == 2
    assert "peft_use_rslora" not in ours
    assert tokens_a_step(ours) == tokens_a_step(theirs) / 2 == 32_768


def test_the_rank_stabilised_name_of_the_scale_is_the_one_that_the_recipe_states() -> None:
    assert round(23 / math.sqrt(128), 1) == 2.0
    assert "alpha 23 / 11.3" in (ONEDAY / "train.yaml").read_text(encoding="utf-8")


def test_no_row_of_ours_reaches_mistrals_sliding_window() -> None:
    recipe, train = load_recipe(ONEDAY), values_of(ONEDAY / "train.yaml")
    assert train["sequence_len"] <= SLIDING_WINDOW
    assert recipe.data.mix.max_tokens is not None
    assert recipe.data.mix.max_tokens <= train["sequence_len"]
    longest = max(recipe.data.predict.max_new_tokens.model_dump().values())
    assert recipe.data.predict.max_prompt_tokens + longest <= SLIDING_WINDOW


@pytest.mark.parametrize("folder", [ONEDAY, QWEN], ids=lambda folder: folder.name)
def test_our_trainings_have_a_day_and_a_floor_and_birbals_has_none(folder: Path) -> None:
    values = values_of(folder / "train.yaml")
    assert values["oneday_budget_hours"] == 24
    assert 0 < values["cosine_min_lr_ratio"] < values["warmup_ratio"] * 2
    assert not any(key.startswith("oneday_budget") for key in values_of(BIRBAL / "train.yaml"))


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.name)
def test_a_variant_for_more_gpus_is_the_training_of_one_but_for_its_engine(path: Path) -> None:
    one, many = values_of(ONEDAY / "train.yaml"), values_of(path)
    engine = {
        "train-fsdp2.yaml": {"fsdp_version", "fsdp_config", "optimizer", "load_best_model_at_end"},
        "train-deepspeed.yaml": {"deepspeed", "optimizer", "load_best_model_at_end"},
        "train-ray.yaml": {"use_ray", "ray_num_workers", "resources_per_worker", "ddp_find_unused_parameters"},
    }[path.name]
    differing = {key for key in one.keys() | many.keys() if one.get(key) != many.get(key)}
    assert differing == engine | {"output_dir", "gradient_accumulation_steps"}
    assert many["output_dir"] == f"{one['output_dir']}-{path.stem.removeprefix('train-')}"
    assert many["dataset_prepared_path"] == one["dataset_prepared_path"], "the same rows, of the same length"


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.name)
def test_a_variant_keeps_the_batch_and_says_so_with_its_launch_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text[: text.index("\n\n")]
    gpus = int(re.findall(r"on (\d+) GPUs", head)[0])
    assert tokens_a_step(values_of(path), gpus) == tokens_a_step(values_of(ONEDAY / "train.yaml"))
    assert f"{gpus} GPUs x 8,192 tokens x 1 = 32,768 tokens a step" in head
    assert f"-m axolotl.cli.train recipes/{path.parent.name}/{path.name}" in head
    assert values_of(path).get("ray_num_workers", gpus) == gpus


def test_deepspeeds_settings_leave_optimizer_and_schedule_to_the_training_file() -> None:
    path = RECIPES.parent / values_of(ONEDAY / "train-deepspeed.yaml")["deepspeed"]
    settings = json.loads(path.read_text(encoding="utf-8"))
    assert settings["zero_optimization"]["stage"] == 2
    assert not {"optimizer", "scheduler"} & settings.keys()
    assert {value for key, value in settings.items() if "batch" in key or "accumulation" in key} == {"auto"}


def test_qwens_training_is_mistrals_but_for_the_model_and_the_split_of_the_batch() -> None:
    mistral, qwen = values_of(ONEDAY / "train.yaml"), values_of(QWEN / "train.yaml")
    differing = {key for key in mistral.keys() | qwen.keys() if mistral.get(key) != qwen.get(key)}
    places = {"datasets", "test_datasets", "dataset_prepared_path", "output_dir"}
    assert differing - places == {"base_model", "special_tokens", "micro_batch_size", "gradient_accumulation_steps"}
    assert qwen["special_tokens"]["pad_token"] != qwen["special_tokens"]["eos_token"]
