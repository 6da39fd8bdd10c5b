"""The GPU benchmark without a GPU: what it writes, what it makes of logs and numbers, and one real run on the CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmarks import gpu_device, gpu_trainings, memory_cap, random_mistral
from benchmarks.gpu_device import (
    WITHOUT_FLASH,
    Gpu,
    attention_keys,
    card_for,
    idle_gpu,
    peak_of,
    read_gpu,
    require_cuda,
    watched_memory,
)
from benchmarks.gpu_trainings import (
    Bench,
    Plan,
    Training,
    environment,
    measured,
    out_of_memory,
    steps_done,
    write_rows,
    write_train_file,
)
from benchmarks.memory_cap import CAP, GIB, StepCounter, StepLog, cap_share
from benchmarks.random_mistral import FRAME, describe_model, make_row, row_lengths, write_weights
from benchmarks.training_gpu import RECIPES, checked, main, preview, run
from benchmarks.training_gpu_report import Target, counted, off, report, table, target_table, targets
from oneday.config import Document, load_document
from oneday.stage import StageError
from training.planning.cards import find_card
from training.planning.geometry import geometry_of, published_config
from training.train_file import load_train_file

TINY: dict[str, Any] = {
    "model_type": "mistral",
    "architectures": ["MistralForCausalLM"],
    "vocab_size": 32_000,
    "hidden_size": 64,
    "intermediate_size": 224,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 32_768,
    "sliding_window": 4096,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
SMALL = {"sequence_len": 512, "micro_batch_size": 1, "gradient_accumulation_steps": 1, "lora_r": 8, "lora_alpha": 16}
BIRBAL, ONEDAY = "mistral-7b-birbal", "mistral-7b-oneday"
# As PyTorch words it when the cap is reached.
SPENT = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 79.19 GiB "
    "of which 54.40 GiB is free. 23.40 GiB allowed; Of the allocated memory 22.61 GiB is allocated by PyTorch"
)


@pytest.fixture(scope="module")
def recipes() -> tuple[Document, ...]:
    """The two recipes that are compared."""
    return tuple(load_train_file(path) for path in RECIPES)


@pytest.fixture
def bench(tmp_path: Path, recipes: tuple[Document, ...]) -> Bench:
    """The benchmark as it is for a GPU, but of a tiny model and few steps."""
    return Bench(tmp_path / "bench", recipes, TINY, steps=4, warmup=1)


# The machine


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cuda")
def test_without_a_gpu_one_line_says_what_is_needed_and_that_nothing_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("Error: no CUDA device: this needs an NVIDIA GPU")
    assert "Nothing was measured; --dry-run shows what would run" in printed.err
    assert not (tmp_path / "out").exists()


def test_absent_packages_are_listed_with_and_without_a_gpu(
    recipes: tuple[Document, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_device, "NEEDED", ("torch", "no_such_package"))
    monkeypatch.setattr(gpu_device, "LIGER_PACKAGE", "no_such_liger")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        StageError, match=r"no CUDA device.* also absent: the packages no_such_liger, no_such_package\."
    ):
        require_cuda(recipes)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(StageError, match=r"absent: the packages no_such_liger, no_such_package\. Nothing was measured"):
        require_cuda(recipes)
    with pytest.raises(StageError, match=r"absent: the packages no_such_package\. "):
        require_cuda(recipes[:1])  # that recipe does without Liger


def fake_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, used: str) -> None:
    """An nvidia-smi that knows one card, and goes through some values of its memory in use."""
    script = folder / "nvidia-smi"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"  *--loop-ms*) for mib in {used}; do echo $mib; done; exec sleep 60;;\n"
        f"  *) echo 'NVIDIA H100 80GB HBM3, 580.159.04, 81559, {used.split()[0]}';;\n"
        "esac\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_device_and_peak_are_read_with_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(tmp_path, monkeypatch, "4 11264 512")
    assert read_gpu() == Gpu("NVIDIA H100 80GB HBM3", "580.159.04", 81559 / 1024, 4 / 1024)
    with watched_memory(tmp_path / "watch/memory.csv", True) as peak:
        for _ in range(100):
            if (tmp_path / "watch/memory.csv").read_text().count("\n") == 3:
                break
            subprocess.run(["sleep", "0.05"], check=True)
        assert peak() == 11.0
    with watched_memory(tmp_path / "other.csv", False) as peak:
        assert peak() is None
    assert not (tmp_path / "other.csv").exists()


def test_lines_that_are_cut_off_or_no_number_do_not_count() -> None:
    assert peak_of("4\n2048\n[N/A]\n\n") == 2.0
    assert peak_of("") is None


def test_a_silent_nvidia_smi_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="nvidia-smi does not answer"):
        read_gpu()


def test_a_device_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(tmp_path, monkeypatch, "2048")
    with pytest.raises(StageError, match=r"2\.0 GiB of NVIDIA H100 80GB HBM3 are in use; nothing was measured"):
        idle_gpu(tmp_path)


def test_a_full_disk_is_told_before_the_weights_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(tmp_path, monkeypatch, "4")
    monkeypatch.setattr(gpu_device, "DISK", 2**60)
    with pytest.raises(StageError, match="of disk; name another --out"):
        idle_gpu(tmp_path / "a" / "b")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors.index.json").write_text("{}")
    assert idle_gpu(tmp_path).used_gib < 1  # the weights are there already


def test_the_card_at_hand_is_found_by_its_name() -> None:
    h100 = Gpu("NVIDIA H100 80GB HBM3", "580", 79.6, 0.0)
    found, named = card_for(h100, None), card_for(h100, "l4")
    assert found is not None
    assert named is not None
    assert (found.name, named.name) == ("h100", "l4")
    assert card_for(None, None) is None
    with pytest.raises(ValueError, match="the plan knows no card 'NVIDIA B300'; name the nearest with --gpu"):
        card_for(replace(h100, name="NVIDIA B300"), None)


def test_the_cap_leaves_what_a_smaller_card_would_leave() -> None:
    total = 80 * GIB
    assert cap_share(24, total - GIB // 2, total, 0) == pytest.approx(23.5 / 80)  # half a GiB is the context
    assert cap_share(24, total - 3 * GIB, total, 2 * GIB) == pytest.approx(23 / 80)  # 2 GiB are PyTorch's own
    assert cap_share(100, total, total, 0) == 1.0
    with pytest.raises(ValueError, match=r"a cap of 0\.5 GiB leaves nothing: 0\.60 GiB are in use already"):
        cap_share(0.5, int(total - 0.6 * GIB), total, 0)


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv(CAP, raising=False)
    with environment({"HF_HUB_OFFLINE": "1", CAP: "24"}):
        assert (os.environ["HF_HUB_OFFLINE"], os.environ[CAP]) == ("1", "24")
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert CAP not in os.environ


# The options


def test_a_warmup_as_long_as_the_training_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--steps", "5", "--warmup", "5"]) == 1
    assert "--warmup 5 leaves no step of --steps 5 to measure" in capsys.readouterr().err


def test_a_cap_of_nothing_and_a_recipe_named_twice_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--memory-gb must be above 0 \(given: 0\)"):
        checked(RECIPES, 12, 2, 0)
    with pytest.raises(ValueError, match="--recipes names mistral-7b-oneday twice"):
        checked([RECIPES[1], RECIPES[1] / "train.yaml"], 12, 2, 24)


def test_an_unknown_recipe_is_a_wrong_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipes", str(tmp_path)]) == 2
    assert "no training file of a recipe" in capsys.readouterr().err


def test_help_does_not_load_torch() -> None:
    asked = "import sys; from benchmarks.training_gpu import main; main(['--help']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, cwd=gpu_trainings.ROOT)


# The model and the rows


def test_random_weights_load_and_have_the_shapes_of_the_config(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    describe_model(tmp_path / "model", TINY)
    written = write_weights(tmp_path / "model", "cpu")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="auto")
    geometry = geometry_of(TINY, "the test")
    assert model.num_parameters() == geometry.parameters
    assert written == 2 * geometry.parameters
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.lm_head.weight.shape == (32_000, 64)
    first, second = (layer.mlp.up_proj.weight.float() for layer in model.model.layers)
    assert first.shape == (224, 64)
    assert first.std().item() == pytest.approx(0.02, rel=0.05)
    assert not torch.equal(first, second)
    assert torch.equal(model.model.norm.weight, torch.ones(64, dtype=torch.bfloat16))
    names = {path.name for path in (tmp_path / "model").glob("*.safetensors")}
    assert names == {f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)}  # outside, and a file a layer
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")) == 32_000


def test_weights_are_made_once_and_again_for_other_shapes(tmp_path: Path) -> None:
    describe_model(tmp_path, TINY)
    size = write_weights(tmp_path, "cpu")
    shard = tmp_path / "model-00002-of-00003.safetensors"
    made = shard.stat().st_mtime_ns
    describe_model(tmp_path, TINY)
    assert write_weights(tmp_path, "cpu") == size
    assert shard.stat().st_mtime_ns == made
    describe_model(tmp_path, TINY | {"num_hidden_layers": 1})
    assert write_weights(tmp_path, "cpu") < size
    assert not shard.exists()


def test_the_shapes_are_those_of_mistral_7b() -> None:
    shapes = published_config(gpu_trainings.BASE_MODEL)
    assert shapes is not None
    assert geometry_of(shapes, "published").parameters == 7_241_732_096


def test_the_tokenizer_makes_as_many_tokens_of_the_rows_as_were_drawn(bench: Bench) -> None:
    from training.planning.lengths import row_lengths as counted_lengths

    describe_model(bench.model, bench.shapes)
    rows = write_rows(bench)
    entry = bench.recipes[0].values["datasets"][0] | {"path": str(bench.rows / "train.jsonl")}
    found = counted_lengths(entry, str(bench.model))
    assert found.tolist() == row_lengths(rows, 300, 4000, random_mistral.SEED)
    assert found.sum() > 1.1 * 4 * 65_536  # more than all steps of the recipe with the larger ones read
    assert counted_lengths(entry | {"path": str(bench.rows / "eval.jsonl")}, str(bench.model)).shape == (200,)


def test_lengths_are_spread_as_those_of_instruction_data() -> None:
    drawn = row_lengths(20_000, 300, 4000, 1)
    assert sum(drawn) / len(drawn) == pytest.approx(300, rel=0.02)
    assert sorted(drawn)[10_000] == pytest.approx(218, rel=0.03)  # the median of a log-normal is below its mean
    assert max(drawn) <= 4000
    assert row_lengths(20_000, 300, 4000, 1) == drawn != row_lengths(20_000, 300, 4000, 2)
    assert max(row_lengths(20_000, 300, 512, 1)) == 512


def test_a_row_has_question_and_answer_in_blocks() -> None:
    row = make_row(FRAME + 12, 3)
    instruction, text, response = row["question"].split("\n\n")
    assert instruction.startswith("### Instruction:\n ")
    assert text.startswith("### Input:\n ")
    assert response == "### Response:\n"
    assert len(row["answer"].split()) == 2
    assert make_row(FRAME + 12, 3) == row != make_row(FRAME + 12, 4)


# The training files

OF_THE_BENCHMARK = {
    "base_model",
    "plugins",
    "datasets",
    "test_datasets",
    "output_dir",
    "dataset_prepared_path",
    "max_steps",
    "eval_steps",
    "save_steps",
    "save_total_limit",
    "auto_resume_from_checkpoints",
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("flash", [True, False])
def test_a_training_file_differs_from_its_recipe_in_named_keys_only(bench: Bench, number: int, flash: bool) -> None:
    bench = replace(bench, attention=attention_keys(bench.recipes, flash))
    recipe = bench.recipes[number].values
    written = load_document(write_train_file(bench, bench.recipes[number])).values
    differing = {key for key in recipe.keys() | written.keys() if recipe.get(key) != written.get(key)}
    allowed = OF_THE_BENCHMARK | (set() if flash else set(WITHOUT_FLASH))
    if "oneday_budget_hours" in recipe:
        allowed |= {"oneday_budget_hours"}
        assert "oneday_budget_hours" not in written
    assert differing == allowed
    assert written["plugins"] == ["benchmarks.memory_cap.MemoryCap", *recipe["plugins"]]
    for key in ("datasets", "test_datasets"):
        (before,), (after,) = recipe[key], written[key]
        assert {name for name in before if before[name] != after[name]} == {"path"}
    if not flash:
        assert written["attn_implementation"] == "sdpa"
        assert written["overrides_of_model_config"] == {"sliding_window": None}


@pytest.mark.parametrize("flash", [True, False])
def test_axolotl_takes_the_training_files_on_a_24_gib_card(bench: Bench, flash: bool) -> None:
    from training.checks.axolotl_schema import axolotl_faults

    bench = replace(bench, attention=attention_keys(bench.recipes, flash))
    for recipe in bench.recipes:
        document = load_document(write_train_file(bench, recipe))
        assert axolotl_faults(document, "sm_89") == []
        wrong = Document(document.path, document.values | {"max_step": 3}, document.lines)
        assert [fault.key for fault in axolotl_faults(wrong, "sm_89")] == ["max_step"]


def test_attention_stays_where_no_recipe_asks_for_flash(recipes: tuple[Document, ...]) -> None:
    plain = [Document(one.path, one.values | {"attn_implementation": "sdpa"}, {}) for one in recipes]
    assert attention_keys(plain, flash=False) == {}
    assert attention_keys(recipes, flash=True) == {}


def test_a_dry_run_writes_the_files_and_plans_them(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    preview(replace(bench, attention=WITHOUT_FLASH), [find_card("h100", None, None), find_card("rtx4090", None, None)])
    printed = capsys.readouterr().out
    assert (
        'in all recipes {"attn_implementation": "sdpa", "overrides_of_model_config": {"sliding_window": null}}'
        in printed
    )
    for name in (BIRBAL, ONEDAY):
        assert f"axolotl.cli.train {bench.out / name / 'train.yaml'}, under a cap of 24 GiB" in printed
        assert (bench.out / name / "train.yaml").is_file()
    assert printed.count("planned for h100: ") == printed.count("planned for rtx4090: ") == 2
    assert "Nothing was measured" in printed
    assert not list(bench.model.glob("*.safetensors"))


def test_a_folder_with_files_of_others_is_left_alone(bench: Bench) -> None:
    (bench.out / "model").mkdir(parents=True)
    (bench.out / "model/config.json").write_text("mine")
    with pytest.raises(ValueError, match=r"--out .*bench holds files that are not this benchmark's"):
        preview(bench, [])
    assert (bench.out / "model/config.json").read_text() == "mine"


# In the training's process


def test_the_plugin_is_made_when_it_is_asked_for() -> None:
    from axolotl.integrations.base import BasePlugin, load_plugin

    assert isinstance(load_plugin(gpu_trainings.PLUGIN), BasePlugin)
    assert memory_cap.MemoryCap is memory_cap.MemoryCap
    with pytest.raises(AttributeError, match="has no attribute 'Memory'"):
        _ = memory_cap.Memory


def test_tokens_of_rows_are_counted_without_padding() -> None:
    class Toy:
        processing_class = type("Tokenizer", (), {"pad_token_id": 0})

        def training_step(self, model: Any, inputs: Any) -> int:
            return int(inputs["input_ids"].sum())

    times = iter([10.0, 12.0, 12.0, 15.0, 15.0])
    counter, trainer = StepCounter(lambda: next(times)), Toy()
    counter.watch(trainer)
    counter.begin()
    for ids in ([[5, 6, 0, 0]], [[7, 0, 0, 0]]):  # two micro-batches are a step
        assert trainer.training_step(None, {"input_ids": torch.tensor(ids)}) == sum(ids[0])
    counter.end_step()
    trainer.training_step(None, {"input_ids": torch.tensor([[1, 1, 1, 0]])})
    counter.end_step()
    assert counter.log == StepLog(seconds=[2.0, 3.0], tokens=[3, 3], computed=[8, 4])


# What came of it


def test_running_out_of_memory_is_read_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        f"loading\rloading\nTraceback (most recent call last):\n    loss.backward()\n{SPENT}\n[time] ended\n"
    )
    assert out_of_memory(log) == SPENT
    for line in ("RuntimeError: CUDA error: out of memory", "Error out of memory at line 390 in file ops.cu"):
        log.write_text(f"{line}\n")
        assert out_of_memory(log) == line
    log.write_text("it was ended by SIGKILL (out of memory, if nobody sent it)\nKeyError: 'memory'\n")
    assert out_of_memory(log) is None


def test_steps_before_the_end_are_counted(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/steps.jsonl").write_text("")
    assert steps_done(tmp_path) == 0
    (tmp_path / "work/steps.jsonl").write_text('{"step": 0}\n{"step": 1}\n')
    assert steps_done(tmp_path) == 1


def training(recipe: str, tokens_per_second: float = 1000.0, cap: float | None = 24.0, **changes: Any) -> Training:
    found = Training(recipe, cap, 12, None, 10.0, 10 * tokens_per_second, 0.96, tokens_per_second, 3.0, 4.0, 18.0, 20.0)
    return replace(found, **changes)


def out(recipe: str) -> Training:
    return Training(recipe, 24.0, 0, SPENT, device_gib=24.1)


def plan(peak: float = 20.0, step: float = 10.0, card: str = "h100") -> Plan:
    return Plan(card, peak, 78.4, step, 950.0, 3.0)


PLANS = {BIRBAL: [plan()], ONEDAY: [plan()]}


def met(found: list[Target], part: str) -> bool:
    (target,) = [one for one in found if part in one.name]
    return target.met


def test_twice_the_speed_is_enough_and_less_is_not(bench: Bench) -> None:
    for speed, enough in ((2000.0, True), (1999.0, False)):
        found = targets(bench, [training(BIRBAL), training(ONEDAY, speed)], PLANS)
        assert met(found, "at least 2 times") is enough
        assert met(found, "oneday trains within 24 GiB")


@pytest.mark.parametrize(
    ("peak", "step", "memory_met", "time_met"),
    [(22.0, 11.5, True, True), (18.0, 8.5, True, True), (22.01, 11.51, False, False), (17.99, 8.49, False, False)],
)
def test_a_plan_may_be_off_by_ten_percent_of_memory_and_fifteen_of_time(
    bench: Bench, peak: float, step: float, memory_met: bool, time_met: bool
) -> None:
    found = targets(bench, [training(BIRBAL), training(ONEDAY, 2000.0)], PLANS | {ONEDAY: [plan(peak, step)]})
    assert met(found, "oneday: the plan's peak of memory") is memory_met
    assert met(found, "oneday: the plan's time of a step") is time_met
    assert met(found, "birbal: the plan's peak of memory")


def test_a_recipe_that_ran_out_of_memory_counts_without_the_cap(bench: Bench) -> None:
    trainings = [out(BIRBAL), training(BIRBAL, cap=None, device_gib=28.0), training(ONEDAY, 2100.0)]
    assert counted(trainings, BIRBAL).cap_gib is None
    found = targets(bench, trainings, PLANS)
    (speed,) = [one for one in found if "at least 2 times" in one.name]
    assert speed == Target(speed.name, "2.10 times, which had no cap", True)
    (memory,) = [one for one in found if "birbal: the plan's peak" in one.name]
    assert memory == Target(memory.name, "-28.6 % off", False)


def test_a_target_that_was_not_measured_is_missed(bench: Bench) -> None:
    spent = replace(out(BIRBAL), cap_gib=None)
    found = targets(bench, [out(BIRBAL), spent, training(ONEDAY, 2100.0, device_gib=None)], PLANS)
    missed = {one.name: one.found for one in found if not one.met}
    assert len(missed) == 4
    assert set(missed.values()) == {"not measured"}
    uncapped = [training(BIRBAL), out(ONEDAY), training(ONEDAY, 2100.0, cap=None)]
    assert not met(targets(bench, uncapped, PLANS), "oneday trains within 24 GiB")


def test_a_single_recipe_is_compared_with_its_plan_only(bench: Bench) -> None:
    found = targets(replace(bench, recipes=bench.recipes[1:]), [training(ONEDAY)], PLANS)
    assert [one.met for one in found] == [True, True]


def test_the_table_has_a_column_for_each_training_and_says_how_far_the_plan_is_off() -> None:
    trainings = [out(BIRBAL), training(BIRBAL, cap=None), training(ONEDAY, 2512.4)]
    plans = {BIRBAL: [plan(22.0), plan(22.0, 60.0, "rtx4090")], ONEDAY: [plan(19.0, 9.0), plan(19.0, 50.0, "rtx4090")]}
    lines = table(trainings, plans).splitlines()
    cells = {line.split(" | ")[0].removeprefix("| "): line.rstrip(" |").split(" | ")[1:] for line in lines[2:]}
    assert lines[0] == f"|  | {BIRBAL}, 24 GiB | {BIRBAL}, no cap | {ONEDAY}, 24 GiB |"
    assert lines[1] == "|---|---:|---:|---:|"
    assert cells["ended"] == ["out of memory", "saved", "saved"]
    assert cells["tokens of rows a second"] == ["-", "1,000", "2,512"]
    assert cells["GiB in use on the device"] == ["24.10", "20.00", "20.00"]
    assert cells["planned for h100: GiB"] == ["22.00", "22.00 (+10.0 %)", "19.00 (-5.0 %)"]
    assert cells["planned for h100: seconds a step"] == ["10.00", "10.00 (+0.0 %)", "9.00 (-10.0 %)"]
    assert cells["planned for rtx4090: seconds a step"] == ["60.00", "60.00", "50.00"]
    assert off(115, 100) == "+15.0 %"


def test_the_report_names_hardware_versions_faults_and_targets(bench: Bench) -> None:
    gpu = Gpu("NVIDIA H100 80GB HBM3", "580.159.04", 79.65, 0.0)
    trainings = [out(BIRBAL), training(BIRBAL, cap=None), training(ONEDAY, 2512.4)]
    text, all_met = report(replace(bench, attention=WITHOUT_FLASH), gpu, trainings, PLANS)
    assert all_met
    assert text.startswith("NVIDIA H100 80GB HBM3 of 79.7 GiB, driver 580.159.04, CUDA ")
    assert f"torch {torch.__version__}" in text
    assert 'attn_implementation: "sdpa", overrides_of_model_config: {"sliding_window": null} in all recipes' in text
    assert f"{BIRBAL} (24 GiB) ran out of memory after 0 steps: `{SPENT}`" in text
    assert (
        f"| {ONEDAY}: at least 2 times the tokens a second of {BIRBAL} | 2.51 times, which had no cap | yes |" in text
    )
    text, all_met = report(bench, gpu, [training(BIRBAL), training(ONEDAY)], PLANS)
    assert not all_met
    assert "| 1.00 times | NO |" in text
    assert "attention as in the recipes" in text
    assert target_table([]) == "| target | measured | met |\n|---|---:|---|"


def test_the_first_steps_do_not_count_for_the_speed(bench: Bench, tmp_path: Path) -> None:
    log = {"seconds": [50.0, 4.0, 6.0, 5.0], "tokens": [90, 80, 85, 75], "computed": [100] * 4}
    (tmp_path / "benchmark.json").write_text(json.dumps(log | {"cap_share": 0.3, "allocator": None}))
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    found = measured(bench, ONEDAY, 24.0, tmp_path)
    assert (found.seconds_per_step, found.tokens_per_second, found.filled) == (5.0, 16.0, 0.8)
    assert (found.tokens_per_step, found.reserved_gib, found.seconds_per_evaluation) == (80.0, 9.5, 2.5)
    with pytest.raises(StageError, match="only 4 steps were run; the first 4 do not count"):
        measured(replace(bench, warmup=4), ONEDAY, 24.0, tmp_path)


RECORD: dict[str, Any] = {
    "train_file": "train.yaml",
    "base_model": "model",
    "started_at": "2026-11-22T10:00:00Z",
    "ended_at": "2026-11-22T10:02:00Z",
    "ended_by": "steps",
    "attempts": 1,
    "budget_seconds": None,
    "wall_seconds": 120.0,
    "seconds": {"train": 65.0, "evaluate": 2.5, "save": 3.5, "other": 49.0},
    "steps": 4,
    "epochs": 0.1,
    "tokens": 400,
    "supervised_tokens": 60,
    "tokens_per_second": 20.0,
    "seconds_per_step": 5.0,
    "evaluations": 1,
    "seconds_per_evaluation": 2.5,
    "saves": 1,
    "seconds_per_save": 3.5,
    "peak_memory_gib": 9.5,
    "peak_memory_of": "cuda",
    "processes": 1,
    "last_learning_rate": 1e-05,
    "learning_rate_floor": None,
    "best_step": 4,
    "best_eval_loss": 10.4,
    "preflight": {},
    "hardware": {"gpu": "NVIDIA H100 80GB HBM3"},
    "versions": {},
}


# The whole of it, without CUDA

HUNGRY = """
import os, torch
from axolotl.integrations.base import BasePlugin
class Hungry(BasePlugin):
    def post_trainer_create(self, cfg, trainer):
        if "ONEDAY_BENCHMARK_MEMORY_GIB" in os.environ:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.95 GiB.")
