"""The trainer with a teacher: what it makes of a batch does not depend on how rows are packed or accumulated."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.distilling.test_teacher import tiny_llama

pytestmark = pytest.mark.slow

LENGTHS, PROMPT, WEIGHT, TEMPERATURE = (9, 14, 5, 12), 3, 0.3, 2.0


def trainer_of(folder: Path, student: Any, teacher: Any, **arguments: Any) -> Any:
    from axolotl.core.training_args import AxolotlTrainingArguments

    from training.distilling.trainer import DistillingTrainer

    plain = {"use_cpu": True, "report_to": [], "bf16": False, "include_tkps": False, "eval_strategy": "no"}
    args = AxolotlTrainingArguments(output_dir=str(folder), **plain | arguments)
    trainer = DistillingTrainer(model=student, args=args, train_dataset=[{}], data_collator=None)
    trainer.take_teacher(teacher.requires_grad_(False).eval(), WEIGHT, TEMPERATURE)
    trainer.create_optimizer()
    return trainer


def rows() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for length in LENGTHS:
        ids = torch.randint(0, 64, (length,), generator=generator)
        labels = ids.clone()
        labels[:PROMPT] = -100
        found.append({"input_ids": ids, "labels": labels, "position_ids": torch.arange(length)})
    return found


def packed(some: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of all rows, as Axolotl's collator makes it."""
    return {name: torch.cat([row[name] for row in some])[None] for name in some[0]}


