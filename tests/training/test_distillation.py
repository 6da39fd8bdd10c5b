"""A shared-MLP student and its teacher through the real commands: full fine-tuning, packed, killed and gone on with."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows, write_tokenizer
from tests.training.test_cpu_training import EVERY, TRAIN, killed_after_a_checkpoint, run_command, write_yaml

STEPS = 12
INKUBA: dict[str, Any] = {
    "vocab_size": 32_000,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "head_dim": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
}
TRAIN_FILE: dict[str, Any] = {
    "special_tokens": {"pad_token": "<unk>"},
    "plugins": ["training.plugin.OneDayPlugin"],
    "datasets": [{"path": "", "type": "alpaca_chat.load_qa"}],
    "test_datasets": [{"path": "", "type": "alpaca_chat.load_qa", "split": "train"}],
    "sequence_len": 128,
    "excess_length_strategy": "raise",
    "sample_packing": True,
    "eval_sample_packing": True,
    "pad_to_sequence_len": False,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "num_epochs": 10,
    "learning_rate": 0.01,
    "lr_scheduler": "constant",
    "logging_steps": 1,
    "eval_steps": EVERY,
    "save_steps": EVERY,
    "max_steps": STEPS,
    "auto_resume_from_checkpoints": True,
    "seed": 7,
}


def make_tiny_inkuba(folder: Path) -> Path:
    import torch

    from compress.inkuba_model import InkubaConfig, InkubaForCausalLM

    folder.mkdir(parents=True)
    write_tokenizer(folder)
    torch.manual_seed(0)
    InkubaForCausalLM(InkubaConfig(**INKUBA)).save_pretrained(folder)
    return folder


def stored_names(folder: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return set(file.keys())


def test_a_train_file_with_a_teacher_is_checked_key_by_key(tmp_path: Path) -> None:
    from oneday.config import Document
    from training.checks.axolotl_schema import axolotl_faults

    def faults(**keys: Any) -> dict[str, str]:
        values = on_cpu(TRAIN_FILE, tmp_path, tmp_path, tmp_path, **keys)
        document = Document(tmp_path / "train.yaml", values, dict.fromkeys(values, 1))
        return {fault.key: fault.message for fault in axolotl_faults(document)}

    taught = {"oneday_teacher": "some/teacher", "oneday_distill_weight": 0.5, "oneday_distill_temperature": 2.0}
    assert faults(**taught) == {}
    assert list(faults(**taught | {"oneday_distill_weight": None})) == ["oneday_distill_weight"]
    assert list(faults(**taught | {"torch_compile": True})) == ["torch_compile"]
    assert "did you mean" in faults(**taught | {"oneday_distil_temperature": 2})["oneday_distil_temperature"]


def test_an_absent_teacher_ends_a_training_before_it_starts(tmp_path: Path) -> None:
    from axolotl.utils.dict import DictDefault

    from training.plugin import OneDayPlugin
    from training.running.processes import Refused

    with pytest.raises(Refused, match=r"there is no folder .*absent; train the teacher first"):
        OneDayPlugin().load_datasets(DictDefault(output_dir=str(tmp_path), oneday_teacher=str(tmp_path / "absent")))


@pytest.mark.slow
def test_a_shared_mlp_student_learns_from_a_teacher_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    student, teacher = make_tiny_inkuba(tmp_path / "student"), make_tiny_mistral(tmp_path / "teacher")
    rows = write_rows(tmp_path / "rows", train=300, evaluation=8)
    keys = {"oneday_teacher": str(teacher), "oneday_distill_weight": 0.25, "oneday_distill_temperature": 2.0}
    settings = on_cpu(TRAIN_FILE, student, rows, tmp_path / "run", **keys)
    (tmp_path / "run").mkdir()
    file, model_dir = write_yaml(tmp_path / "train.yaml", settings), tmp_path / "run" / "model"

    killed_after_a_checkpoint(file, model_dir)
    text = run_command(*TRAIN, str(file))

    assert f"oneday: teacher {teacher}: " in text
    assert "weight of the distillation 0.25, of the labels 0.75, temperature 2" in text
    assert "preflight: packing: a row's logits change by" in text
    log = json.loads((model_dir / "training_log.json").read_text(encoding="utf-8"))
    steps = [entry for entry in log if "loss" in entry]
    assert [entry["step"] for entry in steps] == list(range(1, STEPS + 1))
    for entry in steps:
        assert entry["loss"] == pytest.approx(0.25 * entry["distill_loss"] + 0.75 * entry["label_loss"], rel=1e-3)
    assert steps[-1]["loss"] < 0.8 * steps[0]["loss"]
    evaluated = [entry for entry in log if "eval_loss" in entry]
    assert not any("distill_loss" in entry for entry in evaluated)
    assert json.loads((model_dir / "run.json").read_text(encoding="utf-8"))["ended_by"] == "steps"
    holds_the_student_alone(model_dir, student)
    refuses_to_go_on_with_another_teacher(file, model_dir, teacher)


def holds_the_student_alone(model_dir: Path, student: Path) -> None:
    """The model and its last checkpoint have the student's tensors, the MLP once, and load as they are."""
    import torch
    from transformers import AutoModelForCausalLM

    from compress import inkuba

    inkuba.register()
    expected = stored_names(student)
    assert len([name for name in expected if ".mlp." in name]) == 3
    for folder in (model_dir, model_dir / f"checkpoint-{STEPS}"):
        assert stored_names(folder) == expected
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert model.model.layers[0].mlp is model.model.layers[2].mlp
        assert model(input_ids=torch.arange(3, 9)[None]).logits.isfinite().all()
    assert "oneday_teacher" not in (model_dir / "config.json").read_text(encoding="utf-8")


def refuses_to_go_on_with_another_teacher(file: Path, model_dir: Path, teacher: Path) -> None:
    """Neither resumed nor taken for finished: the teacher's weights are part of what a training is."""
    import yaml

    from training.running.checkpoints import read_start, same_start, start_record

    settings, earlier = yaml.safe_load(file.read_text(encoding="utf-8")), read_start(model_dir)
    assert earlier is not None
    assert earlier["finished"]
    assert same_start(earlier, start_record(settings))
    weights = (teacher / "model.safetensors").read_bytes()
    (teacher / "model.safetensors").write_bytes(weights[:-4] + bytes(4))
    assert not same_start(earlier, start_record(settings))
