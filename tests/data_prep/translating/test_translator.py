"""A model writes the same in any batch, says what was cut, and one that cannot be used is refused with a reason."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data_prep.translating.model_folder import model_fingerprint, model_folder
from data_prep.translating.quality import Translation
from data_prep.translating.translator import load_translator
from oneday.stage import StageError
from tests.data_prep.translating.test_languages import opus_tokenizer
from tests.data_prep.translating.toys import GOOD, TAUGHT, nllb_tokenizer, settings, toy_nllb

DATA = Path("unread.jsonl")
UNSEEN = [
    "Mama anasoma kitabu leo.",
    "Jua ni baridi sana",
    "mpira",
    "Watu wengi wanacheza mpira asubuhi na rafiki yangu.",
]


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_nllb(tmp_path_factory.mktemp("models") / "toy-nllb")


@pytest.fixture
def copy(nllb: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    return Path(shutil.copytree(nllb, tmp_path / "copy"))


def translate(model: Path, texts: list[str], **changes: Any) -> list[Translation]:
    asked = settings(DATA, model, **changes)
    batches = list(load_translator(model, asked).generate(texts, asked.max_new_tokens, "\n\n"))
    answers = {position: Translation.model_validate_json(text) for batch in batches for position, text in batch}
    assert sum(map(len, batches)) == len(texts)
    return [answers[position] for position in range(len(texts))]


@pytest.mark.parametrize("beams", [1, 4])
def test_the_model_writes_what_it_has_learnt(nllb: Path, beams: int) -> None:
    written = translate(nllb, list(GOOD), beams=beams)
    assert [translation.text for translation in written] == list(GOOD.values())
    assert not any(translation.cut_off or translation.source_cut for translation in written)


def test_a_batch_gives_what_the_texts_give_one_by_one(nllb: Path) -> None:
    texts = [*TAUGHT, *UNSEEN]
    assert translate(nllb, texts, batch_size=16) == translate(nllb, texts, batch_size=1)


def test_a_translation_that_does_not_end_and_a_source_that_does_not_fit_are_told(nllb: Path) -> None:
    (cut,) = translate(
        nllb, ["Mtoto anasoma kitabu."], max_new_tokens=8, max_input_tokens=8, target_language="yor_Latn"
    )
    long = translate(nllb, ["Maji ni baridi sana leo asubuhi. " * 3], max_input_tokens=8)
    whole = translate(nllb, ["Barua hii ni ndefu sana."], max_new_tokens=16)
    assert [cut.source_cut, long[0].source_cut] == [False, True]
    assert whole[0].cut_off


def test_batches_do_not_depend_on_what_is_done(nllb: Path) -> None:
    asked = settings(DATA, nllb, batch_size=2)
    translator = load_translator(nllb, asked)
    whole = list(translator.generate(list(TAUGHT), 32, ""))
    first = {position for position, _ in whole[0]}
    half_of_second = whole[1][0][0]
    assert list(translator.generate(list(TAUGHT), 32, "", {*first, half_of_second})) == whole[1:]


def test_what_a_model_suggests_of_decoding_does_not_count(copy: Path) -> None:
    path = copy / "generation_config.json"
    word = nllb_tokenizer().convert_tokens_to_ids("▁Yaro")
    suggestion = {"max_length": 3, "num_beams": 7, "do_sample": True, "suppress_tokens": [word], "num_beam_groups": 7}
    path.write_text(json.dumps(json.loads(path.read_text()) | suggestion))
    assert [translation.text for translation in translate(copy, list(GOOD))] == list(GOOD.values())


def test_weights_that_are_no_safetensors_are_read_as_tensors_alone(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    assert translate(copy, list(GOOD))[0].text == next(iter(GOOD.values()))
    assert "has no safetensors; tensors alone are read" in capsys.readouterr().err
    assert "pytorch_model.bin" in model_fingerprint(settings(DATA, copy))


def test_a_pickle_that_would_run_code_is_refused(copy: Path, tmp_path: Path) -> None:
    import torch

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "run",))

    (copy / "model.safetensors").unlink()
    torch.save({"model.shared.weight": Runs()}, copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"translate.model: .*copy"):
        load_translator(copy, settings(DATA, copy))
    assert not (tmp_path / "run").exists()


def test_an_opus_model_translates(tmp_path: Path) -> None:
    from transformers import MarianConfig, MarianMTModel

    tokenizer = opus_tokenizer(tmp_path, source_lang="sw", target_lang="ha")
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_layers": 1, "decoder_layers": 1}
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    tokens = {"pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": pad, "forced_eos_token_id": end}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = MarianMTModel(
        MarianConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes, **heads, **tokens)
    )
    model.final_logits_bias[0, end] = -100  # it never ends of itself
    model.save_pretrained(tmp_path / "opus")
    tokenizer.save_pretrained(tmp_path / "opus")
    pair = {"source_language": "sw", "target_language": "ha"}
    written = translate(tmp_path / "opus", [*GOOD], max_new_tokens=10, **pair)
    assert written == translate(tmp_path / "opus", [*GOOD], max_new_tokens=10, batch_size=1, **pair)
    assert all(translation.cut_off for translation in written)  # though the model's own settings force an end
    assert "source.spm" in model_fingerprint(settings(DATA, tmp_path / "opus", **pair))
    with pytest.raises(ValueError, match=r"translate.max_new_tokens must be below the model's 64 positions"):
        load_translator(tmp_path / "opus", settings(DATA, tmp_path / "opus", max_new_tokens=64, **pair))


def test_a_folder_that_holds_no_model_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"translate.model: there is no folder /no/such; name the folder"):
        model_folder(settings(DATA, "/no/such"), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*05c_prune/model"):
        model_folder(settings(DATA, "RUN/05c_prune/model"), tmp_path)
    with pytest.raises(ValueError, match=r"translate.model_revision is for a model of the hub, but .*copy is here"):
        model_folder(settings(DATA, copy, model_revision="main"), tmp_path)
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"copy has no weights \(model\*.safetensors or pytorch_model\*.bin\)"):
        model_fingerprint(settings(DATA, copy))
    (copy / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"copy has no config.json"):
        model_fingerprint(settings(DATA, copy))


def test_a_model_of_the_hub_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hub = settings(DATA, "facebook/nllb-200-3.3B", model_revision="main")
    assert model_fingerprint(hub) == {"hub": "facebook/nllb-200-3.3B", "revision": "main"}
    with pytest.raises(FileNotFoundError, match=r"facebook/nllb-200-3.3B is no folder here, and not to be had from"):
        model_folder(hub, tmp_path)


def test_a_model_that_cannot_translate_is_refused(copy: Path, tiny_model_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"tiny-llama: it is a llama, which is no sequence-to-sequence model"):
        load_translator(tiny_model_dir, settings(DATA, tiny_model_dir))
    with pytest.raises(ValueError, match=r"copy: translate.target_language: the model does not know 'ha'"):
        load_translator(copy, settings(DATA, copy, target_language="ha"))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"its weights are damaged .*; download them again"):
        load_translator(copy, settings(DATA, copy))


def test_weights_that_lack_a_tensor_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.encoder.layers.1.fc1.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"weights lack 1 tensors, the first model.encoder.layers.1.fc1.weight"):
        load_translator(copy, settings(DATA, copy))


def test_what_does_not_fit_the_gpu_is_told_with_what_to_lower(nllb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    translator = load_translator(nllb, settings(DATA, nllb))

    def too_much(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(translator.model, "generate", too_much)
    with pytest.raises(
        StageError, match=r"1 texts of up to \d+ tokens with 2 beams do not fit .*; lower translate.batch"
    ):
        list(translator.generate(["mpira"], 8, ""))
