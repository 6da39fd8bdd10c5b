"""What is a teacher worth? The pruned SmolLM2 of benchmarks/prune.py, healed with labels alone and with teachers.

    python -m benchmarks.distil --gsm8k FOLDER [--rate 5e-4] [--teacher-rate 1e-4] [--batch 4] [--quick]

The student is SmolLM2-135M-Instruct at half its width by pca with refit. Its teacher is the model it was pruned out of:
as it is, or first tuned for 30 steps on the task. Half the loss is the divergence from the teacher, as
`oneday_distill_weight: 0.5` has it; all rows are judged by their loss on labels. --quick heals for 4 steps.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.prune import MODEL, PACKAGED, SEED, WIDTH_ROWS, prune
from oneday.console import quiet_libraries

if TYPE_CHECKING:
    import torch

STUDENT = next(row for row in WIDTH_ROWS if row.name.startswith("pca"))
TEACHER_STEPS = 30
WEIGHT = 0.5


def taught(teacher: Any, model: Any, ids: "torch.Tensor") -> "torch.Tensor":
    """The mean loss a token: the divergence from the teacher and the labels, by WEIGHT."""
    import torch

    from training.distilling.loss import position_losses

    with torch.no_grad():
        targets = teacher(ids).logits[:, :-1].flatten(0, 1)
    sums = position_losses(model(ids).logits[:, :-1].flatten(0, 1), targets, ids[:, 1:].flatten(), temperature=1.0)
    return (WEIGHT * sums.divergence + (1 - WEIGHT) * sums.cross_entropy) / len(targets)


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Heal the student in three ways; one line of output for each."""
    from transformers import AutoTokenizer

    from benchmarks.prune_healing import heal, label_loss, load, load_data, slice_vocabulary
    from oneday.models import ensure_base_model

    ensure_base_model(str(MODEL), PACKAGED)
    data = load_data(arguments.gsm8k, AutoTokenizer.from_pretrained(MODEL), 60, arguments.batch, SEED)
    parent = slice_vocabulary(MODEL, folder / "parent", data.tokens)
    student = prune(parent, folder / "student", STUDENT, data)
    steps, teacher_steps = (4, 4) if arguments.quick else (STUDENT.steps, TEACHER_STEPS)
    teacher = load(parent)
    print(f"{'healed by':<32} {'step 0':>7} {'healed':>7} {'steps':>5} {'s':>7}")

    def row(name: str, objective: Any) -> None:
        done = heal(load(student), data, steps, arguments.batch, arguments.rate, name, objective)
        print(f"{name:<32} {done.before:>7.2f} {done.after:>7.2f} {steps:>5} {done.seconds:>7.1f}", flush=True)

    row("labels", label_loss)
    row("labels, teacher as it is", partial(taught, teacher.eval()))
    tuned = heal(teacher, data, teacher_steps, arguments.batch, arguments.teacher_rate, "teacher")
    name = "(the teacher, tuned)"
    print(f"{name:<32} {tuned.before:>7.2f} {tuned.after:>7.2f} {teacher_steps:>5} {tuned.seconds:>7.1f}", flush=True)
    row("labels, teacher tuned first", partial(taught, teacher.eval()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gsm8k", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--teacher-rate", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    quiet_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        run(arguments, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
