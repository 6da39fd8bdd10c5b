"""The recipes' training files on a CPU, by the real commands: only the base model and what a CPU cannot do are swapped.

Started as a program with training files, it prints the loss of every row of their training sets, by the path that
training takes: Axolotl's own loader, sampler, collator and trainer.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.tiny_mistral import make_tiny_mistral, on_cpu, write_rows, write_tokenizer
from oneday.console import library_environment
from training.run_record import read_run

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 20, 5
LENGTH = 128  # tokens of a packed row; a row of write_rows has 33
MODELS = {"mistral-7b-birbal": "mistral", "mistral-7b-oneday": "mistral", "qwen3-8b-oneday": "qwen3"}
TRAIN = ("-m", "accelerate.commands.launch", "-m", "axolotl.cli.train")
WIDE, NARROW, PACKED = 128, 16, 256  # two sliding windows around the rows' lengths, and a packed row, in tokens
PROJECTIONS = {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")}


def settings_of(recipe: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "recipes" / recipe / "train.yaml").read_text(encoding="utf-8"))
    return values


def write_yaml(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def environment(**others: str) -> dict[str, str]:
    """One thread: on a busy machine two of them make tiny matrices ten times slower."""
    return os.environ | library_environment() | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | others


def make_tiny_qwen3(folder: Path) -> Path:
    """A random two-layer Qwen3; its tokenizer is Mistral's with the base model's special tokens, padding as there."""
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    folder.mkdir(parents=True)
    write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"})
    tokenizer.add_tokens(["<|fim_pad|>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=32_064,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=32_768,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"mistral": make_tiny_mistral(folder / "mistral"), "qwen3": make_tiny_qwen3(folder / "qwen3")}


def killed_after_a_checkpoint(file: Path, model_dir: Path) -> None:
    """Start the training, and kill it and all it started once a checkpoint is whole."""
    with (model_dir.parent / "killed.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *TRAIN, str(file)],
            env=environment(),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while process.poll() is None and not (model_dir / f"checkpoint-{EVERY}" / "trainer_state.json").exists():
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert process.returncode == -signal.SIGKILL, (model_dir.parent / "killed.log").read_text(encoding="utf-8")[-3000:]


def run_command(*command: str, **others: str) -> str:
    """The output of a command that succeeds."""
    finished = subprocess.run(
        [sys.executable, *command], env=environment(**others), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{finished.stdout[-2000:]}\n{finished.stderr[-4000:]}"
    return finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("recipe", MODELS)
def test_a_recipe_trains_evaluates_saves_goes_on_after_a_kill_and_merges(
    recipe: str, models: dict[str, Path], tmp_path: Path
) -> None:
    base, model_dir = models[MODELS[recipe]], tmp_path / "run" / "model"
    model_dir.parent.mkdir()
    rows = write_rows(tmp_path / "rows", train=600, evaluation=16)
    changes: dict[str, Any] = {"sequence_len": LENGTH, "max_steps": STEPS, "eval_steps": EVERY, "save_steps": EVERY}
    settings = on_cpu(settings_of(recipe), base, rows, tmp_path / "run", **changes)
    file, progress = write_yaml(tmp_path / "train.yaml", settings), tmp_path / "steps.jsonl"

    killed_after_a_checkpoint(file, model_dir)
    assert not (model_dir / "training_log.json").exists()
    run_command(*TRAIN, str(file), ONEDAY_PROGRESS=str(progress))

    steps = [json.loads(line)["step"] for line in progress.read_text(encoding="utf-8").splitlines()]
    assert steps[0] >= EVERY, "it went on from a checkpoint"
    assert steps[1:] == list(range(steps[0] + 1, STEPS + 1))
    log = json.loads((model_dir / "training_log.json").read_text(encoding="utf-8"))
    assert [entry["step"] for entry in log if "loss" in entry] == list(range(1, STEPS + 1))
    seconds = [entry["seconds"] for entry in log]
    assert seconds == sorted(seconds) and seconds[-1] <= read_run(model_dir).wall_seconds
    evaluated = {entry["step"]: entry["eval_loss"] for entry in log if "eval_loss" in entry}
    assert set(evaluated) == set(range(EVERY, STEPS + 1, EVERY)), "none at step 0"
    assert evaluated[STEPS] < evaluated[EVERY]
    assert (model_dir / f"checkpoint-{STEPS}" / "optimizer.pt").is_file()
    merges_into_other_weights(file, base, model_dir)


def merges_into_other_weights(file: Path, base: Path, model_dir: Path) -> None:
    """The merged model loads, with other weights in the seven projections of each of its two layers.

    That embeddings and output layer differ as well is Axolotl's doing: it rounds them to nf4, unlike the training.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    with safe_open(model_dir / "adapter_model.safetensors", framework="pt") as adapter:
        learnt = {name for name in adapter.keys() if "lora_B" in name and adapter.get_tensor(name).abs().max() > 0}  # noqa: SIM118
    assert len(learnt) == 14
    run_command("-m", "axolotl.cli.merge_lora", str(file))
    before = load_file(base / "model.safetensors")
    after = AutoModelForCausalLM.from_pretrained(model_dir / "merged").state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in before if not (after[name].float() == before[name].float()).all()}
    assert sum(name.split(".")[-2] in PROJECTIONS for name in changed) == 14
    assert not any("norm" in name for name in changed)


