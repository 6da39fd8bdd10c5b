"""Calibration texts -> equal sequences of token ids, the same for the same texts and seed."""

import random
from collections.abc import Iterable
from typing import Any

import torch


def calibration_ids(tokenizer: Any, texts: Iterable[str], sequences: int, tokens: int, seed: int) -> torch.Tensor:
    """Ids (sequences, tokens), int64, of texts in a shuffled order, each followed by the end-of-text token.

    No more texts are tokenized than are needed. Raises ValueError if all of them are too short, or if the tokenizer
    knows no end of text.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError(
            "the tokenizer has no eos_token, which parts the calibration texts; set it in tokenizer_config.json"
        )
    shuffled = list(texts)
    random.Random(seed).shuffle(shuffled)
    needed = sequences * tokens
    ids: list[int] = []
    for text in shuffled:
        if len(ids) >= needed:
            break
        ids += [*tokenizer(text, add_special_tokens=False)["input_ids"], end]
    if len(ids) < needed:
        whole = len(ids) // tokens
        fitting = f"sequences: {whole} or fewer tokens" if whole else f"tokens: {len(ids)} or fewer"
        raise ValueError(
            f"calibration: the {len(shuffled)} texts have {len(ids)} tokens, but {sequences} sequences of {tokens} "
            f"need {needed}; add texts, or give {fitting}"
        )
    return torch.tensor(ids[:needed], dtype=torch.int64).reshape(sequences, tokens)


def check_calibration(ids: torch.Tensor | None, vocabulary: int, positions: int) -> torch.Tensor:
    """The ids, if the model can read them; ValueError says why not."""
    if ids is None:
        raise ValueError("calibration ids are needed: only method random with depth: first does without texts")
    if ids.ndim != 2 or ids.shape[0] < 1 or ids.shape[1] < 2 or ids.dtype != torch.int64:
        raise ValueError(
            f"calibration ids are {ids.dtype} of shape {tuple(ids.shape)}; expected int64 of (sequences, tokens), "
            "2 tokens at least (compress.pruning.calibration.calibration_ids makes them)"
        )
    if ids.shape[1] > positions:
        raise ValueError(
            f"calibration: sequences of {ids.shape[1]} tokens are longer than the model's {positions} positions; "
            f"give tokens: {positions} or less"
        )
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= vocabulary:
        wrong = highest if highest >= vocabulary else lowest
        raise ValueError(
            f"calibration: token id {wrong} is outside of the model's vocabulary of {vocabulary}; the tokenizer "
            "belongs to another model: take the one in the model's own folder (after trimming, the trimmed one)"
        )
    return ids
