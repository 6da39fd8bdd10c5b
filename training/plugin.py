"""The Axolotl plugin of this project: a deadline, safe and exact restarts, checks at the start, a teacher, run.json.

Named in a recipe's train.yaml (`plugins: [training.plugin.OneDayPlugin]`); runs inside Axolotl's process, whether
`run.py` or `accelerate launch -m axolotl.cli.train` started it. Its keys are in `training.plugin_args`; what it does
while Axolotl trains is in `training.running`.
"""

import fcntl
import gc
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback, set_seed

from oneday.models import ensure_base_model
from training import trackers
from training.distilling.teacher import folder_fault
from training.four_bit import without_cpu_kernel
from training.plugin_args import budget_seconds, schedule_of
from training.run_record import Ending, write_run
from training.running.best_checkpoint import adopt_checkpoint
from training.running.callback import Timekeeper
from training.running.checkpoints import (
    checkpoints,
    read_start,
    same_start,
    set_aside_broken_checkpoints,
    start_record,
    write_start,
)
from training.running.clock import CLOCK, Clock
from training.running.deadline import Deadline
from training.running.isolation import check_batch, packing_difference, packing_fault
from training.running.log_callback import LogCallback
from training.running.order import keep_order_over_restarts
from training.running.preflight import Preflight, check_rows
from training.running.processes import Refused, end_process, first_on_machine, first_process, watch_parent
from training.running.record import make_record
from training.running.schedule import timed_scheduler
from training.running.stop_signal import StopSignal


