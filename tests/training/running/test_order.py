"""The order of packed rows over restarts."""

from training.running.order import EpochShuffle


def order(size: int, seed: int, epoch: int) -> list[int]:
    shuffle = EpochShuffle(size, seed)
    shuffle.set_epoch(epoch)
    return list(shuffle)


def test_an_epoch_has_the_same_order_after_a_restart_whatever_was_drawn_before() -> None:
    shuffle = EpochShuffle(50, 42)
    list(shuffle)
    for epoch in range(3):
        shuffle.set_epoch(epoch)
        list(shuffle)
    assert list(shuffle) == order(50, 42, 2)


def test_every_row_comes_once_an_epoch() -> None:
    assert sorted(order(50, 42, 1)) == list(range(50))


def test_epochs_seeds_and_estimates_differ() -> None:
    shuffle = EpochShuffle(50, 42)
    orders = [list(shuffle), list(shuffle), order(50, 42, 0), order(50, 42, 1), order(50, 43, 0)]
    assert len({tuple(one) for one in orders}) == len(orders)
