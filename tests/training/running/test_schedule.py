"""The learning rate by the share of the training that is over."""

import pytest

from training.running.schedule import rate_factor, timed_scheduler


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_the_rate_rises_to_the_peak_and_falls_to_the_floor(shape: str) -> None:
    factors = [rate_factor(share / 100, shape, warmup=0.1, floor=0.2) for share in range(101)]
    assert factors[0] == 0.0
    assert factors[5] == pytest.approx(0.5)
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.2)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_a_constant_rate_stays_at_the_peak_after_the_warmup() -> None:
    assert [rate_factor(share, "constant", 0.5, 0.1) for share in (0.25, 0.5, 1.0)] == [0.5, 1.0, 1.0]


def test_a_share_beyond_the_end_is_the_floor() -> None:
    assert rate_factor(7.0, "cosine", 0.1, 0.3) == pytest.approx(0.3)


def test_a_training_that_is_all_warmup_has_a_rate() -> None:
    assert rate_factor(0.5, "cosine", 1.0, 0.1) == 0.5
    assert rate_factor(1.0, "cosine", 1.0, 0.1) == pytest.approx(0.1)


def test_a_checkpoint_of_the_scheduler_holds_numbers_alone_and_groups_keep_their_own_peaks() -> None:
    import torch

    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1], "lr": 1.0}, {"params": weights[1:], "lr": 16.0}])
    scheduler = timed_scheduler(optimizer, lambda steps: min(steps / 10, 1.0), "linear", warmup=0.0, floor=0.5)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 8.0]
    assert scheduler.state_dict()["lr_lambdas"] == [None, None]
