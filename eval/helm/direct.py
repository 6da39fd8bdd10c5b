"""The scores of answer options, straight from the model without the server: what HELM computed must equal them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.helm.outputs import RequestState, RunOutput

if TYPE_CHECKING:
    from serve.transformers_engine import LoadedModel, Precision

CLOSE = {"float32": 2e-3}  # between log-probabilities, however requests were batched
CLOSE_OTHERWISE = 0.15  # in 16 bits and fewer


@dataclass(frozen=True)
class OptionScore:
    """An answer option's tokens with their log-probabilities."""

    logprobs: tuple[float, ...]

    @property
    def mean(self) -> float:
        """HELM's score of an option."""
        return sum(self.logprobs) / len(self.logprobs)


def direct_faults(
    loaded: "LoadedModel", precision: "Precision", scored: RunOutput, all_runs: Sequence[RunOutput]
) -> list[str]:
    """Where HELM's numbers differ from the model's: the options of one instance, and every prompt's length in tokens.

    The lengths show whether /tokenize adds special tokens, which HELM would count as part of the text. Without an
    instance or its requests, nothing is compared; `run_faults` tells of that.
    """
    faults = [fault for output in all_runs for fault in _length_faults(loaded, output)][:5]
    first = scored.instances[0] if scored.instances else None
    states = sorted(
        (state for state in scored.states if first is not None and state.instance.id == first.instance_id),
        key=lambda state: state.reference_index or 0,
    )
    if first is None or not states:
        return faults
    scores = [direct_score(loaded, state) for state in states]
    most = CLOSE.get(precision, CLOSE_OTHERWISE)
    for state, score in zip(states, scores, strict=True):
        given = [token.logprob for token in state.completion.tokens[-len(score.logprobs) :]]
        if len(given) != len(score.logprobs) or _differ(given, score.logprobs, most):
            faults.append(
                f"instance {first.instance_id}, option {state.reference_index}: the server's logprobs are {given}, "
                f"the model's {list(score.logprobs)}"
            )
    stat, wanted = first.stat("max_prob"), likeliest([score.mean for score in scores])
    if stat is None or _differ([stat.sum], [wanted], most):
        faults.append(
            f"instance {first.instance_id}: HELM's max_prob is {None if stat is None else stat.sum}, by the model "
            f"it is {wanted}"
        )
    return faults


def _differ(given: Sequence[float], wanted: Sequence[float], most: float) -> bool:
    return any(not abs(one - other) <= most for one, other in zip(given, wanted, strict=True))


def likeliest(scores: Sequence[float]) -> float:
    """The share of the best score in the softmax of all, HELM's max_prob."""
    best = max(scores)
    return 1 / sum(math.exp(score - best) for score in scores)


def direct_score(loaded: "LoadedModel", state: RequestState) -> OptionScore:
    """The log-softmax of the raw logits at the option's tokens, which end the prompt."""
    import torch

    option = f" {state.instance.references[state.reference_index or 0].output.text}"
    length = len(loaded.tokenizer.encode(option, add_special_tokens=False))
    ids = loaded.tokenizer(state.request.prompt, return_tensors="pt").input_ids.to(loaded.model.device)
    with torch.inference_mode():
        logprobs = loaded.model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
    picked = logprobs.gather(1, ids[0, 1:, None])[-length:, 0]
    return OptionScore(tuple(picked.tolist()))


def _length_faults(loaded: "LoadedModel", output: RunOutput) -> list[str]:
    """Prompts whose length by HELM is not the tokenizer's, without special tokens."""
    wanted: dict[str, int] = {}
    for state in output.states:
        length = len(loaded.tokenizer.encode(state.request.prompt, add_special_tokens=False))
        wanted[state.instance.id] = wanted.get(state.instance.id, 0) + length
    return [
        f"{output.name}, instance {row.instance_id}: HELM counts {stat.sum:.0f} prompt tokens, the tokenizer "
        f"{wanted.get(row.instance_id)}; does /tokenize add special tokens?"
        for row in output.instances
        if (stat := row.stat("num_prompt_tokens")) is not None and stat.sum != wanted.get(row.instance_id)
    ]
