"""The parts of benchmarks/prune.py: GSM8K as ids of a small vocabulary, the parent with that vocabulary, and healing.

Healing is full fine-tuning in float32 with AdamW: every row of the table gets the same sequences in the same order.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from compress.pruning.calibration import calibration_ids
from compress.pruning.checkpoint import Checkpoint, CheckpointWriter
from compress.tensor_files import EMBEDDING
from oneday.console import progress

TOKENS = 128
SEQUENCES = 16  # of calibration, and of evaluation
WARM_UP = 5  # steps
CLIP = 1.0  # largest norm of a gradient

Objective = Callable[[Any, torch.Tensor], torch.Tensor]  # a model and ids (rows, length) -> the loss to go down


@dataclass(frozen=True)
class Data:
    """Disjoint sequences of 128 ids: to calibrate, to heal, to evaluate; `tokens` are the old ids of the new ones."""

    calibration: torch.Tensor
    healing: torch.Tensor
    evaluation: torch.Tensor
    tokens: torch.Tensor


@dataclass(frozen=True)
class Healed:
    """The loss on the evaluation texts before and after healing, in nats a token, and the seconds that healing took."""

    before: float
    after: float
    seconds: float


def load_data(gsm8k: Path, tokenizer: Any, steps: int, batch: int, seed: int) -> Data:
    """GSM8K's train.jsonl and test.jsonl as ids of the tokens that occur in them and no others."""
    train, test = (_texts(gsm8k / name) for name in ("train.jsonl", "test.jsonl"))
    every = torch.tensor([id_ for text in [*train, *test] for id_ in tokenizer(text)["input_ids"]])
    tokens = torch.unique(torch.cat([every, torch.tensor([tokenizer.eos_token_id])]))
    available = calibration_ids(tokenizer, train, SEQUENCES + min(steps * batch, _most(tokenizer, train)), TOKENS, seed)
    evaluation = calibration_ids(tokenizer, test, SEQUENCES, TOKENS, seed)
    train_ids, test_ids = (torch.searchsorted(tokens, ids) for ids in (available, evaluation))
    return Data(train_ids[:SEQUENCES], train_ids[SEQUENCES:], test_ids, tokens)


def _most(tokenizer: Any, texts: Sequence[str]) -> int:
    """How many sequences the texts give beside those for calibration."""
    return sum(len(tokenizer(text)["input_ids"]) + 1 for text in texts) // TOKENS - SEQUENCES


def _texts(path: Path) -> list[str]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [f"Question: {row['question']}\nAnswer: {row['answer']}" for row in rows]


def slice_vocabulary(source: Path, target: Path, tokens: torch.Tensor) -> Path:
    """The model of `source`, its head tied, with the embeddings of some tokens only; the folder."""
    target.mkdir(parents=True)
    checkpoint, writer = Checkpoint(source), CheckpointWriter(target)
    for name in checkpoint.shapes:
        writer.add(name, checkpoint.rows(name, tokens) if name == EMBEDDING else checkpoint.one(name, torch.float32))
    writer.close()
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    changes = {"vocab_size": len(tokens), "dtype": "float32"} | ids
    (target / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return target


def untrained(folder: Path, seed: int) -> Any:
    """A model of the same shape with random weights, as transformers draws them."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)


def load(folder: Path) -> Any:
    """The model in a folder, in float32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def label_loss(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of the next tokens."""
    loss: torch.Tensor = model(ids, labels=ids).loss
    return loss


def heal(
    model: Any, data: Data, steps: int, batch: int, rate: float, label: str, objective: Objective = label_loss
) -> Healed:
    """Train on the healing sequences, over again when they are used up; the loss on labels before and after."""
    before, began = evaluate(model, data.evaluation), time.monotonic()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    model.train()
    with progress(steps, label, "step") as bar:
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * _schedule(step, steps)
            places = torch.arange(step * batch, (step + 1) * batch) % len(data.healing)
            ids = data.healing[places]
            optimiser.zero_grad()
            objective(model, ids).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            bar.update()
    seconds = time.monotonic() - began
    return Healed(before, evaluate(model, data.evaluation), seconds)


def _schedule(step: int, steps: int) -> float:
    """A linear warm-up, then half a cosine down to a tenth."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.55 + 0.45 * math.cos(math.pi * (step - WARM_UP) / max(1, steps - WARM_UP))


@torch.no_grad()
def evaluate(model: Any, ids: torch.Tensor) -> float:
    """The mean loss in nats a token."""
    model.eval()
    return fmean(model(batch, labels=batch).loss.item() for batch in torch.split(ids, 4))
