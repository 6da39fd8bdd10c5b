"""A model of transformers that reads steps: any tokens of any slots in one pass. `SlotModel.logits` is all there is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from serve.completing.slot_cache import Reading, SlotCache, Step, use_slots

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRIAL_TOKENS = 12
# How far the logits of a trial may be from the model's own, as a share of their length. Other sums in another order.
FARTHEST = {torch.float32: 1e-3}
FARTHEST_ROUNDED = 0.2


class SlotModel:
    """A model with `slots` for texts of at most `max_length` tokens. From now on it reads only through them.

    ValueError if the model is of a kind that cannot, which a short trial also shows.
    """

    def __init__(self, model: "PreTrainedModel", slots: int, max_length: int) -> None:
        check_positions(model.config, max_length)
        self.model: Any = model.eval()
        self.device: torch.device = model.device
        self.vocabulary = int(model.get_input_embeddings().weight.shape[0])
        self.slots = slots
        self._size = (max(slots, 2), max(max_length, TRIAL_TOKENS))  # the trial wants as much
        self.cache = SlotCache(model.config, *self._size)
        expected = self._own_logits()
        use_slots(model)
        self._try(expected)
        self.reset()

    def logits(self, readings: Sequence[Reading], wanted: Sequence[int]) -> torch.Tensor:
        """Read tokens, at most one reading a slot and in the order of the slots; the logits after those `wanted`.

        `wanted` counts through the tokens of all readings. float32, [wanted, vocabulary].
        """
        step = Step(readings, self.device)
        self.cache.begin(step)
        with torch.inference_mode():
            output = self.model(
                step.ids.unsqueeze(0),
                position_ids=step.positions.unsqueeze(0),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=torch.tensor(wanted, device=self.device, dtype=torch.long),
                slot_step=step,
                slot_windows=self.cache.windows,
            )
        logits: torch.Tensor = output.logits[0]
        return logits.float()

    def reset(self) -> None:
        """Forget all texts and free their memory."""
        self.cache = SlotCache(self.model.config, *self._size)

    def _trial(self) -> list[int]:
        """Tokens that every vocabulary has, in no order that a model would expect."""
        return [(7 * number + 3) % min(self.vocabulary, 256) for number in range(TRIAL_TOKENS)]

    def _own_logits(self) -> torch.Tensor:
        with torch.inference_mode():
            output = self.model(torch.tensor([self._trial()], device=self.device), logits_to_keep=1)
        logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def _try(self, expected: torch.Tensor) -> None:
        """Read the trial's tokens in three steps, once alone and once beside another text, and compare."""
        tokens = self._trial()
        for slot, others in ((0, [Reading(1, 0, tokens[:4])]), (1, [])):
            self.logits([Reading(slot, 0, tokens[:5]), *others], [])
            self.logits([Reading(slot, 5, tokens[5:-1])], [])
            logits = self.logits([Reading(slot, len(tokens) - 1, tokens[-1:])], [0])[0]
            distance = float((logits - expected).norm() / expected.norm())
            if not distance <= FARTHEST.get(self.model.dtype, FARTHEST_ROUNDED):
                raise ValueError(
                    f"a model of type {self.model.config.model_type!r} says something else when it reads packed "
                    f"tokens (its logits are off by {distance:.1g} of their length); serve it with `engine: vllm`"
                )


def check_positions(config: Any, max_length: int) -> None:
    """ValueError if the texts are longer than the model was made for, or if its positions depend on their length."""
    text = config.get_text_config(decoder=True)
    most = getattr(text, "max_position_embeddings", None)
    if most is not None and max_length > most:
        raise ValueError(f"serve.yaml: max_length: {max_length} is more than the model's {most} tokens; lower it")
    rope = getattr(text, "rope_parameters", None) or {}
    kinds = {part.get("rope_type") for part in (rope, *rope.values()) if isinstance(part, dict)}
    before = rope.get("original_max_position_embeddings") or most
    if kinds & {"dynamic", "longrope"} and before is not None and max_length > before:
        raise ValueError(
            f"serve.yaml: max_length: {max_length}: beyond {before} tokens the model's positions depend on the text's "
            f"length, which texts in one batch do not share; set max_length to at most {before} or `engine: vllm`"
        )
