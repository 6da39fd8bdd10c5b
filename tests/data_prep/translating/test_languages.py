"""Each kind of tokenizer is told the languages in its own way; unknown codes are answered with the nearest ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.translating.languages import Direction, language_tokens, set_direction
from tests.data_prep.translating.toys import nllb_tokenizer, sentencepiece_model

TEXT = "Mtoto anasoma kitabu."


def opus_tokenizer(folder: Path, targets: tuple[str, ...] = (), **names: Any) -> Any:
    """OPUS-MT's own tokenizer; with several `targets`, one that writes them all."""
    pytest.importorskip("sentencepiece")
    from transformers import MarianTokenizer

    sentencepiece_model(folder / "source.spm")
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    words = ["</s>", "<unk>", *(f">>{target}<<" for target in targets)]
    words += [piece for number in range(len(pieces)) if (piece := pieces.IdToPiece(number)) not in words]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate([*words, "<pad>"])}))
    spm = str(folder / "source.spm")
    return MarianTokenizer(source_spm=spm, target_spm=spm, vocab=str(folder / "vocab.json"), **names)


def test_nllb_reads_the_source_code_and_writes_the_target_code_first() -> None:
    tokenizer = nllb_tokenizer()
    direction = set_direction(tokenizer, "swh_Latn", "hau_Latn")
    assert direction == Direction(first_token=tokenizer.convert_tokens_to_ids("hau_Latn"))
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(TEXT)["input_ids"])
    assert (tokens[0], tokens[-1]) == ("swh_Latn", "</s>")
    assert len(language_tokens(tokenizer)) == 202


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("sw", "hau_Latn", r"translate.source_language: the model does not know 'sw'; nearest: .*swh_Latn"),
        ("swa_Latn", "hau_Latn", r"translate.source_language: .*nearest: .*swh_Latn.*; it knows 202 codes"),
        ("swh_Latn", "ha", r"translate.target_language: the model does not know 'ha'; nearest: .*hau_Latn"),
        ("swh_Latn", "hau", r"nearest: hau_Latn"),
        ("swh_Latn", "hau_latn", r"nearest: hau_Latn"),
        ("swh_Latn", "</s>", r"does not know '</s>'"),
        ("swh_Latn", "42", r"does not know '42'; it knows 202 codes"),
    ],
)
def test_an_unknown_code_is_answered_with_the_nearest(source: str, target: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        set_direction(nllb_tokenizer(), source, target)


def test_mbart_and_m2m100_have_codes_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    from transformers import M2M100Tokenizer, MBart50Tokenizer

    mbart = MBart50Tokenizer()
    assert set_direction(mbart, "sw_KE", "en_XX").first_token == mbart.convert_tokens_to_ids("en_XX")
    sentencepiece_model(tmp_path / "spm.model")
    (tmp_path / "vocab.json").write_text(json.dumps({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}))
    m2m100 = M2M100Tokenizer(vocab_file=str(tmp_path / "vocab.json"), spm_file=str(tmp_path / "spm.model"))
    assert set_direction(m2m100, "sw", "ha").first_token == m2m100.get_lang_id("ha")
    assert m2m100(TEXT)["input_ids"][0] == m2m100.get_lang_id("sw")
    with pytest.raises(ValueError, match=r"does not know 'hau_Latn'; nearest: .*ha"):
        set_direction(m2m100, "sw", "hau_Latn")


def test_an_opus_model_of_one_pair_must_be_that_of_the_recipe(tmp_path: Path) -> None:
    tokenizer = opus_tokenizer(tmp_path, source_lang="sw", target_lang="ha")
    assert set_direction(tokenizer, "sw", "ha") == Direction()
    with pytest.raises(ValueError, match=r"translate.source_language: the model is for 'sw' alone, not 'swh_Latn'"):
        set_direction(tokenizer, "swh_Latn", "ha")
    with pytest.raises(ValueError, match=r"translate.target_language: the model is for 'ha' alone, not 'yo'"):
        set_direction(tokenizer, "sw", "yo")


def test_an_opus_model_that_names_no_languages_takes_the_recipe_at_its_word(tmp_path: Path) -> None:
    assert set_direction(opus_tokenizer(tmp_path), "sw", "ha") == Direction()


def test_an_opus_model_of_many_languages_reads_the_target_before_the_text(tmp_path: Path) -> None:
    tokenizer = opus_tokenizer(tmp_path, ("hau", "yor"), source_lang="sw", target_lang="mul")
    direction = set_direction(tokenizer, "sw", "hau")
    ids = tokenizer(direction.prefix + TEXT)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[0] == ">>hau<<"
    with pytest.raises(ValueError, match=r"does not know 'ha'; nearest: hau"):
        set_direction(tokenizer, "sw", "ha")


def test_a_tokenizer_without_languages_is_refused(tiny_tokenizer: Any) -> None:
    with pytest.raises(
        ValueError, match=r"has no languages to choose from; allowed: NLLB-200, M2M100, mBART-50 or OPUS"
    ):
        set_direction(tiny_tokenizer, "sw", "ha")