def write_rows_of_many_lengths(folder: Path) -> Path:
    """40 rows with 12 to 51 words, no two alike."""
    folder.mkdir(parents=True)
    for name in ("train", "eval"):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(40):
                words = " ".join(str((number * 31 + position * 17) % 97) for position in range(6 + number // 2))
                file.write(json.dumps({"question": f"Sum of {words}?\n", "answer": f"It is {number}."}) + "\n")
    return folder


@pytest.fixture(scope="module")
def row_losses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The loss of each row, by its tokens: packed and alone, with a sliding window wider and narrower than the rows.

    `seen` is the control: the same packed batch with positions that go on over the rows' ends.
    """
    folder = tmp_path_factory.mktemp("packing")
    rows = write_rows_of_many_lengths(folder / "rows")
    files = {}
    for window in (WIDE, NARROW):
        base = sharpened(make_tiny_mistral(folder / f"mistral-{window}", sliding_window=window))
        for packed in (True, False):
            changes: dict[str, Any] = {"sequence_len": PACKED, "sample_packing": packed, "eval_sample_packing": packed}
            changes |= {"micro_batch_size": 2 if packed else 1, "gradient_accumulation_steps": 1}
            name = f"{window} {'packed' if packed else 'alone'}"
            settings = on_cpu(settings_of("mistral-7b-oneday"), base, rows, folder / name, **changes)
            files[name] = write_yaml(folder / f"{name}.yaml", settings)
    out = run_command(str(Path(__file__)), *map(str, files.values()), PYTHONPATH=str(ROOT))
    found: dict[str, dict[str, dict[str, float]]] = json.loads(out.splitlines()[-1])
    losses = {name: found[str(file)]["rows"] for name, file in files.items()}
    return losses | {"seen": found[str(files[f"{WIDE} packed"])]["seen"]}


def sharpened(base: Path) -> Path:
    """The model with weights eight times as wide: in the original, attention hardly tells one token from another."""
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    wider = {name: tensor * 8 if "proj" in name or "lm_head" in name else tensor for name, tensor in weights.items()}
    save_file(wider, base / "model.safetensors", metadata={"format": "pt"})
    return base


@pytest.mark.slow
@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["window wider than a row", "narrower"])
def test_a_row_has_the_same_loss_packed_and_alone(window: int, row_losses: dict[str, dict[str, float]]) -> None:
    packed, alone = row_losses[f"{window} packed"], row_losses[f"{window} alone"]
    assert len(alone) == 40
    assert packed.keys() <= alone.keys()
    assert len(packed) > 20, "the sampler leaves out rows of a batch that is not full"
    assert max(abs(loss - alone[row]) for row, loss in packed.items()) < 1e-4


@pytest.mark.slow
def test_the_comparison_of_packed_rows_would_see_a_leak_and_a_window(row_losses: dict[str, dict[str, float]]) -> None:
    alone = row_losses[f"{WIDE} alone"]
    assert max(abs(loss - alone[row]) for row, loss in row_losses["seen"].items()) > 1e-2
    assert min(len(row.split()) for row in alone) > NARROW
    assert max(len(row.split()) for row in alone) < WIDE < PACKED
    narrow = row_losses[f"{NARROW} alone"]
    assert max(abs(loss - alone[row]) for row, loss in narrow.items()) > 1e-2


def losses_by_row(file: Path) -> dict[str, dict[str, float]]:
    """`rows`: the mean loss of each row's answer. `seen`: the same where positions do not say that a row begins."""
    import torch
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets
    from axolotl.train import setup_model_and_trainer

    gc.freeze()  # Axolotl's sampler collects garbage at each count of its batches: 0.4 s for the modules alone
    cfg = load_cfg(str(file))
    trainer, model, *_ = setup_model_and_trainer(cfg, load_datasets(cfg=cfg))
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # 0 at the start, so that the adapter would do nothing
            parameter.data.normal_(0, 0.02)
    found: dict[str, dict[str, float]] = {"rows": {}, "seen": {}}
    model.train()
    for batch in trainer.get_train_dataloader():
        found["rows"] |= dict(batch_losses(trainer, model, batch))
        if cfg.sample_packing:
            positions = torch.arange(batch["position_ids"].shape[1]).expand_as(batch["position_ids"])
            rows = row_slices(batch)
            found["seen"] |= dict(batch_losses(trainer, model, {**batch, "position_ids": positions}, rows))
    return found


def row_slices(batch: Any) -> list[tuple[int, slice]]:
    """Where in a batch each row stands: its line and columns; positions start again with each row."""
    import torch

    found = []
    for line in range(batch["input_ids"].shape[0]):
        width = batch["input_ids"].shape[1]
        positions = batch["position_ids"][line] if "position_ids" in batch else torch.arange(width)
        starts = [*(positions == 0).nonzero().flatten().tolist(), width]
        found += [(line, slice(start, end)) for start, end in pairwise(starts)]
    return found


def batch_losses(
    trainer: Any, model: Any, batch: Any, rows: list[tuple[int, slice]] | None = None
) -> Iterator[tuple[str, float]]:
    """The tokens of each row of a batch with the mean loss of its answer; the batch's loss is checked to be theirs."""
    import torch

    labels, ids = batch["labels"], batch["input_ids"]
    with torch.no_grad():
        loss, outputs = trainer.compute_loss(model, dict(batch), return_outputs=True)
    each = torch.nn.functional.cross_entropy(
        outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none"
    )
    each = torch.cat([torch.zeros(len(labels), 1), each.view(len(labels), -1)], dim=1)  # of the token at each place
    total, counted = 0.0, 0
    for line, part in rows or row_slices(batch):
        trained = labels[line, part] != -100
        if trained.any():  # padding has none
            tokens = " ".join(map(str, ids[line, part][: int(trained.nonzero()[-1]) + 1].tolist()))
            yield tokens, float(each[line, part][trained].mean())
            total, counted = total + float(each[line, part][trained].sum()), counted + int(trained.sum())
    assert abs(float(loss) - total / counted) < 1e-4


if __name__ == "__main__":
    print(json.dumps({file: losses_by_row(Path(file)) for file in sys.argv[1:]}))
