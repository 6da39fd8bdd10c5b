import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from compress.pruning.architecture import architecture_of
from compress.pruning.calibration import calibration_ids
from compress.pruning.checkpoint import Checkpoint
from compress.pruning.model import prune_model
from tests.compress.pruning.tiny_architectures import save, settings, texts

IDS = texts()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models"), "llama")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, r"hidden_size: 64 is more than the parent's 32; .* give 32 or less"),
        ({"layers": 5}, r"layers: 5 is more than the parent's 4"),
        (
            {"attention_heads": 3},
            r"3 is no multiple of key_value_heads: 2; with 3 heads give another number",
        ),
        (
            {"attention_heads": 4, "key_value_heads": 1},
            r"4 query heads a group, .* have 2; .* at most attention_heads: 2",
        ),
        ({"head_dim": 4}, r"rotary pairs .* such as attention_heads: 2 and key_value_heads: 1 \(method: random"),
        ({"hidden_size": 18}, r"18 is no multiple of the 4 attention heads.*give 16 or 20"),
        ({"layers": 1}, r"layers: 1 with depth: block_influence.*give 2, or depth: first"),
        ({"max_position_embeddings": 256}, r"256 is more than the parent's 128"),
    ],
)
def test_sizes_that_do_not_fit_say_which_do(llama: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prune_model(llama, tmp_path / "pruned", settings(**changes), IDS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (None, "calibration ids are needed: only method random"),
        (IDS + 96, r"token id 1\d\d is outside .* vocabulary of 96; the tokenizer belongs to another model"),
        (IDS - 96, r"token id -\d+ is outside"),
        (IDS.int(), r"torch.int32 .* expected int64"),
        (IDS[0], r"of shape \(24,\); expected int64 of \(sequences, tokens\)"),
        (
            IDS.repeat(1, 6),
            r"sequences of 144 tokens are longer than the model's 128 positions; give tokens: 128 or less",
        ),
    ],
)
def test_ids_that_the_model_cannot_read_are_refused(llama: Path, tmp_path: Path, ids: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prune_model(llama, tmp_path / "pruned", settings(), ids)


def test_pca_with_a_tied_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ties to its embedding; give head: untied, .* or method: importance"):
        prune_model(save(tmp_path, "smollm"), tmp_path / "pruned", settings(method="pca"), IDS)


def test_pca_of_gemma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a rotation does not pass through these norms; method: importance works"):
        prune_model(save(tmp_path, "gemma3_text"), tmp_path / "pruned", settings(method="pca", head="untied"), IDS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2' cannot be pruned; known are llama, mistral, .*, inkuba"),
        ({}, "None cannot be pruned"),
        ({"model_type": "mixtral"}, "mixtures of experts"),
        ({"model_type": "gemma3"}, "sees images too; save its language model"),
        (
            {"model_type": "llama", "quantization_config": {"quant_method": "gptq"}},
            r"quantised \(gptq\); .* quantise last",
        ),
    ],
)
def test_other_models_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        architecture_of(config)


def test_weights_of_another_layout_are_refused(llama: Path, tmp_path: Path) -> None:
    def prune_with(name: str, change: Any) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_bytes((llama / "config.json").read_bytes())
        save_file(change(load_file(llama / "model.safetensors")), folder / "model.safetensors")
        prune_model(folder, tmp_path / "pruned", settings(), IDS)

    key = "model.layers.1.mlp.up_proj.weight"
    with pytest.raises(ValueError, match=f"1 tensors are absent, the first {key}; .* save_pretrained"):
        prune_with("absent", lambda state: {name: value for name, value in state.items() if name != key})
    with pytest.raises(ValueError, match=r"has no vision.weight \(1 such tensors\)"):
        prune_with("more", lambda state: state | {"vision.weight": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"is \(48, 30\), but the sizes in config.json give \(48, 32\)"):
        prune_with("other", lambda state: state | {key: torch.zeros(48, 30)})


def test_buffers_of_old_checkpoints_do_no_harm(llama: Path, tmp_path: Path) -> None:
    source = tmp_path / "old"
    source.mkdir()
    (source / "config.json").write_bytes((llama / "config.json").read_bytes())
    state = load_file(llama / "model.safetensors") | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    save_file(state, source / "model.safetensors")
    assert prune_model(source, tmp_path / "pruned", settings(), IDS).layers == [0, 1, 2, 3]


def test_a_folder_without_safetensors_is_refused(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no model.safetensors; .* save_pretrained"):
        Checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    with pytest.raises(FileNotFoundError, match=r"part.safetensors is absent"):
        Checkpoint(tmp_path)


def test_a_target_that_exists_is_refused(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        prune_model(llama, tmp_path, settings(), IDS)


def test_too_few_texts_say_how_many_tokens_there_are_and_are_needed(tiny_tokenizer: Any) -> None:
    with pytest.raises(
        ValueError, match=r"the 2 texts have \d+ tokens, but 8 sequences of 16 need 128; .* sequences: \d"
    ):
        calibration_ids(tiny_tokenizer, ["one text", "another text"], 8, 16, 1)


def test_a_tokenizer_without_an_end_of_text_is_refused() -> None:
    class Endless:
        eos_token_id = None

    with pytest.raises(ValueError, match=r"no eos_token, .* set it in tokenizer_config.json"):
        calibration_ids(Endless(), ["a text"], 1, 8, 1)
