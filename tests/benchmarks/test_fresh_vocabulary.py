"""The comparison of vocabularies on a tiny model: every line is there, and what it says of its models is so."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fresh_vocabulary import Line, Training, heal, loss_of, main, parent_candidate, table, texts_of
from tests.compress.trimming.toy_parents import byte_level_parent, toy_texts


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A tiny Llama with the byte-level toy tokenizer."""
    import torch
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    content: dict[str, Any] = byte_level_parent()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)), bos_token="<|start|>", eos_token="<|end|>"
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(tmp_path / "parent")
    tokenizer.save_pretrained(tmp_path / "parent")
    return tmp_path / "parent"


def write_texts(path: Path, texts: list[str]) -> str:
    path.write_text("".join(json.dumps({"a": {"b": text}}) + "\n" for text in texts), encoding="utf-8")
    return f"{path}:a.b"


def test_parent_trimmed_and_fresh_are_compared(
    parent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = write_texts(tmp_path / "count.jsonl", toy_texts(200))
    held = write_texts(tmp_path / "held.jsonl", toy_texts(5, seed=8))
    sizes = ["--vocabulary", "310", "--steps", "2", "--texts", "2", "--methods", "mean,first"]
    assert main([str(parent), counted, "--held-out", held, *sizes]) == 0
    said = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if line.startswith("|")][2:]
    assert [line[0] for line in lines] == ["parent", "trimmed", "fresh, mean", "fresh, first"]
    assert [line[1] for line in lines] == ["330", "310", "310", "310"]
    assert [line[5] == "" for line in lines] == [True, False, False, False]
    assert float(lines[0][3]) <= float(lines[1][3])  # fewer tokens of the same merges make more of a word
    assert lines[2][3] == lines[3][3]


def test_the_loss_of_an_untrained_model_is_near_uniform_and_falls_by_training(parent: Path) -> None:
    candidate = parent_candidate(parent)
    texts = toy_texts(10)
    tokens = sum(len(candidate.tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
    before = loss_of(candidate, texts)
    uniform = tokens * math.log2(330) / sum(len(text.encode()) for text in texts)
    assert before == pytest.approx(uniform, rel=0.05)
    heal(candidate, texts, Training(steps=10, texts=2, rate=1e-2))
    assert loss_of(candidate, texts) < before - 0.3


def test_texts_are_cut_by_characters_so_that_every_tokenizer_reads_the_same(tmp_path: Path) -> None:
    written = write_texts(tmp_path / "texts.jsonl", ["waku naku", "na"])
    assert texts_of([written], 4) == ["waku", "na"]


def test_an_unknown_method_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "texts.txt", "--held-out", "other.txt", "--methods", "mean,omp"]) == 1
    assert "omp: no such method; allowed: mean, mean_of_norm, first, last" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(parent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(parent), "nowhere.jsonl:a", "--held-out", "nowhere.jsonl:a"]) == 1
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_the_table_leaves_out_what_was_not_measured() -> None:
    line = Line("parent", 49_152, 134_515_008, 2.389, 3.7061, None, 52.4)
    assert table([line]).splitlines()[-1] == "| parent | 49,152 | 134.5 | 2.389 | 3.706 |  | 52 |"
