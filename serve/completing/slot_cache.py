"""Keys and values of many texts in one cache, and the attention that reads it: `SlotCache`, `Step`, `use_slots`.

A text has a slot, and its token j stands at index j of it: no padding, and no copy when texts come and go. One `Step`
reads the next tokens of any slots as one row [1, tokens]: whole pieces of new prompts and the last tokens of texts that
grow, side by side. All but the attention treats the tokens alike; the attention takes them slot by slot. transformers
serves packed tokens in this way too, but from pages that its CPU attention gathers anew in each layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

ATTENTION = "oneday_slots"
FIRST_WIDTH = 256  # tokens a slot has room for at first
FARTHEST_LENGTHS = 2  # of texts that the CPU's attention takes together: the longest is at most this times the shortest
KeysAndValues = list[tuple[torch.Tensor, torch.Tensor]]


class Reading(NamedTuple):
    """The tokens `ids` of a slot, the first of which stands at index `start`."""

    slot: int
    start: int
    ids: Sequence[int]


@dataclass
class Segment:
    """Tokens of a step, from `begin` on, of neighbouring slots: `width` each; `positions` are [slots, width]."""

    begin: int
    slot: int
    slots: int
    width: int
    first: int  # the smallest position
    keys: int  # one more than the largest
    positions: torch.Tensor
    masks: dict[tuple[int | None, int], tuple[int, torch.Tensor | None]] = field(default_factory=dict)

    def seen(self, window: int | None, like: torch.Tensor) -> tuple[int, torch.Tensor | None]:
        """The first key that any token sees, and which ones each sees from there on: 0 or -infinity to be added.

        `like` are the queries, [slots, key heads, heads of a group x width, size]. No mask where all keys are seen.
        """
        key = (window, like.shape[2])
        if key not in self.masks:
            first = max(0, self.first + 1 - window) if window else 0
            self.masks[key] = (first, self._mask(first, window, like))
        return self.masks[key]

    def _mask(self, first: int, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        if self.slots == self.width == 1:
            return None
        indices = torch.arange(first, self.keys, device=like.device)
        positions = self.positions.unsqueeze(-1)
        seen = indices <= positions
        if window and window < self.keys:
            seen &= indices > positions - window
        added = torch.zeros(seen.shape, dtype=like.dtype, device=like.device).masked_fill_(~seen, float("-inf"))
        return added.unsqueeze(1).repeat(1, 1, like.shape[2] // self.width, 1)


class Step:
    """What one pass of the model reads: at most one `Reading` a slot, in the order of the slots."""

    def __init__(self, readings: Sequence[Reading], device: torch.device) -> None:
        self.slots = max(reading.slot for reading in readings) + 1
        self.width = max(reading.start + len(reading.ids) for reading in readings)
        rows = [
            (token, reading.slot, position)
            for reading in readings
            for position, token in enumerate(reading.ids, reading.start)
        ]
        self.ids, self.rows, self.positions = torch.tensor(rows, device=device).unbind(1)
        self.segments = self._segments(readings)

    def _segments(self, readings: Sequence[Reading]) -> list[Segment]:
        """Neighbouring slots that read one token each are one segment, any other slot is a segment of its own.

        A segment costs as if all its texts were as long as the longest. Where a segment more costs little, on CPU,
        texts of very different lengths are parted.
        """
        segments: list[Segment] = []
        most = FARTHEST_LENGTHS if self.ids.device.type == "cpu" else float("inf")
        begin = 0
        for slot, start, ids in readings:
            last = segments[-1] if segments else None
            end = start + len(ids)
            alike = last and last.width == len(ids) == 1 and last.slot + last.slots == slot
            if last and alike and max(last.keys, end) <= most * (min(last.first, start) + 1):
                last.slots += 1
                last.first, last.keys = min(last.first, start), max(last.keys, end)
            else:
                segments.append(Segment(begin, slot, 1, len(ids), start, end, self.positions))
            begin += len(ids)
        for segment in segments:
            count = segment.slots * segment.width
            segment.positions = self.positions[segment.begin : segment.begin + count].view(segment.slots, -1)
        return segments


class SlotLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped
    """One layer's keys and values, [slots, heads, width, size] each."""

    step: Step

    def __init__(self, slots: int, length: int) -> None:
        super().__init__()
        self.most = (slots, length)

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the step's keys and values, [1, heads, tokens, size], in their places; then all that the slots hold."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.keys, self.values = (new.new_zeros(0, new.shape[1], 0, new.shape[3]) for new in (keys, values))
        self.grow(self.step.slots, self.step.width)
        index = (self.step.rows, slice(None), self.step.positions)
        self.keys[index] = keys[0].transpose(0, 1)
        self.values[index] = values[0].transpose(0, 1)
        return self.keys, self.values

    def grow(self, slots: int, width: int) -> None:
        """Make room, each time twice as much, up to the most that is ever needed.

        What is masked is still multiplied, by 0, so new room holds 0 and not what memory held before.
        """
        old_slots, heads, old_width, _ = self.keys.shape
        if slots <= old_slots and width <= old_width:
            return
        slots = min(self.most[0], _doubled(old_slots, slots, 1))
        width = min(self.most[1], _doubled(old_width, width, FIRST_WIDTH))
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(slots, heads, width, old.shape[3])
            new[:old_slots, :, :old_width] = old
            setattr(self, name, new)


