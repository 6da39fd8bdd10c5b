"""Axolotl's trainer with a teacher in the same process: weight x KL divergence from it + (1 - weight) x cross-entropy.

In-process, and not Axolotl's own KD plugin: that one wants top-k log-probabilities in the data, in a format of its own
and for chat templates only, or a server beside it; here the teacher reads the very batch of the student, packed or not.

Evaluation is Axolotl's own, without the teacher: `eval_loss` is cross-entropy, with or without one.
"""

import copy
from functools import partial
from typing import Any

import torch
from axolotl.core.trainers.base import AxolotlTrainer
from torch import Tensor

from training.distilling.loss import chunked_losses
from training.distilling.output_layer import LayerInput, is_last
from training.distilling.teacher import load_teacher, load_tokens, size_fault, vocabulary_fault
from training.running.isolation import packing_difference, packing_fault

READ = ("input_ids", "attention_mask", "position_ids")  # what a teacher gets of a student's batch
PROBED = 8  # tokens that both models compute to see that their logits come from their output layers


class DistillingTrainer(AxolotlTrainer):  # type: ignore[misc]  # axolotl is untyped
    """See the module. `take_teacher` comes before the first step."""

    teacher: Any = None
    weight = 1.0
    temperature = 1.0

    compute_loss_func: Any  # transformers' own hook; set here while a training batch is computed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Axolotl sets it to False, and each micro-batch would then weigh the same, however few of its tokens count.
        self.model_accepts_loss_kwargs = True
        self.logged: Tensor | None = None  # summed since the last log: divergence, cross-entropy, positions

    def take_teacher(self, teacher: Any, weight: float, temperature: float) -> None:
        """Learn from this model, frozen and on this trainer's device, from now on."""
        self.teacher, self.weight, self.temperature = teacher, weight, temperature

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch: in training against labels and teacher, in evaluation against labels alone."""
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs=return_outputs)
        assert self.teacher is not None, "take_teacher comes before the first step"
        held = LayerInput(self.accelerator.unwrap_model(model).get_output_embeddings())
        self.compute_loss_func = partial(self._distilled, held, inputs)
        try:
            return super().compute_loss(
                model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
            )
        finally:
            self.compute_loss_func = None

    def _distilled(
        self, held: LayerInput, inputs: Any, outputs: Any, labels: Tensor, num_items_in_batch: Any = None
    ) -> Tensor:
        """The sums of this micro-batch over the positions of all micro-batches of the step."""
        student = self.accelerator.unwrap_model(self.model)
        sums = chunked_losses(
            self._head(student),
            held.taken(),
            self._head(self.teacher),
            self._teacher_states(inputs),
            labels,
            self.temperature,
            student.config.get_text_config().vocab_size,
        )
        positions = (labels[..., 1:] != -100).sum()
        seen = torch.stack([sums.divergence.detach(), sums.cross_entropy.detach(), positions.float()])
        self.logged = seen if self.logged is None else self.logged + seen
        total = self.weight * sums.divergence + (1 - self.weight) * sums.cross_entropy
        return total / (positions.clamp_min(1) if num_items_in_batch is None else num_items_in_batch)

    def _head(self, model: Any) -> Any:
        """The output layer as a function of hidden states, in the precision of the training."""
        layer = model.get_output_embeddings()

        def logits(states: Tensor) -> Tensor:
            with self.accelerator.autocast():
                result: Tensor = layer(states)
            return result

        return logits

    def _teacher_states(self, inputs: Any) -> Tensor:
        held = LayerInput(self.teacher.get_output_embeddings())
        with torch.no_grad(), self.accelerator.autocast():
            self.teacher(**{name: inputs[name] for name in READ if name in inputs}, use_cache=False)
        return held.taken()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add, where a training loss is logged, its two parts a trained token since the last time."""
        if "loss" in logs and self.logged is not None:
            divergence, cross_entropy, positions = self.accelerator.reduce(self.logged, "sum").tolist()
            logs |= {"distill_loss": divergence / max(positions, 1), "label_loss": cross_entropy / max(positions, 1)}
            self.logged = None
        super().log(logs, start_time)


def bring_teacher(trainer: DistillingTrainer, cfg: Any) -> str:
    """Load the teacher that the settings name into the trainer; a line that says so.

    Raises ValueError if the student cannot learn from it.
    """
    name, student = str(cfg.oneday_teacher), trainer.accelerator.unwrap_model(trainer.model)
    _refuse(vocabulary_fault(trainer.processing_class.get_vocab(), load_tokens(name)))
    teacher = load_teacher(name, cfg.torch_dtype, trainer.args.device, student.config._attn_implementation)
    sizes = [model.config.get_text_config().vocab_size for model in (student, teacher)]
    _refuse(size_fault(*sizes))
    for role, model in (("student", student), ("teacher", teacher)):
        _refuse(_head_fault(role, model, trainer))
    _refuse(_leak(trainer, teacher, cfg))
    temperature = 1.0 if cfg.oneday_distill_temperature is None else float(cfg.oneday_distill_temperature)
    trainer.take_teacher(teacher, float(cfg.oneday_distill_weight), temperature)
    dtype = str(teacher.dtype).removeprefix("torch.")
    return (
        f"oneday: teacher {name}: {teacher.num_parameters():,} parameters in {dtype}, "
        f"weight of the distillation {trainer.weight:g}, of the labels {1 - trainer.weight:g}, "
        f"temperature {temperature:g}"
    )


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise ValueError(fault)


def _head_fault(role: str, model: Any, trainer: Any) -> str | None:
    """The fault of a model whose logits are changed behind its output layer."""
    size = model.config.get_text_config().vocab_size
    token_ids = (torch.arange(PROBED, device=trainer.args.device) % size)[None]
    with trainer.accelerator.autocast():
        if is_last(model, token_ids):
            return None
    kind = model.config.model_type
    return (
        f"oneday_teacher: the {role}'s logits ({kind}) are changed behind its output layer; train it without a teacher"
    )


def _leak(trainer: Any, teacher: Any, cfg: Any) -> str | None:
    """The fault of a teacher whose packed rows see one another, by the check that the student goes through."""
    view = copy.copy(trainer)
    view.model = teacher
    difference = packing_difference(view)
    dtype = str(cfg.torch_dtype).removeprefix("torch.")
    fault = None if difference is None else packing_fault(difference, dtype, cfg)
    return None if fault is None else f"oneday_teacher: {fault}"
