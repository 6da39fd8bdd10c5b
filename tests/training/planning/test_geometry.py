"""Where a model's config comes from, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.training.planning.tiny_models import MISTRAL, QWEN3
from training.planning.geometry import find_config, geometry_of, published_config


def test_a_local_folder_comes_before_the_published_config(tmp_path: Path) -> None:
    folder = tmp_path / "Mistral-7B-v0.1"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(MISTRAL))
    config, source = find_config(str(folder))
    assert config["hidden_size"] == 128
    assert source == str(folder / "config.json")


def test_a_published_config_needs_no_file_of_the_model() -> None:
    config, source = find_config("mistralai/Mistral-7B-v0.1")
    assert config == published_config("Mistral-7B-v0.1")
    assert source.startswith("training/planning/published/")


def test_a_given_config_comes_first(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(QWEN3))
    config, source = find_config("mistralai/Mistral-7B-v0.1", tmp_path / "mine.json")
    assert config["model_type"] == "qwen3"
    assert source.endswith("mine.json")


def test_an_unknown_model_says_how_to_give_its_config() -> None:
    with pytest.raises(FileNotFoundError, match="--model-config FILE"):
        find_config("nobody/no-such-model")


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json: no model config"):
        find_config("any", tmp_path / "config.json")


def test_a_config_that_transformers_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="mine: transformers cannot build this model"):
        geometry_of({"model_type": "no_such_architecture"}, "mine")


def test_experts_are_refused() -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = sizes | {"model_type": "mixtral", "num_key_value_heads": 2, "num_local_experts": 2, "vocab_size": 64}
    with pytest.raises(ValueError, match="only decoders of plain linear layers"):
        geometry_of(config, "mine")


def test_overrides_of_the_config_count() -> None:
    assert geometry_of(MISTRAL | {"sliding_window": 64}, "mine", {"sliding_window": None}).sliding_window is None


def test_norms_of_heads_are_seen() -> None:
    assert geometry_of(QWEN3, "mine").norms_of_heads
    assert not geometry_of(MISTRAL, "mine").norms_of_heads