"""


@pytest.fixture
def hungry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Document], Document]:
    """Lets a recipe run out of memory under a cap: its plugin says so."""
    (tmp_path / "hungry_plugin.py").write_text(HUNGRY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def changed(recipe: Document) -> Document:
        plugins = [*recipe.values["plugins"], "hungry_plugin.Hungry"]
        return Document(recipe.path, recipe.values | {"plugins": plugins}, recipe.lines)

    return changed


@pytest.mark.slow
def test_both_recipes_are_measured_and_reported_on_a_cpu(
    bench: Bench, hungry: Callable[[Document], Document], capsys: pytest.CaptureFixture[str]
) -> None:
    faithful, fast = bench.recipes
    bench = replace(bench, recipes=(hungry(faithful), fast), on_cpu=SMALL, evaluation_rows=20)
    assert not run(bench, None, [find_card("cpu", 8, 0.05), find_card("rtx4090", None, None)])
    results = json.loads((bench.out / "training_gpu.json").read_text())
    assert results["finished"]
    spent, uncapped, other = results["trainings"]
    assert (spent["recipe"], spent["cap_gib"], spent["steps"]) == (BIRBAL, 24.0, 0)
    assert "CUDA out of memory. Tried to allocate 1.95 GiB." in spent["fault"]
    assert (uncapped["recipe"], uncapped["cap_gib"], other["recipe"], other["cap_gib"]) == (BIRBAL, None, ONEDAY, 24.0)
    for one in (uncapped, other):
        log, record = one["log"], one["record"]
        assert (one["steps"], len(log["seconds"])) == (4, 4)
        assert (record["evaluations"], record["saves"], record["processes"]) == (1, 1, 1)
        assert log["computed"] == [512] * 4  # every packed batch is full but for its padding
        assert record["tokens"] == sum(log["computed"])
        assert 0.5 < one["filled"] <= 1
        assert one["tokens_per_second"] == pytest.approx(sum(log["tokens"][1:]) / sum(log["seconds"][1:]))
        assert record["tokens_per_second"] == pytest.approx(one["tokens_per_second"] / one["filled"], rel=0.2)
        assert one["reserved_gib"] > 0.1
        assert one["device_gib"] is None
    assert [len(of_one) for of_one in results["plans"].values()] == [2, 2]
    printed = capsys.readouterr().out
    assert "| ended | out of memory | saved | saved |" in printed
    assert (bench.out / "training_gpu.md").read_text() in printed
    assert not list(bench.out.glob("*/model/checkpoint-*"))
    assert list((bench.out / ONEDAY / "model").glob("adapter_model.safetensors"))


@pytest.mark.slow
def test_a_training_that_fails_otherwise_is_an_error(bench: Bench) -> None:
    broken = Document(bench.recipes[1].path, bench.recipes[1].values | {"lr_scheduler": "never"}, {})
    with pytest.raises(StageError, match="the training failed: exit code 1"):
        run(replace(bench, recipes=(broken,), on_cpu=SMALL), None, [find_card("rtx4090", None, None)])


@pytest.mark.slow
def test_the_command_previews_the_true_shapes_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dry-run", "--out", str(tmp_path), "--gpu", "h100", "--steps", "3"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("planned for h100: ") == 2
    written = yaml.safe_load((tmp_path / ONEDAY / "train.yaml").read_text())
    assert (written["max_steps"], written["sequence_len"]) == (3, 4096)
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"], config["dtype"]) == (32, 4096, "bfloat16")
