"""Steps know which tokens belong together, and the attention over slots is plain attention text by text."""

from typing import Any

import pytest
import torch

from serve.completing.slot_cache import Reading, SlotLayer, Step, slot_attention

CPU = torch.device("cpu")


def segments(*readings: Reading) -> list[tuple[int, int, int, int]]:
    """(first token, first slot, slots, width) of each segment of a step."""
    return [(s.begin, s.slot, s.slots, s.width) for s in Step(readings, CPU).segments]


def growing(slot: int, length: int) -> Reading:
    return Reading(slot, length - 1, (5,))


def test_texts_that_grow_side_by_side_are_one_segment() -> None:
    assert segments(growing(0, 9), growing(1, 12), growing(2, 15)) == [(0, 0, 3, 1)]


def test_a_prompt_or_a_free_slot_between_parts_them() -> None:
    assert segments(growing(0, 9), Reading(1, 4, (1, 2, 3)), growing(2, 9), growing(3, 9)) == [
        (0, 0, 1, 1),
        (1, 1, 1, 3),
        (4, 2, 2, 1),
    ]
    assert segments(growing(0, 9), growing(2, 9)) == [(0, 0, 1, 1), (1, 2, 1, 1)]


def test_texts_of_very_different_lengths_are_parted() -> None:
    assert segments(growing(0, 50), growing(1, 100), growing(2, 101)) == [(0, 0, 2, 1), (2, 2, 1, 1)]


def test_a_step_lists_its_tokens_in_the_order_of_the_slots() -> None:
    step = Step([Reading(1, 4, (7, 8)), Reading(3, 0, (9,))], CPU)
    assert step.ids.tolist() == [7, 8, 9]
    assert step.rows.tolist() == [1, 1, 3]
    assert step.positions.tolist() == [4, 5, 0]
    assert (step.slots, step.width) == (4, 6)


class Layer(torch.nn.Module):
    """What the attention looks at of a model's layer."""

    layer_idx = 0


@pytest.mark.parametrize("window", [None, 1, 4, 9, 100])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_attention_over_slots_is_attention_over_each_text(window: int | None, key_heads: int) -> None:
    """Slots hold rubbish behind their texts, which must not be seen."""
    torch.manual_seed(0)
    lengths = [9, 14, 3, 20, 11]
    new = [1, 1, 3, 5, 1]
    texts = [torch.randn(2, length, key_heads, 8) for length in lengths]
    step = Step([Reading(slot, lengths[slot] - new[slot], range(new[slot])) for slot in range(5)], CPU)
    layer = SlotLayer(8, 64)
    layer.step = Step([Reading(slot, 0, range(30)) for slot in range(5)], CPU)
    layer.update(*(torch.randn(1, key_heads, 150, 8) for _ in range(2)))
    for slot, text in enumerate(texts):
        layer.keys[slot, :, : lengths[slot]], layer.values[slot, :, : lengths[slot]] = text.transpose(1, 2)
    query = torch.randn(1, 4, sum(new), 8)
    output, _ = slot_attention(
        Layer(), query, layer.keys, layer.values, None, slot_step=step, slot_windows=[window], scaling=0.3
    )
    assert output.shape == (1, sum(new), 4, 8)
    begin = 0
    for (keys, values), length, count in zip(texts, lengths, new, strict=True):
        for place in range(length - count, length):
            first = max(0, place + 1 - window) if window else 0
            seen = [part[first : place + 1].repeat_interleave(4 // key_heads, 1) for part in (keys, values)]
            weights = (torch.einsum("hd,khd->hk", query[0, :, begin], seen[0]) * 0.3).softmax(-1)
            assert torch.allclose(output[0, begin], torch.einsum("hk,khd->hd", weights, seen[1]), atol=1e-5)
            begin += 1


@pytest.mark.parametrize("extra", [{"softcap": 30.0}, {"s_aux": torch.zeros(4)}, {"position_bias": torch.zeros(1)}])
def test_an_attention_with_more_to_it_is_refused(extra: dict[str, Any]) -> None:
    step = Step([Reading(0, 0, (1,))], CPU)
    tensors = [torch.zeros(1, 4, 1, 8) for _ in range(3)]
    with pytest.raises(ValueError, match=next(iter(extra))):
        slot_attention(Layer(), *tensors, None, slot_step=step, slot_windows=[None], **extra)


def test_a_model_called_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="without slots"):
        slot_attention(Layer(), *[torch.zeros(1, 4, 1, 8) for _ in range(3)], None)
