"""Packed rows: the check sees a leak where there is one, and none where there is none."""

from types import SimpleNamespace
from typing import Any

import pytest

from training.running.isolation import check_batch, packing_difference, packing_fault

ROWS = [[1, 50, 51, 52, 53, 54, 2], [1, 60, 61, 62, 63, 2]]


@pytest.fixture(scope="module")
def mistral() -> Any:
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        sliding_window=4,
        use_cache=False,
        attn_implementation="sdpa",
    )
    return MistralForCausalLM(config)


def trainer(model: Any, mask_given: bool, **arguments: Any) -> Any:
    """What the check asks of a trainer; with a mask of ones for the whole line the rows see one another."""
    from axolotl.utils.collators.batching import BatchSamplerDataCollatorForSeq2Seq

    tokenizer = SimpleNamespace(padding_side="right", pad_token_id=0, pad=pad)
    rows = [
        {
            "input_ids": ids,
            "labels": ids,
            "attention_mask": [1] * len(ids),
            "position_ids": list(range(len(ids))),
            "length": len(ids),
        }
        for ids in ROWS
    ]

    def compute_loss(model: Any, batch: Any, return_outputs: bool) -> Any:
        outputs = model(**batch)
        return outputs.loss, outputs

    settings = {"sample_packing": True, "sample_packing_drop_attention_mask": not mask_given, "bf16": False}
    return SimpleNamespace(
        args=SimpleNamespace(**settings | arguments),
        train_dataset=rows,
        data_collator=BatchSamplerDataCollatorForSeq2Seq(tokenizer),
        model=model,
        compute_loss=compute_loss,
        is_fsdp_enabled=False,
        is_deepspeed_enabled=False,
    )


def pad(features: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
    """Tensors of lines that are of one length already."""
    import torch

    return {name: torch.tensor([line[name] for line in features]) for name in features[0]}


def test_rows_that_are_kept_apart_come_out_the_same_also_within_a_sliding_window(mistral: Any) -> None:
    difference = packing_difference(trainer(mistral, mask_given=False))
    assert difference is not None
    assert difference < 1e-5
    assert packing_fault(difference, "float32", {}) is None


def test_rows_that_see_one_another_are_found_and_the_message_says_what_to_change(mistral: Any) -> None:
    difference = packing_difference(trainer(mistral, mask_given=True))
    assert difference is not None
    assert difference > 0.2
    fault = packing_fault(difference, "bfloat16", {"attn_implementation": "eager"})
    assert fault is not None
    assert "attn_implementation: eager" in fault


def test_the_model_is_left_in_the_mode_that_it_was_in(mistral: Any) -> None:
    for training in (True, False):
        mistral.train(training)
        packing_difference(trainer(mistral, mask_given=False))
        assert mistral.training is training


def test_it_is_not_asked_where_rows_are_not_packed_or_too_few(mistral: Any) -> None:
    assert packing_difference(trainer(mistral, mask_given=False, sample_packing=False)) is None
    alone = trainer(mistral, mask_given=False)
    alone.train_dataset = alone.train_dataset[:1]
    assert packing_difference(alone) is None


def test_a_collator_that_labels_its_padding_is_refused(mistral: Any) -> None:
    import torch

    good = trainer(mistral, mask_given=False)
    assert check_batch(good, 0) is None

    def padded(rows: Any) -> Any:
        ids = torch.tensor([[*ROWS[0], *ROWS[1], 0, 0]])
        return {"input_ids": ids, "labels": ids}

    good.data_collator = padded
    assert "padding unmasked" in str(check_batch(good, 0))