def _doubled(size: int, wanted: int, first: int) -> int:
    """The first of `size`, 2 x `size`, 4 x `size` ... that is at least `wanted`."""
    size = max(size, first)
    while size < wanted:
        size *= 2
    return size


class SlotCache(Cache):  # type: ignore[misc]
    """A cache of transformers: at most `slots` texts of at most `length` tokens; it grows as they come and grow.

    `windows`: how many tokens each layer sees, see `layer_windows`.
    """

    def __init__(self, config: PreTrainedConfig, slots: int, length: int) -> None:
        self.windows = layer_windows(config)
        super().__init__(layers=[SlotLayer(slots, length) for _ in self.windows])

    def begin(self, step: Step) -> None:
        """What the next pass through the model writes."""
        for layer in self.layers:
            layer.step = step

    def move(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` tokens of one slot to another."""
        for room in self._rooms() if count else []:  # a slot of which nothing was read may not exist yet
            room[target, :, :count] = room[source, :, :count]

    def clear(self, slot: int) -> None:
        """Forget what a slot holds: values that are not numbers would reach the next text in it."""
        for room in self._rooms():
            room[slot] = 0

    def take(self, slot: int, count: int) -> KeysAndValues:
        """A copy of the first `count` tokens of a slot: for each layer [heads, tokens, size]."""
        return [(layer.keys[slot, :, :count].clone(), layer.values[slot, :, :count].clone()) for layer in self.layers]

    def put(self, slot: int, prefix: KeysAndValues, count: int) -> None:
        """Let a slot begin with the first `count` tokens of what `take` gave."""
        for layer, (keys, values) in zip(self.layers, prefix, strict=True):
            layer.grow(slot + 1, count)
            layer.keys[slot, :, :count] = keys[:, :count]
            layer.values[slot, :, :count] = values[:, :count]

    def _rooms(self) -> list[torch.Tensor]:
        return [room for layer in self.layers if layer.is_initialized for room in (layer.keys, layer.values)]


def layer_windows(config: PreTrainedConfig) -> list[int | None]:
    """How many tokens each layer's attention sees, the token itself included; None if all. ValueError if it has none.

    Sliding windows only: neither chunks nor states, nor layers that use another layer's keys.
    """
    text = config.get_text_config(decoder=True)
    layers = DynamicCache(config=config).layers
    kinds = set(getattr(text, "layer_types", None) or []) - {"full_attention", "sliding_attention"}
    chunked = getattr(text, "attention_chunk_size", None) is not None
    known = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
    if kinds or chunked or not known or len(layers) != text.num_hidden_layers:
        names = sorted({type(layer).__name__ for layer in layers} | kinds)
        raise ValueError(
            f"a model of type {config.model_type!r} has layers ({', '.join(names)}) without keys and values of their "
            "own for each token, or with attention in chunks; serve it with `engine: vllm`"
        )
    return [getattr(layer, "sliding_window", None) for layer in layers]


def slot_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    slot_step: Step | None = None,
    slot_windows: Sequence[int | None] = (),
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """The attention's output, [1, tokens, heads, head size], for the queries [1, heads, tokens, head size] of a step.

    `key` and `value` are those of all slots, [slots, key heads, width, head size].
    """
    if slot_step is None:
        raise ValueError("the model hands nothing on to its attention, or was called without slots; use `engine: vllm`")
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if options.get(name) is not None]
    if unknown:
        raise ValueError(f"the model's attention has {', '.join(unknown)}; serve it with `engine: vllm`")
    layer: Any = module.layer_idx
    window = slot_windows[layer]
    outputs = [_attend(query[0], key, value, segment, window, scaling) for segment in slot_step.segments]
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return output.unsqueeze(0), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segment: Segment,
    window: int | None,
    scaling: float | None,
) -> torch.Tensor:
    """The output for the tokens of one segment, [tokens, heads, head size].

    The heads that share a key head become rows of one larger query: nothing is copied for them.
    """
    slots, width = segment.slots, segment.width
    heads, key_heads = query.shape[0], key.shape[1]
    queries = query[:, segment.begin : segment.begin + slots * width]
    queries = queries.reshape(key_heads, -1, slots, width, query.shape[-1]).permute(2, 0, 1, 3, 4).flatten(2, 3)
    first, mask = segment.seen(window, queries)
    keys, values = (
        room[segment.slot : segment.slot + slots].narrow(2, first, segment.keys - first) for room in (key, value)
    )
    output = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=scaling)
    return output.reshape(slots, heads, width, -1).transpose(1, 2).flatten(0, 1)


def use_slots(model: Any) -> None:
    """Let a model's attention read a `SlotCache`; it can no longer be called without one.

    No mask function is registered under the attention's name, so that transformers makes no masks.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, slot_attention)
    model.set_attn_implementation(ATTENTION)
    if model.config._attn_implementation != ATTENTION:
        raise ValueError(f"{type(model).__name__} has an attention of its own; serve it with `engine: vllm`")
