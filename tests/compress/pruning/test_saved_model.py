import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from compress.pruning.checkpoint import Checkpoint, CheckpointWriter
from compress.pruning.model import loss_of, prune_model
from compress.pruning.report import table
from oneday.files import sha256_file
from tests.compress.pruning.tiny_architectures import ALL, FAST, build, save, settings, texts

HALF: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "attention_heads": 2}


def half(name: str) -> dict[str, Any]:
    """Half of everything; of inkuba's one to one heads as of groups of two."""
    return HALF | {"key_value_heads": 2 if name == "inkuba" else 1}


@pytest.mark.parametrize("name", ALL)
def test_a_half_as_wide_model_has_the_calculated_size_loads_and_generates(name: str, tmp_path: Path) -> None:
    report = prune_model(
        save(tmp_path, name), tmp_path / "pruned", settings(refit=True, layers=3, **half(name)), texts()
    )
    tied = name in ("smollm", "gemma2", "gemma3_text")
    attention = 2 * 16 * 16 + 2 * 8 * half(name)["key_value_heads"] * 16  # heads of 8
    biases = {"llama": 16 + 8 + 8 + 16 + 24 + 24 + 16, "qwen2": 16 + 8 + 8}.get(name, 0)
    head_norms = 2 * 8 if name in ("qwen3", "gemma3_text") else 0
    norms = (4 if "gemma" in name else 2) * 16 + head_norms
    mlps = 1 if name == "inkuba" else 3
    wanted = (1 if tied else 2) * 96 * 16 + 3 * (attention + norms + biases) + mlps * 3 * 16 * 24 + 16
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned").eval()
    assert (report.after.unique, sum(parameter.numel() for parameter in model.parameters())) == (wanted, wanted)
    output = model.generate(texts()[:1, :4], max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert output.shape == (1, 8)
    ids = texts()
    assert report.loss_after == pytest.approx(model(ids, labels=ids).loss.item(), abs=1e-4)


@pytest.mark.parametrize("name", FAST)
def test_the_streamed_loss_is_that_of_transformers(name: str, tmp_path: Path) -> None:
    """With more tokens than one forward call takes, and a window shorter than a text."""
    source, ids = save(tmp_path, name), texts(40, 64)
    with torch.no_grad():
        wanted = AutoModelForCausalLM.from_pretrained(source).eval()(ids, labels=ids).loss.item()
    assert loss_of(source, ids) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"refit": True}, {"method": "pca"}, {"method": "random"}])
def test_the_same_settings_give_the_same_bytes(changes: dict[str, Any], tmp_path: Path) -> None:
    source = save(tmp_path, "llama")
    for name in ("one", "other"):
        prune_model(source, tmp_path / name, settings(**half("llama"), **changes), texts())
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "other")]
    assert files[0] == files[1]
    assert all(sha256_file(tmp_path / "one" / file) == sha256_file(tmp_path / "other" / file) for file in files[0])


def test_weights_keep_their_type_and_the_tokenizer_comes_along(tmp_path: Path, tiny_model_dir: Path) -> None:
    source = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.bfloat16).save_pretrained(source)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny_model_dir / name, source / name)
    prune_model(source, tmp_path / "pruned", settings(hidden_size=32, method="pca"), texts())
    weights = load_file(tmp_path / "pruned" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    names = {path.name for path in (tmp_path / "pruned").iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_refit_lowers_the_loss_of_a_narrower_mlp(tmp_path: Path) -> None:
    source = save(tmp_path, "llama")
    losses = [
        prune_model(source, tmp_path / str(refit), settings(intermediate_size=24, refit=refit), texts(40)).loss_after
        for refit in (False, True)
    ]
    assert losses[0] is not None and losses[1] is not None and losses[1] != losses[0]


def test_untying_copies_the_embedding(tmp_path: Path) -> None:
    report = prune_model(save(tmp_path, "smollm"), tmp_path / "pruned", settings(head="untied"), texts())
    weights = load_file(tmp_path / "pruned" / "model.safetensors")
    assert torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    assert report.loss_after == pytest.approx(report.loss_before, abs=1e-5)
    assert (report.before.tied_head, report.after.tied_head) == (True, False)


def test_shards_are_written_read_and_pruned(tmp_path: Path) -> None:
    source = tmp_path / "sharded"
    build("llama").save_pretrained(source, max_shard_size="20KB")
    assert len(list(source.glob("*.safetensors"))) > 2
    checkpoint = Checkpoint(source)
    (tmp_path / "copy").mkdir()
    writer = CheckpointWriter(tmp_path / "copy", shard_bytes=20_000)
    for name in checkpoint.shapes:
        writer.add(name, checkpoint.one(name))
    writer.close()
    copied = Checkpoint(tmp_path / "copy")
    assert copied.shapes == checkpoint.shapes and len(list((tmp_path / "copy").glob("*.safetensors"))) > 2
    assert all(torch.equal(copied.one(name), checkpoint.one(name)) for name in checkpoint.shapes)
    whole = prune_model(save(tmp_path, "llama"), tmp_path / "a", settings(**half("llama")), texts())
    sharded = prune_model(source, tmp_path / "b", settings(**half("llama")), texts())
    assert sharded.loss_after == whole.loss_after


def test_the_table_names_sizes_parts_losses_and_layers(tmp_path: Path) -> None:
    report = prune_model(
        save(tmp_path, "inkuba"), tmp_path / "pruned", settings(method="pca", layers=3, **half("inkuba")), texts()
    )
    lines = [line.split() for line in table(report).splitlines()]
    assert ["hidden", "size", "32", "16"] in lines
    assert ["parameters:", "mlp", "4,608", "1,152"] in lines
    assert ["tied", "head", "no", "no"] in lines
    assert any(line[0] == "loss," for line in lines)
    assert any(line[:3] == ["layers", "kept", "(block_influence):"] for line in lines)
    assert any(line[:3] == ["lost", "of", "the"] for line in lines)


STREAM = """
import sys
from pathlib import Path
import torch
from compress.pruning.model import prune_model
from tests.compress.pruning.tiny_architectures import save, settings
def status(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
torch.set_num_threads(1)
folder = Path(sys.argv[1])
ids = torch.randint(0, 96, (4, 32))
sizes = dict(hidden_size=128, intermediate_size=512, attention_heads=8, key_value_heads=2)
prune_model(save(folder, "mistral"), folder / "warm", settings(), ids)
Path("/proc/self/clear_refs").write_text("5")  # forgets the peak that the imports have had
before = status("VmRSS")
prune_model(folder / "big", folder / "pruned", settings(method="pca", refit=True, **sizes), ids)
print((status("VmHWM") - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.slow
def test_the_memory_of_a_pruning_is_far_below_the_weights(tmp_path: Path) -> None:
    sizes = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 20, "num_attention_heads": 64}
    (tmp_path / "big").mkdir()
    build("mistral", **sizes, num_key_value_heads=16).save_pretrained(tmp_path / "big")
    weights = sum(path.stat().st_size for path in (tmp_path / "big").glob("*.safetensors")) // 2**20
    command = [sys.executable, "-c", STREAM, str(tmp_path)]
    steady = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # freed tensors go back at once, not when malloc likes
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], env=steady, capture_output=True, text=True, check=True
    )
    assert weights > 280
    assert int(done.stdout) < 160, f"MiB above the start, of {weights} MiB of weights"