class OneDayPlugin(BasePlugin):  # type: ignore[misc]  # axolotl is untyped
    """See the module. Axolotl creates one instance a process."""

    def __init__(self) -> None:
        super().__init__()
        self._record: dict[str, Any] = {}
        self._lock: Any = None
        self._cfg: Any = None
        self._clock: Clock | None = None
        self._keeper: Timekeeper | None = None
        self._preflight: dict[str, Any] = {}

    def get_input_args(self) -> str:
        """The class of this plugin's keys, by name."""
        return "training.plugin_args.OneDayArgs"

    def register(self, cfg: Any) -> None:
        """Before Axolotl reads the model's config: know its type, unpack it, key the token cache by the data's content.

        Axolotl's own key covers path and settings but not content, so edited data would train on old tokens.
        """
        watch_parent()
        know_inkuba()
        if faults := trackers.tracker_faults(cfg):
            raise Refused("; ".join(f"{key}: {message}" for key, message in faults.items()))
        trackers.set_environment(cfg)
        if first_on_machine():
            ensure_base_model(cfg["base_model"], cfg.get("oneday_base_model_from"))
        self._record = start_record(cfg)
        prepared, content = cfg.get("dataset_prepared_path"), self._record["data"][:12]
        if prepared and Path(prepared).name != content:  # a Ray worker registers what its driver has registered
            cfg["dataset_prepared_path"] = str(Path(prepared) / content)

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> Any:
        """At the start of a training (not of `axolotl preprocess`): claim the folder, start the clock, check the rows.

        Returns what Axolotl's own loader does. Raises Refused if another process trains there, if its checkpoints come
        from other settings or data, or if the rows must not be trained on. Ends the process with exit code 0 if this
        training is finished (resuming it would change the model), or if its time is over: with the best checkpoint.
        """
        if preprocess:
            return None
        self._cfg = cfg
        model_dir = Path(cfg.output_dir)
        if first_process():
            self._claim_folder(model_dir)
        if cfg.get("oneday_teacher") and (fault := folder_fault(cfg["oneday_teacher"])):
            raise Refused(fault)
        self._clock = Clock(model_dir, budget_seconds(cfg))
        if first_process():
            self._end_if_time_is_over()
            self._clock.count_attempt()
        gc.freeze()  # modules are never garbage, and Axolotl collects 8 times an evaluation: 0.4 s each for them alone
        if cfg.get("rl") or cfg.get("streaming") or cfg.get("pretraining_dataset"):
            return None
        from axolotl.common.datasets import load_datasets
        from axolotl.loaders import load_tokenizer

        set_seed(cfg.seed)  # Axolotl counts the steps of a few shuffles, from a generator that it seeds only later
        loaded = load_datasets(cfg=cfg)
        if first_process():
            self._check(check_rows(cfg, loaded.train_dataset, loaded.eval_dataset, load_tokenizer(cfg)))
        return loaded

    def pre_model_load(self, cfg: Any) -> None:
        """Seed the adapter's initial weights; Axolotl seeds only the trainer, which is made later."""
        set_seed(cfg.seed)

    def post_model_load(self, cfg: Any, model: Any) -> None:
        """Keep 4-bit layers on the path that has a gradient."""
        without_cpu_kernel(model)

    def get_trainer_cls(self, cfg: Any) -> Any:
        """With a teacher: the trainer that asks it. None otherwise, and Axolotl takes its own."""
        if not cfg.get("oneday_teacher"):
            return None
        from training.distilling.trainer import DistillingTrainer

        return DistillingTrainer

    def get_training_args(self, cfg: Any) -> dict[str, Any]:
        """No evaluation at step 0, which Axolotl forces and no key of its own turns off; what a tracker needs."""
        return {"eval_on_start": False, **trackers.training_arguments(cfg)}

    def add_callbacks_pre_trainer(self, cfg: Any, model: Any) -> list[TrainerCallback]:
        """The callbacks that keep the time and the log of a training."""
        trackers.prepare(cfg)
        if self._clock is None:  # not a training: `axolotl evaluate`
            return []
        signal = StopSignal()
        signal.install()
        self._keeper = Timekeeper(Path(cfg.output_dir), self._clock, signal, self._write_stopped, self._end_late)
        return [self._keeper, *([LogCallback(Path(cfg.output_dir), self._clock)] if first_process() else [])]

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Let a restart go on with the rows that are left; count tokens; check what the model makes of packed rows."""
        keep_order_over_restarts(trainer, cfg.seed)
        if self._keeper is None:
            return
        self._keeper.trainer = trainer
        count_tokens(trainer, self._keeper)
        if not cfg.get("rl") and self._preflight:
            self._check_batches(cfg, trainer)
        if cfg.get("oneday_teacher"):
            self._bring_teacher(cfg, trainer)

    def create_lr_scheduler(self, cfg: Any, trainer: Any, optimizer: Any, num_training_steps: int) -> Any:
        """With a budget: the schedule by time. None otherwise, and Axolotl makes its own."""
        if self._keeper is None or not self._keeper.timed:
            return None
        deadline = self._keeper.deadline
        return timed_scheduler(
            optimizer,
            lambda steps_done: deadline.share_over(steps_done, num_training_steps),
            shape=schedule_of(cfg),
            warmup=float(cfg.get("warmup_ratio") or 0.0),
            floor=float(cfg.get("cosine_min_lr_ratio") or 0.0),
        )

    def post_train_unload(self, cfg: Any) -> None:
        """The last hook of a training that reached its end: the saved model is whole."""
        if first_process() and self._keeper is not None:
            self._write_run("deadline" if self._keeper.by_deadline else "steps")
            write_start(Path(cfg.output_dir), self._record, finished=True)
        if self._keeper is not None and self._keeper.timed and not cfg.get("use_ray"):
            end_process(0)

    def _claim_folder(self, model_dir: Path) -> None:
        model_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _claim(model_dir)
        earlier = read_start(model_dir)
        ours = earlier is not None and same_start(earlier, self._record)
        if ours and earlier is not None and earlier.get("finished"):
            print(f"{model_dir} holds this training, finished; move it away to train again")
            raise SystemExit(0)
        if checkpoints(model_dir) and not ours:
            raise Refused(
                f"{model_dir} holds checkpoints of a training with other settings or data; "
                f"move that folder away or name another output_dir"
            )
        if not ours:
            (model_dir / CLOCK).unlink(missing_ok=True)
        set_aside_broken_checkpoints(model_dir)
        write_start(model_dir, self._record, finished=False)

    def _end_if_time_is_over(self) -> None:
        """A restart that has no time for a step and a good end takes the best checkpoint instead."""
        assert self._clock is not None
        if self._clock.budget is None or not self._clock.times.attempts:
            return
        if not Deadline(self._clock).can_train():
            self._clock.count_attempt()
            self._take_checkpoint()
            raise SystemExit(0)

    def _end_late(self) -> None:
        """In the middle of an evaluation, with a checkpoint just saved: all processes come here."""
        if first_process():
            self._take_checkpoint()
        end_process(0)

    def _take_checkpoint(self) -> None:
        model_dir = Path(self._cfg.output_dir)
        checkpoint, state = adopt_checkpoint(model_dir, bool(self._cfg.get("load_best_model_at_end")))
        self._write_run("deadline", state)
        write_start(model_dir, self._record, finished=True)
        print(f"oneday: the time is over; {checkpoint.name} is the model in {model_dir}", flush=True)

    def _write_stopped(self) -> None:
        if first_process():
            self._write_run("stopped")

    def _write_run(self, ended_by: Ending, state: dict[str, Any] | None = None) -> None:
        assert self._clock is not None
        keeper = self._keeper
        known = vars(keeper.state) if keeper is not None and keeper.state is not None else state or {}
        step_times, rate = (keeper.step_times, keeper.last_rate) if keeper is not None else ([], None)
        record = make_record(self._cfg, self._clock, known, ended_by, self._preflight, step_times, rate)
        write_run(Path(self._cfg.output_dir), record)

    def _check(self, preflight: Preflight) -> None:
        print("\n".join(preflight.lines()), flush=True)
        self._preflight = preflight.facts()
        if preflight.faults:
            raise Refused("this data must not be trained on:\n  " + "\n  ".join(preflight.faults))

    def _check_batches(self, cfg: Any, trainer: Any) -> None:
        """Raises Refused if padding is trained on or packed rows see one another."""
        if fault := check_batch(trainer, trainer.processing_class.pad_token_id):
            raise Refused(fault)
        difference = packing_difference(trainer)
        self._preflight["packing_difference"] = difference
        if difference is None:
            print("preflight: packing: not checked (rows are not packed, or weights are spread)", flush=True)
            return
        dtype = "bfloat16" if cfg.get("bf16") else "float16" if cfg.get("fp16") else "float32"
        print(f"preflight: packing: a row's logits change by {difference:.1e} of their spread when packed", flush=True)
        if fault := packing_fault(difference, dtype, cfg):
            raise Refused(fault)

    def _bring_teacher(self, cfg: Any, trainer: Any) -> None:
        """Raises Refused if the student cannot learn from the teacher."""
        from training.distilling.trainer import bring_teacher

        try:
            line = bring_teacher(trainer, cfg)
        except ValueError as error:
            raise Refused(str(error)) from error
        if first_process():
            print(line, flush=True)


def know_inkuba() -> None:
    """Make the shared-MLP Llama known to transformers, and its attention, which is Llama's, to Axolotl's packing."""
    from axolotl.monkeypatch.multipack import SUPPORTED_MULTIPACK_MODEL_TYPES

    from compress import inkuba
    from compress.inkuba_model import MODEL_TYPE

    inkuba.register()
    if MODEL_TYPE not in SUPPORTED_MULTIPACK_MODEL_TYPES:
        SUPPORTED_MULTIPACK_MODEL_TYPES.append(MODEL_TYPE)


def count_tokens(trainer: Any, keeper: Timekeeper) -> None:
    """Let the keeper see every batch that is trained on."""
    original = trainer.training_step

    def counted(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        keeper.count(inputs)
        return original(model, inputs, *args, **kwargs)

    trainer.training_step = counted


def _claim(model_dir: Path) -> Any:
    """A lock on the folder that lasts as long as this process."""
    lock = (model_dir / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Refused(f"another training is at work in {model_dir}; wait for it, or name another output_dir") from error
    return lock
