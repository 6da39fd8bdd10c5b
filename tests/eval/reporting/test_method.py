"""How a model was trained, in words."""

from typing import Any

import pytest

from eval.reporting.method import details_in_words, method_in_words, settings_as_yaml


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, None),
        ({"learning_rate": 1e-5}, "all weights"),
        ({"adapter": "qlora", "lora_r": 16}, "QLoRA, rank 16"),
        ({"adapter": "lora", "lora_r": None}, "LoRA"),
        ({"adapter": "other"}, "other"),
    ],
)
def test_the_method_is_named(settings: dict[str, Any], words: str | None) -> None:
    assert method_in_words(settings) == words


def test_details_are_those_that_are_there() -> None:
    settings = {"load_in_4bit": True, "optimizer": "adamw_torch", "learning_rate": "2e-4", "sequence_len": 4096}
    assert details_in_words(settings) == [
        "base weights in 4 bits",
        "adamw_torch",
        "learning rate 0.0002",
        "sequences of 4,096 tokens",
    ]
    assert details_in_words({"learning_rate": 1e-5, "lr_scheduler": "cosine"}) == ["learning rate 1e-05, cosine"]
    assert details_in_words({}) == []


def test_settings_keep_their_order() -> None:
    assert settings_as_yaml({"b": 1, "a": "\u5317"}) == "b: 1\na: \u5317\n" and settings_as_yaml({}) == ""
