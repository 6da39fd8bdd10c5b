"""When a training stops: what is left against what a good end takes. The clock is one that the test moves."""

from pathlib import Path

import pytest

from training.running.clock import Clock, Times
from training.running.deadline import END, END_SHARE, Deadline


class Hand:
    """The hand of a clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def deadline_of(folder: Path, hand: Hand, budget: float | None, **times: float) -> Deadline:
    clock = Clock(folder, budget, now=hand)
    clock.times = Times(started_at=1000.0, first_step_at=1010.0, **times)
    return Deadline(clock)


def steps(deadline: Deadline, *seconds: float) -> None:
    for each in seconds:
        deadline.note_step(each)


def test_a_restart_may_train_if_what_is_left_of_its_loading_a_step_and_the_end_fit(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 200.0, startup=50.0, last_step=10.0)
    deadline.clock.launched_at, hand.now = 1100.0, 1130.0  # 20 s of loading, 10 of a step and 4.26 for the end
    assert deadline.can_train()
    hand.now = 1145.0
    assert deadline.can_train(), "loading goes on while the time passes"
    deadline.clock.launched_at = 1145.0
    assert not deadline.can_train()


def test_without_a_budget_nothing_must_close(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, None, evaluation=5.0, save=1.0)
    hand.now += 1e9
    assert not deadline.must_close()
    assert deadline.fits(1e9)


def test_it_closes_when_another_step_and_the_end_no_longer_fit(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, evaluation=10.0, save=1.0)
    steps(deadline, 2.0, 2.0, 2.0)
    end = 1.3 * (10 + 2 * 1 + END_SHARE * 100) + END
    assert deadline.reserve() == pytest.approx(end)
    hand.now = 1100 - end - 2.0 - 0.1
    assert not deadline.must_close()
    hand.now += 0.2
    assert deadline.must_close()


def test_one_more_step_is_taken_at_the_floor_if_the_machine_became_slow_before_the_schedule_got_there(
    tmp_path: Path, hand: Hand
) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, evaluation=10.0, save=1.0)
    steps(deadline, 2.0, 2.0, 2.0)
    hand.now = 1100 - deadline.reserve() - 1.9
    assert deadline.must_close(at_floor=True)
    assert not deadline.must_close(at_floor=False)
    assert deadline.share_over(3, 10**9) == 1.0
    hand.now = 1100 - (2 * 1.0 + END / 1.3) - 1.9
    assert deadline.must_close(at_floor=False)


def test_a_machine_that_is_three_times_slower_needs_three_times_as_long_for_the_end(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, evaluation=4.0, step_at_evaluation=1.0, save=1.0, step_at_save=1.0)
    steps(deadline, *[1.0] * 9)
    before = deadline.reserve()
    steps(deadline, *[3.0] * 9)
    assert deadline.slowness() == pytest.approx(3.0)
    assert deadline.reserve() == pytest.approx(3 * before)


def test_a_machine_that_was_slow_when_an_evaluation_was_measured_is_not_counted_slow_twice(
    tmp_path: Path, hand: Hand
) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, evaluation=12.0, step_at_evaluation=3.0)
    steps(deadline, *[3.0] * 9)
    assert deadline.evaluation() == pytest.approx(12.0)


def test_one_long_step_among_short_ones_is_expected_again(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0)
    steps(deadline, 1.0, 1.0, 1.0, 1.0, 5.0)
    assert deadline.step() == 5.0


def test_a_restart_expects_steps_as_long_as_before_until_it_has_three_of_its_own(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, last_step=5.0)
    assert deadline.step() == 5.0
    deadline.note_step(7.0, first=True)
    steps(deadline, 1.0, 1.0)
    assert deadline.step() == 7.0
    steps(deadline, 1.0)
    assert deadline.step() == 1.0


def test_the_last_evaluation_is_left_out_where_only_the_saves_fit(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0, evaluation=30.0, save=1.0)
    hand.now = 1060.0
    assert deadline.last_evaluation_fits()
    hand.now = 1070.0
    assert not deadline.last_evaluation_fits()


def test_before_an_evaluation_is_measured_it_is_guessed_from_the_steps(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 100.0)
    deadline.clock.times.evaluation_steps = 4.0
    steps(deadline, 2.0)
    assert deadline.evaluation() == 8.0


def test_the_share_follows_the_time_whatever_the_number_of_steps(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 114.1)  # 10 s of loading, 4.1 s for the end: 100 s of training
    assert deadline.share_over(0, 10**9) == pytest.approx(0.0, abs=0.01)
    hand.now = 1060.0
    assert deadline.share_over(7, 10**9) == pytest.approx(0.5, abs=0.01)
    hand.now = 1110.0
    assert deadline.share_over(8, 10**9) == pytest.approx(1.0, abs=0.01)


def test_the_last_three_steps_are_at_the_end_of_the_schedule(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 114.1)
    steps(deadline, *[2.0] * 9)
    hand.now = 1104.1
    assert deadline.share_over(50, 10**9) == 1.0


def test_the_steps_end_the_schedule_where_they_are_over_before_the_time(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 1e6)
    assert deadline.share_over(49, 100) == pytest.approx(0.5)
    assert deadline.share_over(99, 100) == 1.0


def test_the_share_recovers_when_an_estimate_proves_too_long(tmp_path: Path, hand: Hand) -> None:
    deadline = deadline_of(tmp_path, hand, 200.0, evaluation=80.0)
    hand.now = 1050.0
    before = deadline.share_over(1, 10**9)
    deadline.clock.times.evaluation = 1.0
    assert deadline.share_over(2, 10**9) < 0.6 * before


def test_a_deadline_that_leaves_no_time_to_train_is_the_end_of_the_schedule(tmp_path: Path, hand: Hand) -> None:
    assert deadline_of(tmp_path, hand, 12.0).share_over(0, 10**9) == 1.0
