import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from compress.config import CorpusFile, Trim
from compress.trimming.audit import unreachable
from compress.trimming.model import trim_model
from compress.trimming.report import TrimReport, table
from oneday.files import write_json

SIZE = 620
PROBES = ("habari za asubuhi", "the children <turn> are\n\nreading  日本 🙏!", "ina kwana</s>", "\x00\x07\u200d é")


def settings(corpus: Path, **changes: Any) -> Trim:
    files = [CorpusFile(path=str(corpus), language="swa"), CorpusFile(path=str(corpus), language="hau", split="report")]
    return Trim.model_validate({"corpus": files, "vocabulary": SIZE, "keep": ["Chanya"]} | changes)


def trim(model: Path, corpus: Path, **changes: Any) -> tuple[Path, TrimReport]:
    target = model.parent / "target"
    return target, trim_model(model, target, settings(corpus, **changes), None)


def test_exactly_the_wanted_tokens_are_left_and_none_is_unreachable(model: Path, corpus: Path) -> None:
    target, report = trim(model, corpus)
    loaded = AutoModelForCausalLM.from_pretrained(target)
    assert report.tokens_after == SIZE == len(AutoTokenizer.from_pretrained(target)) == loaded.config.vocab_size
    assert loaded.get_input_embeddings().weight.shape[0] == loaded.lm_head.weight.shape[0] == SIZE
    assert report.unreachable_after == 0
    assert unreachable(json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))) == []
    assert sum(report.kept.values()) == SIZE


def test_transformers_reads_the_tokenizer_as_it_is(model: Path, corpus: Path) -> None:
    target, _ = trim(model, corpus)
    itself, loaded = Tokenizer.from_file(str(target / "tokenizer.json")), AutoTokenizer.from_pretrained(target)
    itself.no_truncation()
    for text in PROBES:
        assert loaded(text).input_ids == itself.encode(text).ids
        assert loaded(text).input_ids[0] == loaded.bos_token_id
        assert loaded.decode(loaded(text, add_special_tokens=False).input_ids) == text


def test_each_row_is_that_of_its_token(model: Path, corpus: Path) -> None:
    target, _ = trim(model, corpus)
    old, new = AutoModelForCausalLM.from_pretrained(model), AutoModelForCausalLM.from_pretrained(target)
    old_ids = Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab()
    for token, number in AutoTokenizer.from_pretrained(target).get_vocab().items():
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(new.state_dict()[name][number], old.state_dict()[name][old_ids[token]])


def test_logits_of_kept_tokens_are_the_parents(model: Path, corpus: Path) -> None:
    target, _ = trim(model, corpus)
    itself = Tokenizer.from_file(str(model / "tokenizer.json"))
    kept = AutoTokenizer.from_pretrained(target)
    old_ids = [itself.token_to_id(kept.convert_ids_to_tokens(number)) for number in range(SIZE)]
    ids = kept("habari za asubuhi").input_ids
    with torch.no_grad():
        new = AutoModelForCausalLM.from_pretrained(target)(torch.tensor([ids])).logits
        old = AutoModelForCausalLM.from_pretrained(model)(torch.tensor([[old_ids[number] for number in ids]])).logits
    assert (new - old[..., old_ids]).abs().max() < 1e-5


