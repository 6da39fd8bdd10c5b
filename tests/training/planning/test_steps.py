"""Steps, evaluations and saves; `test_measure` compares them with a real training."""

from typing import Any

import pytest

from tests.training.planning.tiny_models import settings_of
from training.planning.activations import Batch
from training.planning.packing import Epoch
from training.planning.steps import count_steps


def _epoch(micro_batches: int, rows: int = 100) -> Epoch:
    return Epoch(rows, 0, 10, 1000, micro_batches, 1000, 0.0, Batch(1, 10))


@pytest.mark.parametrize(
    ("values", "micro_batches", "gpus", "expected"),
    [
        ({"sample_packing": True, "gradient_accumulation_steps": 4, "num_epochs": 3}, 10, 1, 6),
        ({"sample_packing": True, "gradient_accumulation_steps": 4, "num_epochs": 1.5}, 10, 1, 3),
        ({"sample_packing": True, "gradient_accumulation_steps": 4, "num_epochs": 3}, 16, 2, 6),
        ({"sample_packing": True, "gradient_accumulation_steps": 4, "num_epochs": 2}, 1, 1, 2),
        ({"sample_packing": True, "num_epochs": 2, "dataloader_drop_last": True}, 10, 1, 18),
        ({"micro_batch_size": 3, "gradient_accumulation_steps": 2, "num_epochs": 2}, 34, 1, 34),
        ({"sample_packing": True, "max_steps": 7}, 10, 1, 7),
    ],
)
def test_steps(values: dict[str, Any], micro_batches: int, gpus: int, expected: int) -> None:
    assert count_steps(_epoch(micro_batches), False, settings_of(**values), gpus).total == expected


def test_the_last_step_of_an_epoch_takes_what_is_left() -> None:
    settings = settings_of(sample_packing=True, gradient_accumulation_steps=4, max_steps=3)
    found = count_steps(_epoch(10), False, settings)
    assert (found.micro_batches, found.epochs) == (10, 1.0)


@pytest.mark.parametrize(
    ("values", "evaluations", "saves"),
    [
        ({"eval_steps": 4, "save_steps": 5}, 3, 2),  # of 10 steps: 4, 8 and the last; 5 and 10
        ({"eval_steps": 0.25}, 4, 1),  # every 3 steps and the last
        ({"eval_strategy": "epoch", "saves_per_epoch": 4}, 1, 4),  # every 3 steps and the last
        ({"eval_strategy": "no", "save_strategy": "no"}, 0, 0),
        ({"eval_strategy": "steps"}, 1, 1),
        ({}, 0, 1),
    ],
)
def test_evaluations_and_saves(values: dict[str, Any], evaluations: int, saves: int) -> None:
    found = count_steps(_epoch(10), True, settings_of(sample_packing=True, **values))
    assert (found.evaluations, found.saves) == (evaluations, saves)


def test_nothing_is_evaluated_without_rows() -> None:
    assert count_steps(_epoch(10), False, settings_of(sample_packing=True, eval_steps=2)).evaluations == 0
