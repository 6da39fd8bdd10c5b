"""Log-likelihoods of the label words after each prompt, many prompts at a time.

A label's tokens are those that training teaches: Axolotl tokenises the answer by itself and puts it behind the prompt's
tokens, so that no token spans the seam. The end-of-sequence token is not scored, as in the second place's notebook.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.zindi_config import Normalise
from serve.transformers_engine import PromptBatch, TransformersEngine

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class LabelChoice:
    """An engine (serve.engine) whose text for a prompt is a JSON list: the score of each label, in the labels' order.

    A score is the summed log-probability of the label's tokens, divided by their number, or by that of the word's
    UTF-8 bytes, if `normalise` says so; the sum for "batch" (see `batch_calibrated`). Each prompt is read once; the
    labels go on from its keys and values.
    """

    engine: TransformersEngine
    labels: Sequence[str]
    normalise: Normalise

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; there is nothing to stop. ValueError as of `label_tokens`, or for scores like NaN."""
        import torch

        tokens = label_tokens(self.engine.tokenizer, self.labels)
        sizes = torch.tensor(
            [_size(label, row, self.normalise) for label, row in zip(self.labels, tokens, strict=True)]
        )
        for batch in self.engine.batches(prompts, max(map(len, tokens)), done):
            scores = torch.stack(log_likelihoods(self.engine, batch, [tokens] * len(batch.positions))).cpu() / sizes
            if not scores.isfinite().all():
                raise ValueError("the model's log-probabilities are not finite: its weights are damaged; train again")
            yield [(position, json.dumps(row)) for position, row in zip(batch.positions, scores.tolist(), strict=True)]


def batch_calibrated(scores: Sequence[Sequence[float]]) -> list[list[float]]:
    """The log-probabilities of the labels of one task's rows, each less the log of the label's mean over the rows.

    `scores`, one list a row, are log-likelihoods; a row's probabilities are their softmax. The likeliest label is then
    the one that a row makes likelier than other rows do: a model that is unsure of all rows says one label for them
    all otherwise. An answer depends on the other rows, which should be tens; of a row alone all labels are equal.
    Batch Calibration: Zhou et al., 2024, https://arxiv.org/abs/2309.17249.
    """
    import numpy as np

    logs = np.asarray(scores, dtype=np.float64)
    logs -= np.logaddexp.reduce(logs, axis=1, keepdims=True)
    calibrated: list[list[float]] = (logs - np.logaddexp.reduce(logs, axis=0) + np.log(len(logs))).tolist()
    return calibrated


def label_tokens(tokenizer: "PreTrainedTokenizerBase", labels: Sequence[str]) -> list[list[int]]:
    """The tokens of each label as an answer: see `answer_tokens`.

    ValueError if a label has none, or if its tokens begin another's: the shorter one would always be likelier.
    """
    found = [answer_tokens(tokenizer, label) for label in labels]
    for number, (label, row) in enumerate(zip(labels, found, strict=True)):
        others = [other for place, other in enumerate(found) if place != number]
        if not row or any(other[: len(row)] == row for other in others):
            raise ValueError(f"label {label!r} is the tokens {row}: none, or the beginning of another label's: {found}")
    return found


def answer_tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The tokens of a text as an answer, without the begin and the end of a sequence."""
    tokens: list[int] = tokenizer(text)["input_ids"]
    start = 1 if tokens and tokens[0] == tokenizer.bos_token_id else 0
    end = len(tokens) - (1 if len(tokens) > start and tokens[-1] == tokenizer.eos_token_id else 0)
    return tokens[start:end]


def log_likelihoods(
    engine: TransformersEngine, batch: PromptBatch, options: Sequence[Sequence[Sequence[int]]]
) -> list["torch.Tensor"]:
    """The summed log-probability of each option's tokens after its prompt, in float32: [options] for each prompt.

    `options` are the tokens of each prompt's options; prompts may have different ones, and different numbers of them.
    Uses the batch's cache up.
    """
    import torch

    device = batch.ids.device
    counts = [len(row) for row in options]
    tokens = [option for row in options for option in row]
    width = max(map(len, tokens))
    padded = torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in tokens], device=device)
    there = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in tokens], device=device)
    repeats = torch.tensor(counts, device=device)
    prompt = torch.arange(len(counts), device=device).repeat_interleave(repeats)  # of each option
    likely = engine.read(batch).float().log_softmax(-1)[prompt, padded[:, 0]]
    if width == 1:
        return list(torch.split(likely, counts))
    with torch.inference_mode():
        batch.cache.batch_repeat_interleave(repeats)
        logits = engine.model(
            padded[:, :-1],
            attention_mask=torch.cat([batch.mask[prompt], there[:, :-1]], 1),
            position_ids=batch.mask.sum(1)[prompt, None] + torch.arange(width - 1, device=device),
            past_key_values=batch.cache,
            use_cache=True,
        ).logits.float()
        rest = logits.gather(-1, padded[:, 1:, None])[:, :, 0] - logits.logsumexp(-1)
        return list(torch.split(likely + (rest * there[:, 1:]).sum(1), counts))


def _size(label: str, tokens: Sequence[int], normalise: Normalise) -> int:
    """What a label's log-probability is divided by."""
    return {"none": 1, "tokens": len(tokens), "bytes": len(label.encode()), "batch": 1}[normalise]
