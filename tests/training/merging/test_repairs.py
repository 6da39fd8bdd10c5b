"""What is mended after Axolotl's merge: which matrices 4-bit training leaves alone, special tokens, foreign files."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.merging.repairs import keep_model_files, restore_unquantised, special_token_ids, unquantised_weights


def test_embeddings_and_output_layer_are_what_4_bit_loading_leaves_alone(tiny_model_dir: Path) -> None:
    assert unquantised_weights(tiny_model_dir) == {"model.embed_tokens.weight", "lm_head.weight"}
    with_skip = unquantised_weights(tiny_model_dir, ["o_proj"])
    assert "model.layers.1.self_attn.o_proj.weight" in with_skip


def test_what_the_adapter_replaces_is_not_restored(tiny_model_dir: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = load_file(tiny_model_dir / "model.safetensors")
    (tmp_path / "merged").mkdir()
    save_file({name: value + 1 for name, value in base.items()}, tmp_path / "merged/model.safetensors")
    adapter = {
        "base_model.model.lm_head.weight": torch.zeros(1),  # a whole new layer, as modules_to_save writes it
        "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight": torch.zeros(1),
    }
    save_file(adapter, tmp_path / "adapter_model.safetensors")
    restored = restore_unquantised(tmp_path / "merged", tiny_model_dir, tmp_path, {})
    assert restored == ["model.embed_tokens.weight"]
    after = load_file(tmp_path / "merged/model.safetensors")
    assert after.keys() == base.keys()
    assert torch.equal(after["model.embed_tokens.weight"], base["model.embed_tokens.weight"])
    assert torch.equal(after["lm_head.weight"], base["lm_head.weight"] + 1)
    assert not list((tmp_path / "merged").glob(".*"))


@pytest.mark.parametrize(("before", "after"), [(2, [7, 2]), ([2, 3], [7, 2, 3]), (None, 7), (7, None), ([2, 7], None)])
def test_the_trained_end_of_sequence_is_added_and_no_other_is_lost(before: Any, after: Any) -> None:
    tokenizer: Any = SimpleNamespace(pad_token_id=0, eos_token_id=7)
    expected = {"pad_token_id": 0} | ({} if after is None else {"eos_token_id": after})
    assert special_token_ids(tokenizer, {"eos_token_id": before}) == expected


def test_code_other_formats_and_the_bases_tokenizer_do_not_come_along(tmp_path: Path) -> None:
    kept = {"config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "LICENSE.txt"}
    other = {"modeling.py", "oneday_model.json", "tokenizer.json", "README.md", "consolidated.safetensors", "a.bin"}
    for name in kept | other:
        (tmp_path / name).write_text(json.dumps(name))
    keep_model_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