def padded(some: list[dict[str, Any]]) -> dict[str, Any]:
    """A line a row, with a mask."""
    fill = {"input_ids": 0, "labels": -100, "position_ids": 0}
    batch = {
        name: torch.nn.utils.rnn.pad_sequence([row[name] for row in some], batch_first=True, padding_value=value)
        for name, value in fill.items()
    }
    return batch | {"attention_mask": (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()}


def gradients(trainer: Any, batches: list[dict[str, Any]]) -> tuple[float, list[torch.Tensor]]:
    """The loss and the gradients of one step over these micro-batches, by the trainer's own loop."""
    trainer.model.zero_grad()
    trainer.current_gradient_accumulation_steps = len(batches)
    taken, items = trainer.get_batch_samples(iter(batches), len(batches), torch.device("cpu"))
    loss = sum(float(trainer.training_step(trainer.model, batch, items)) for batch in taken)
    return loss, [parameter.grad.clone() for parameter in trainer.model.parameters()]


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    teacher = tiny_llama(1, hidden_size=48, num_hidden_layers=3, num_attention_heads=3)
    return trainer_of(tmp_path_factory.mktemp("out"), tiny_llama(), teacher)


def plain_loss(trainer: Any) -> float:
    """Row by row from whole logits: the mean over all tokens that have a label."""
    total, tokens = 0.0, 0
    for row in rows():
        with torch.no_grad():
            ours, theirs = (
                model(input_ids=row["input_ids"][None]).logits[0, PROMPT - 1 : -1]
                for model in (trainer.model, trainer.teacher)
            )
        targets = (theirs / TEMPERATURE).softmax(-1)
        divergence = (targets * (targets.log() - (ours / TEMPERATURE).log_softmax(-1))).sum()
        labels = row["labels"][PROMPT:]
        cross_entropy = torch.nn.functional.cross_entropy(ours, labels, reduction="sum")
        total += float(WEIGHT * TEMPERATURE**2 * divergence + (1 - WEIGHT) * cross_entropy)
        tokens += len(labels)
    return total / tokens


def test_rows_packed_padded_and_alone_give_the_same_loss(trainer: Any) -> None:
    expected = plain_loss(trainer)
    for batches in ([packed(rows())], [padded(rows())], [packed([row]) for row in rows()]):
        assert gradients(trainer, batches)[0] == pytest.approx(expected, rel=1e-5)


def test_4_micro_batches_of_1_row_have_the_gradients_of_1_of_4(trainer: Any) -> None:
    _, whole = gradients(trainer, [packed(rows())])
    _, parts = gradients(trainer, [packed([row]) for row in rows()])
    assert max(float((one - other).abs().max()) for one, other in zip(whole, parts, strict=True)) < 1e-6
    assert max(float(one.abs().max()) for one in whole) > 1e-2


def test_rows_that_see_one_another_would_be_noticed(trainer: Any) -> None:
    assert abs(gradients(trainer, [leaking(rows())])[0] - plain_loss(trainer)) > 1e-2


def test_gradient_checkpointing_changes_nothing(trainer: Any, tmp_path: Path) -> None:
    again = trainer_of(tmp_path, tiny_llama(), trainer.teacher, gradient_checkpointing=True)
    again.model.gradient_checkpointing_enable({"use_reentrant": False})
    (loss, found), (expected, whole) = gradients(again, [packed(rows())]), gradients(trainer, [packed(rows())])
    assert loss == pytest.approx(expected, rel=1e-6)
    assert max(float((one - other).abs().max()) for one, other in zip(found, whole, strict=True)) < 1e-6


def test_bfloat16_autocast_is_close(trainer: Any, tmp_path: Path) -> None:
    again = trainer_of(tmp_path, tiny_llama(), trainer.teacher, bf16=True)
    again.model = again.model_wrapped = again.accelerator.prepare(again.model)
    loss, _ = gradients(again, [packed(rows())])
    assert loss == pytest.approx(gradients(trainer, [packed(rows())])[0], rel=0.02)


def test_evaluation_is_cross_entropy_on_the_labels_alone(trainer: Any) -> None:
    batch = packed(rows())
    loss, _, _ = trainer.prediction_step(trainer.model.eval(), batch, prediction_loss_only=True)
    with torch.no_grad():
        expected = trainer.model(**batch).loss
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert trainer.compute_loss_func is None


def test_the_log_holds_both_parts_a_token(trainer: Any) -> None:
    trainer.logged = None
    loss, _ = gradients(trainer, [packed([row]) for row in rows()])
    trainer.log({"loss": loss})
    entry = trainer.state.log_history[-1]
    parts = WEIGHT * entry["distill_loss"] + (1 - WEIGHT) * entry["label_loss"]
    assert parts == pytest.approx(loss, rel=1e-5)
    assert trainer.logged is None


def test_the_teacher_is_no_part_of_what_is_trained_or_saved(trainer: Any, tmp_path: Path) -> None:
    from safetensors import safe_open

    theirs = {id(parameter) for parameter in trainer.teacher.parameters()}
    optimised = {id(parameter) for group in trainer.optimizer.param_groups for parameter in group["params"]}
    assert not theirs & optimised
    assert all(parameter.grad is None for parameter in trainer.teacher.parameters())
    trainer.save_model(str(tmp_path))
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert set(file.keys()) == {name for name, _ in trainer.model.named_parameters()}


def settings(teacher: Path, **others: Any) -> Any:
    from axolotl.utils.dict import DictDefault

    values = {"oneday_teacher": str(teacher), "oneday_distill_weight": 0.5, "torch_dtype": torch.float32}
    return DictDefault(values | others)


@pytest.fixture
def teacher_dir(tiny_tokenizer: Any, tmp_path: Path) -> Path:
    """A model of other sizes with the tokenizer of the tests."""
    tiny_llama(1, vocab_size=len(tiny_tokenizer), hidden_size=48).save_pretrained(tmp_path / "teacher")
    tiny_tokenizer.save_pretrained(tmp_path / "teacher")
    return tmp_path / "teacher"


def student_of(folder: Path, tokenizer: Any, **sizes: Any) -> Any:
    found = trainer_of(folder, tiny_llama(vocab_size=len(tokenizer), **sizes), tiny_llama())
    found.processing_class = tokenizer
    return found


def test_a_teacher_is_brought_and_told(teacher_dir: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    from training.distilling.trainer import bring_teacher

    student = student_of(tmp_path, tiny_tokenizer)
    line = bring_teacher(student, settings(teacher_dir))
    assert line.startswith(f"oneday: teacher {teacher_dir}: {student.teacher.num_parameters():,} parameters in float32")
    assert line.endswith("weight of the distillation 0.5, of the labels 0.5, temperature 1")
    assert student.teacher.config.hidden_size == 48


def test_a_teacher_of_other_tokens_is_refused(teacher_dir: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    from training.distilling.trainer import bring_teacher

    other = copy.deepcopy(tiny_tokenizer)
    other.add_tokens(["one more"])
    with pytest.raises(ValueError, match=r"id \d+ is 'one more' for the student and no token for the teacher"):
        bring_teacher(student_of(tmp_path, other), settings(teacher_dir))


def test_a_teacher_of_another_size_of_vocabulary_is_refused(
    teacher_dir: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    from training.distilling.trainer import bring_teacher

    student = student_of(tmp_path, tiny_tokenizer)
    student.model.resize_token_embeddings(len(tiny_tokenizer) + 3)
    with pytest.raises(ValueError, match=r"the student has logits for \d+ tokens and the teacher for"):
        bring_teacher(student, settings(teacher_dir))


def test_a_student_that_caps_its_logits_is_refused(teacher_dir: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from training.distilling.trainer import bring_teacher

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma2Config(**sizes, vocab_size=len(tiny_tokenizer), num_key_value_heads=1, initializer_range=1.0)
    student = trainer_of(tmp_path, Gemma2ForCausalLM(config), tiny_llama())
    student.processing_class = tiny_tokenizer
    with pytest.raises(ValueError, match=r"the student's logits \(gemma2\) are changed behind its output layer"):
        bring_teacher(student, settings(teacher_dir))


def test_a_teacher_whose_packed_rows_see_one_another_is_refused(
    teacher_dir: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    from training.distilling.trainer import bring_teacher

    student = student_of(tmp_path, tiny_tokenizer)
    student.args.sample_packing = True
    student.train_dataset = rows()
    student.data_collator = lambda lines: leaking(lines[0])
    with pytest.raises(ValueError, match="oneday_teacher: packed rows see one another"):
        bring_teacher(student, settings(teacher_dir))


def leaking(some: list[dict[str, Any]]) -> dict[str, Any]:
    """What a collator without Axolotl's positions would make."""
    batch = packed(some)
    return batch | {"position_ids": torch.arange(batch["input_ids"].shape[1])[None]}


def test_a_teacher_equal_to_the_student_gives_the_gradients_of_the_labels(trainer: Any, tmp_path: Path) -> None:
    same = trainer_of(tmp_path, tiny_llama(), tiny_llama())
    same.weight = 1.0
    loss, found = gradients(same, [packed(rows())])
    assert abs(loss) < 1e-5
    assert max(float(one.abs().max()) for one in found) < 1e-6
