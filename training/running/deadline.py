"""When to stop: what is left to the deadline against what a good end takes (evaluate, save, load the best, save).

How long these take is measured in this training; a machine that has become slower makes all of them longer.
"""

from collections import deque
from statistics import median

from training.running.clock import Clock

RECENT = 9  # steps
CAUTION = 1.3  # an evaluation or a save may take that much longer than the last one
END = 4.0  # seconds to write the model card and to end the process, on an unloaded machine; caution included
END_SHARE = 0.001  # of the budget, added to END
AHEAD = 3  # steps; the step at hand may be the last if it takes longer than expected
SAVES_AT_END = 2  # the last checkpoint; the best adapter read back and the model written, without optimizer states


class Deadline:
    """Decides for one process; `training.running.callback` makes all processes agree."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.first: float | None = None
        self.share = 0.0

    def note_step(self, seconds: float, first: bool = False) -> None:
        """Take in how long a step took. An attempt's first loads kernels: it counts while there are few others."""
        times = self.clock.times
        if first:
            self.first = seconds
        else:
            self.recent.append(seconds)
            if len(self.recent) >= 3:
                typical = median(self.recent)
                times.step = min(typical, times.step or typical)
        times.last_step = self.step()

    def step(self) -> float:
        """Seconds that the next step may take: the longest of the last three, at least the median of recent ones."""
        samples = list(self.recent)[-3:]
        if len(samples) < 3:
            samples += [seconds for seconds in (self.first, self.clock.times.last_step) if seconds is not None]
        return max([self.recent_median() or 0.0, *samples])

    def recent_median(self) -> float | None:
        """Seconds that most of the recent steps took; None before there are some."""
        return median(self.recent) if self.recent else None

    def typical_step(self) -> float:
        """Seconds that most steps take now."""
        recent = self.recent_median()
        return self.step() if recent is None else recent

    def slowness(self) -> float:
        """How many times slower the machine is than at its best in this training; 1 or more."""
        fastest, recent = self.clock.times.step, self.recent_median()
        return max(1.0, recent / fastest) if fastest and recent is not None else 1.0

    def evaluation(self) -> float:
        """Seconds that an evaluation may take now."""
        times = self.clock.times
        return self._scaled(
            times.evaluation, times.step_at_evaluation, (times.evaluation_steps or 0.0) * self.typical_step()
        )

    def save(self) -> float:
        """Seconds that a checkpoint may take now."""
        return self._scaled(self.clock.times.save, self.clock.times.step_at_save, 0.0)

    def _scaled(self, measured: float | None, step_then: float | None, guess: float) -> float:
        """A measured time, longer by as much as steps have become since; `guess` if nothing was measured."""
        if measured is None:
            return guess
        recent = self.recent_median()
        slower = recent / step_then if step_then and recent is not None else 1.0
        return measured * max(1.0, slower)

    def reserve(self) -> float:
        """Seconds before the deadline at which the last step must be over."""
        closing = self.evaluation() + SAVES_AT_END * self.save()
        end = END / CAUTION + END_SHARE * (self.clock.budget or 0.0)
        return CAUTION * (closing + end * self.slowness())

    def can_train(self) -> bool:
        """Whether a process that has just been launched gets to a step in time: the rest of its loading included."""
        loading = (self.clock.times.startup or 0.0) - (self.clock.now() - self.clock.launched_at)
        return self.clock.remaining() > max(loading, 0.0) + self.step() + self.reserve()

    def least(self) -> float:
        """Seconds before the deadline at which everything but a save and the end is given up."""
        return SAVES_AT_END * self.save() + END / CAUTION * self.slowness()

    def must_close(self, at_floor: bool = True) -> bool:
        """Whether there is no time for another step.

        If the schedule has not reached its floor yet (the machine has just become slow), one more step is taken there
        at the expense of the last evaluation and of caution.
        """
        if at_floor:
            return self.clock.remaining() < self.reserve() + self.step()
        return self.clock.remaining() < self.least() + self.typical_step()

    def last_evaluation_fits(self) -> bool:
        """Whether there is time for an evaluation before the saves of the end; caution is spent where it must be."""
        return self.clock.remaining() > self.evaluation() + self.least()

    def fits(self, seconds: float) -> bool:
        """Whether something that takes so long can be done and a step after it, before the end begins."""
        return self.clock.remaining() > self.reserve() + self.step() + CAUTION * seconds

    def share_over(self, steps_done: int, steps: int) -> float:
        """How much of the training will be over after the next step: by time or by steps, whichever is more.

        It is 1 from about the last three steps on, so that the last one is taken at the floor.
        """
        by_steps = (steps_done + 1) / steps if steps > 0 else 0.0
        times, budget = self.clock.times, self.clock.budget
        if budget is not None and times.first_step_at is not None:
            begin = times.first_step_at - times.started_at
            length = budget - self.reserve() - begin
            by_time = (self.clock.elapsed() - begin + AHEAD * self.step()) / length if length > 0 else 1.0
        else:
            by_time = 0.0
        self.share = min(max(by_steps, by_time), 1.0)
        return self.share