def test_ids_in_configs_are_the_new_ones(model: Path, corpus: Path) -> None:
    write_json(model / "generation_config.json", {"eos_token_id": [2], "suppress_tokens": [0, 5]})
    target, _ = trim(model, corpus)
    tokenizer = AutoTokenizer.from_pretrained(target)
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    assert config["eos_token_id"] == [tokenizer.eos_token_id, tokenizer.unk_token_id]
    assert config["bos_token_id"] == tokenizer.bos_token_id
    assert json.loads((target / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"] == [2]


def test_there_is_one_tokenizer_and_template_and_licence_come_along(model: Path, corpus: Path) -> None:
    target, _ = trim(model, corpus)
    assert sorted(path.name for path in target.iterdir()) == [
        "LICENSE",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_reserved_tokens_go_and_those_of_the_template_stay(model: Path, corpus: Path) -> None:
    target, report = trim(model, corpus)
    loaded = AutoTokenizer.from_pretrained(target)
    assert "<turn>" in loaded.get_added_vocab()
    assert not any(token.startswith("<unused") for token in loaded.get_vocab())
    assert report.dropped_added["reserved and in no text"] == 40
    assert "<unused39>" in report.dropped_added_tokens


def test_the_report_says_what_was_lost_and_saved(model: Path, corpus: Path) -> None:
    _, report = trim(model, corpus)
    rows = {(row.language, row.split): row for row in report.texts}
    assert report.parameters_saved == (report.rows_before - SIZE) * 2 * 32
    assert report.parameters_before == report.parameters_after + report.parameters_saved
    assert rows["swa", "count"].texts == rows["hau", "report"].texts == 59
    assert rows["swa", "count"].lost_share == report.occurrences_lost_share
    assert rows["hau", "report"].lost_share is None
    assert all(row.round_trip_before == row.round_trip_after == 1 for row in report.texts)
    assert all(row.tokens_after >= row.tokens_before for row in report.texts)


def test_the_table_shows_each_language_before_and_after(model: Path, corpus: Path) -> None:
    _, report = trim(model, corpus)
    shown = table(report)
    assert re.search(rf"tokens +{report.tokens_before:,} -> {SIZE}\n", shown)
    assert re.search(r"\| swa +\| count +\| +59 \|", shown)
    assert re.search(r"\| hau +\| report +\| +59 \|.* - \|", shown)


def test_a_least_count_of_one_loses_nothing(model: Path, corpus: Path) -> None:
    _, report = trim(model, corpus, vocabulary=None, min_count=1)
    assert report.occurrences_lost_share == 0
    assert all(row.tokens_after == row.tokens_before for row in report.texts)


def test_a_size_beyond_the_texts_is_filled_up_and_said(model: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("habari", encoding="utf-8")
    _, report = trim(model, tmp_path / "short.txt")
    assert report.tokens_after == SIZE
    assert any("that are in no text fill it up" in note for note in report.notes)


def report_size(model: Path) -> int:
    return Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab_size()


def test_special_tokens_named_in_a_map_alone_are_known(model: Path, corpus: Path) -> None:
    write_json(model / "special_tokens_map.json", {"bos_token": "<s>", "pad_token": {"content": "<unused5>"}})
    write_json(model / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    target, _ = trim(model, corpus)
    loaded = AutoTokenizer.from_pretrained(target)
    assert (loaded.bos_token, loaded.pad_token, len(loaded)) == ("<s>", "<unused5>", SIZE)


def test_a_class_that_transformers_builds_anew_is_replaced_and_said(
    tmp_path: Path, corpus: Path, sentencepiece_model: Path
) -> None:
    write_json(sentencepiece_model / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"})
    target, report = trim(sentencepiece_model, corpus)
    itself = Tokenizer.from_file(str(target / "tokenizer.json"))
    assert AutoTokenizer.from_pretrained(target)("habari").input_ids == itself.encode("habari").ids
    assert any("builds the parent's tokenizer anew" in note for note in report.notes)


def test_tied_embeddings_are_counted_once_and_stay_tied(tmp_path: Path, corpus: Path, tied_model: Path) -> None:
    target, report = trim(tied_model, corpus)
    loaded = AutoModelForCausalLM.from_pretrained(target)
    assert loaded.lm_head.weight is loaded.get_input_embeddings().weight
    assert report.parameters_after == loaded.num_parameters()
    assert report.parameters_before == AutoModelForCausalLM.from_pretrained(tied_model).num_parameters()


def test_rows_without_a_token_go(tmp_path: Path, corpus: Path, padded_model: Path) -> None:
    target, report = trim(padded_model, corpus)
    assert report.rows_before == report.tokens_before + 24
    assert AutoModelForCausalLM.from_pretrained(target).config.vocab_size == SIZE
    assert any("24 rows of the parent's embeddings had no token" in note for note in report.notes)


def test_shards_and_bin_files_are_read(model: Path, corpus: Path) -> None:
    parent = AutoModelForCausalLM.from_pretrained(model)
    (model / "model.safetensors").unlink()
    parent.save_pretrained(model, max_shard_size="100KB")
    assert (model / "model.safetensors.index.json").is_file()
    sharded, _ = trim(model, corpus)
    for path in model.glob("*.safetensors*"):
        path.unlink()
    torch.save(parent.state_dict(), model / "pytorch_model.bin")
    trim_model(model, model.parent / "other", settings(corpus), None)
    assert (sharded / "model.safetensors").read_bytes() == (model.parent / "other/model.safetensors").read_bytes()


def test_a_fresh_vocabulary_has_the_size_and_rows_of_the_parents(model: Path, corpus: Path) -> None:
    target, report = trim(model, corpus, fresh=True, vocabulary=400, keep=[])
    loaded = AutoTokenizer.from_pretrained(target)
    assert report.fresh
    assert report.tokens_after == len(loaded) == AutoModelForCausalLM.from_pretrained(target).config.vocab_size == 400
    assert report.occurrences_lost_share is None
    assert loaded("habari").input_ids[0] == loaded.bos_token_id
    assert "<turn>" in loaded.get_vocab()
    assert "| - |" in table(report).replace("   ", " ").replace("  ", " ")


def test_the_same_settings_give_the_same_bytes(model: Path, corpus: Path) -> None:
    first, _ = trim(model, corpus)
    trim_model(model, model.parent / "other", settings(corpus), None)
    for path in first.iterdir():
        assert path.read_bytes() == (model.parent / "other" / path.name).read_bytes()


@pytest.mark.parametrize("vocabulary", [300, 100_000])
def test_after_a_refusal_nothing_is_left(model: Path, corpus: Path, vocabulary: int) -> None:
    before = sorted(model.parent.iterdir())
    with pytest.raises(ValueError, match=r"vocabulary: [\d,]+ tokens"):
        trim(model, corpus, vocabulary=vocabulary, keep=corpus.read_text(encoding="utf-8").splitlines())
    assert sorted(model.parent.iterdir()) == before


def test_an_empty_corpus_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="corpus: no text was found"):
        trim(model, tmp_path / "empty.txt")


def add_rowless(model: Path) -> None:
    """Give the tokenizer an added token that the model has no row for."""
    data = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    data["added_tokens"].append({"id": report_size(model), "content": "<more>", **flags})
    write_json(model / "tokenizer.json", data)


def test_an_added_token_without_a_row_goes_and_is_told(model: Path, corpus: Path) -> None:
    add_rowless(model)
    target, report = trim(model, corpus)
    assert "the model has no rows for <more>; these added tokens are gone" in report.notes
    assert "<more>" not in (target / "tokenizer.json").read_text(encoding="utf-8")


def test_an_added_token_without_a_row_that_the_settings_name_is_refused(model: Path, corpus: Path) -> None:
    add_rowless(model)
    settings = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(model / "tokenizer_config.json", settings | {"pad_token": "<more>"})
    with pytest.raises(ValueError, match=r"settings name '<more>', for which the [\d,]+ rows of the"):
        trim(model, corpus)


def test_a_tokenizer_with_more_pieces_than_rows_is_refused(model: Path, corpus: Path) -> None:
    data = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    data["model"]["vocab"]["zz"] = report_size(model)
    write_json(model / "tokenizer.json", data)
    with pytest.raises(ValueError, match=r"'zz'\), but the embeddings have only .* not of one model"):
        trim(model, corpus)


def test_a_config_with_another_size_than_the_rows_is_refused(model: Path, corpus: Path) -> None:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    write_json(model / "config.json", config | {"vocab_size": 5})
    with pytest.raises(ValueError, match=r"vocab_size 5, but the embeddings have"):
        trim(model, corpus)


def test_a_tokenizer_that_transformers_cannot_load_is_refused(model: Path, corpus: Path) -> None:
    write_json(model / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": 5})
    with pytest.raises(ValueError, match="transformers cannot load the tokenizer"):
        trim(model, corpus)


def test_a_fresh_vocabulary_without_a_token_that_the_config_names_is_refused(model: Path, corpus: Path) -> None:
    data = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] != "</s>"]
    write_json(model / "tokenizer.json", data)
    with pytest.raises(ValueError, match=r"name the token '</s>', which a fresh tokenizer does not have"):
        trim(model, corpus, fresh=True, vocabulary=400, keep=[])


def test_inkubalm_with_its_string_merges_keeps_one_shared_mlp(corpus: Path, inkuba_model: Path) -> None:
    target, report = trim(inkuba_model, corpus)
    loaded = AutoModelForCausalLM.from_pretrained(target)
    assert loaded.config.model_type == "inkuba"
    assert loaded.model.layers[0].mlp is loaded.model.layers[1].mlp
    assert report.parameters_after == loaded.num_parameters()
    assert report.parameters_before == AutoModelForCausalLM.from_pretrained(inkuba_model).num_parameters()
