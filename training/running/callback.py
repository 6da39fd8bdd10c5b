"""The plugin's callback: keeps the clock, closes the training in time, stops it cleanly on a signal.

It measures what a step, an evaluation and a checkpoint take; from these `training.running.deadline` says when to stop.
What one process decides, all decide: they agree before they act.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from training.running.checkpoints import checkpoints
from training.running.clock import Clock
from training.running.deadline import Deadline
from training.running.processes import Refused, agreed, end_process, first_process
from training.running.schedule import refresh
from training.running.stop_signal import StopSignal


class Timekeeper(TrainerCallback):  # type: ignore[misc]  # transformers' class is untyped here
    """See the module. `trainer` is set once it exists.

    `on_stop` writes what is to be written before the process ends on a signal; `on_late` ends it with a checkpoint as
    the model, where an evaluation would run over the deadline.
    """

    def __init__(
        self,
        model_dir: Path,
        clock: Clock,
        signal: StopSignal,
        on_stop: Callable[[], None],
        on_late: Callable[[], None],
    ) -> None:
        self.model_dir, self.clock, self.signal = model_dir, clock, signal
        self.on_stop, self.on_late = on_stop, on_late
        self.deadline = Deadline(clock)
        self.trainer: Any = None
        self.timed = clock.budget is not None
        self.running = self.closing = self.by_deadline = False
        self.first_step, self.at_floor = True, False
        self.mark = 0.0  # the end of what was measured last
        self.tokens = self.supervised = 0
        self.last_rate: float | None = None
        self.state: Any = None
        self.step_times: list[float] = []

    # What is counted and measured

    def count(self, inputs: Any) -> None:
        """Take in a batch that is about to be trained on."""
        if "input_ids" in inputs:
            self.tokens += inputs["input_ids"].numel()
        if inputs.get("labels") is not None:
            self.supervised = self.supervised + (inputs["labels"] != -100).sum()  # stays where the batch is

    def _lap(self) -> float:
        now = self.clock.now()
        seconds, self.mark = now - self.mark, now
        return seconds

    def _note_step(self, processes: int) -> None:
        seconds, times = self._lap(), self.clock.times
        tokens, supervised = self.tokens * processes, int(self.supervised) * processes
        self.tokens = self.supervised = 0
        times.tokens += tokens
        times.supervised_tokens += supervised
        times.train_seconds += seconds
        self.deadline.note_step(seconds, first=self.first_step)
        if not self.first_step:
            self.step_times.append(seconds)
            times.timed_steps += 1
            times.timed_seconds += seconds
            times.timed_tokens += tokens
        self.first_step = False

    # What the trainer calls

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start to measure; take the schedule to now; take over the signals from Axolotl."""
        self.signal.install()  # again: Axolotl has put its own in place
        self.signal.phase, self.running, self.state = "training", True, state
        times = self.clock.times
        self.mark = self.clock.now()
        times.startup = max(times.startup or 0.0, self.mark - self.clock.launched_at)
        times.first_step_at = times.first_step_at or self.mark
        if self.timed:
            if self.clock.remaining() <= 0:
                raise Refused(
                    f"the budget of {self.clock.budget:,.0f} s was used up before the first step: loading took "
                    f"{times.startup:,.0f} s; raise oneday_budget_hours or oneday_budget_seconds"
                )
            self._reschedule(kwargs)
        if first_process():
            self.clock.write()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note whether this step is taken at the floor of the schedule."""
        self.at_floor = self.deadline.share >= 1.0

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the rate of this step, as the peak's share: groups may have peaks of their own."""
        group = kwargs["optimizer"].param_groups[0]
        peak = group.get("initial_lr") or args.learning_rate
        self.last_rate = args.learning_rate * float(group["lr"]) / float(peak) if peak else 0.0

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Between two micro-batches: end on a signal, with a checkpoint of the steps that are whole."""
        self._stop_on_signal(state)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Within an evaluation: end on a signal; give the evaluation up where it would run over the deadline."""
        if not self.running:
            return
        late = self.timed and self.clock.remaining() < self.deadline.least()
        stop, give_up = agreed([float(self.signal.number is not None), float(late)])
        if stop:
            self._save_and_exit(state)
        if give_up:
            self._say(f"no time to finish the evaluation at step {state.global_step}; saving instead")
            self._save(state)
            self.by_deadline = True
            self.on_late()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Measure the step; decide whether it was the last, and whether what is due now can be afforded."""
        self._note_step(args.world_size)
        self._reschedule(kwargs)
        if self.timed and self.clock.times.evaluation_steps is None:
            self.clock.times.evaluation_steps = self._steps_of_an_evaluation(args)
        close = self.timed and self.deadline.must_close(self.at_floor)
        due = self.deadline.evaluation() * control.should_evaluate + self.deadline.save() * control.should_save
        skip = self.timed and due > 0 and not self.deadline.fits(due)
        unsaved = self.timed and self.clock.times.save is None
        stop, close, skip, unsaved = map(bool, agreed([self.signal.number is not None, close, skip, unsaved]))
        if stop:
            control.should_save, control.should_evaluate = True, False
        elif close or (self.timed and control.should_training_stop):
            self._close(state, control, by_deadline=close and state.global_step < state.max_steps)
        else:
            control.should_evaluate = control.should_evaluate and not skip
            control.should_save = unsaved or (control.should_save and not skip)
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Nothing twice: what is due at the end of an epoch was done if the training closes, or may not fit."""
        due = self.deadline.evaluation() * control.should_evaluate + self.deadline.save() * control.should_save
        (skip,) = agreed([float(self.closing or (self.timed and due > 0 and not self.deadline.fits(due)))])
        if skip:
            control.should_evaluate = control.should_save = False
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure an evaluation."""
        if not self.running:
            return
        seconds, times = self._lap(), self.clock.times
        times.evaluation, times.step_at_evaluation = seconds, self.deadline.recent_median()
        times.evaluate_seconds += seconds
        times.evaluations += 1

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure a checkpoint; now that it is whole, end if a signal asked for it."""
        self._note_save()
        (stop,) = agreed([float(self.signal.number is not None)])
        if stop and not self.closing:
            self._exit()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The steps are over; what follows is short and not to be cut off."""
        self.signal.phase, self.running, self.state = "ending", False, state

    def _reschedule(self, references: dict[str, Any]) -> None:
        """Set the rate of the next step by what is known now; the trainer asked for it before the step was measured."""
        if self.timed and hasattr(references.get("lr_scheduler"), "lr_lambdas"):
            refresh(references["lr_scheduler"], references["optimizer"])

    # How it ends

    def _close(self, state: Any, control: Any, by_deadline: bool) -> None:
        self.closing, self.by_deadline = True, by_deadline
        control.should_training_stop = control.should_save = control.should_log = True
        evaluates = self.trainer.eval_dataset is not None and self.trainer.args.eval_strategy != "no"
        (short,) = agreed([float(self.timed and not self.deadline.last_evaluation_fits())])
        control.should_evaluate = evaluates and not short
        if by_deadline:
            left, needed = self.clock.remaining(), self.deadline.reserve()
            self._say(f"step {state.global_step} was the last: {left:.1f} s are left, the end may take {needed:.1f} s")
        if evaluates and short:
            self._say("there is no time for a last evaluation")

    def _stop_on_signal(self, state: Any) -> None:
        (stop,) = agreed([float(self.signal.number is not None)])
        if stop:
            self._save_and_exit(state)

    def _save_and_exit(self, state: Any) -> None:
        self._save(state)
        self._exit()

    def _save(self, state: Any) -> None:
        """A checkpoint of the whole steps so far, if there is a step and no checkpoint of it."""
        path = self.model_dir / f"checkpoint-{state.global_step}"
        if state.global_step and path not in checkpoints(self.model_dir):
            self._lap()
            self.trainer._save_checkpoint(self.trainer.model_wrapped, trial=None)
            self._note_save()

    def _note_save(self) -> None:
        seconds, times = self._lap(), self.clock.times
        times.save, times.step_at_save = seconds, self.deadline.recent_median()
        times.save_seconds += seconds
        times.saves += 1
        if first_process():
            self.clock.write()

    def _exit(self) -> None:
        self.on_stop()
        self._say("stopped; the same command goes on from here")
        end_process(self.signal.exit_code)

    def _steps_of_an_evaluation(self, args: Any) -> float:
        """An evaluation's cost in steps, if a batch costs half of one of the training (by arithmetic, a third)."""
        if self.trainer.eval_dataset is None or args.eval_strategy == "no":
            return 0.0
        batches = len(self.trainer.get_eval_dataloader())
        size = float(args.per_device_eval_batch_size / args.per_device_train_batch_size)
        return 0.5 * batches * size / int(args.gradient_accumulation_steps)

    def _say(self, text: str) -> None:
        if first_process():
            print(f"oneday: {text}", file=sys.stderr, flush=True)
