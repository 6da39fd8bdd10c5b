"""What is trained is what is evaluated: Axolotl's prepared rows against our prompt, token by token."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from oneday.files import read_jsonl
from oneday.prompt import build_prompt
from oneday.records import Example

PREAMBLE = "Below is an instruction."


@pytest.fixture(scope="module")
def prepared(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Example], list[Any]]:
    """Examples, and the rows that Axolotl made of them by the quickstart's own dataset settings."""
    folder = tmp_path_factory.mktemp("prepared")
    examples = [
        Example(
            question=build_prompt(PREAMBLE, "Choose the option.", f"Which {word}?\nA. one\nB. two"),
            answer=answer,
            source="test",
            task="toy",
            id=f"toy-{number}",
            input=word,
        )
        for number, (word, answer) in enumerate([("one {x}", "A"), ("of both", "B"), ("is näïve 中", "A\n\nreally")])
    ]
    (folder / "train.jsonl").write_text("".join(example.model_dump_json() + "\n" for example in examples))
    settings = yaml.safe_load(Path("recipes/quickstart/train.yaml").read_text())
    settings |= {
        "base_model": str(tiny_model_dir),
        "special_tokens": {"eos_token": "<eos>", "pad_token": "<pad>"},
        "output_dir": str(folder / "model"),
        "dataset_prepared_path": str(folder / "prepared"),
        "sample_packing": False,
        "eval_sample_packing": False,
        "sequence_len": 1024,
    }
    del settings["oneday_base_model_from"]
    settings["datasets"][0]["path"] = str(folder / "train.jsonl")
    (folder / "eval.jsonl").write_text(examples[0].model_dump_json() + "\n")
    settings["test_datasets"][0]["path"] = str(folder / "eval.jsonl")
    (folder / "train.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "axolotl.cli.preprocess", str(folder / "train.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    from datasets import load_from_disk

    folders = {path.parent for path in (folder / "prepared").rglob("dataset_info.json")}
    (name,) = {str(path) for path in folders if len(load_from_disk(str(path))) == len(examples)}
    return read_jsonl(folder / "train.jsonl", Example), list(load_from_disk(name))


def test_the_trained_tokens_are_the_prompt_then_the_answer_then_the_end(
    prepared: tuple[list[Example], list[Any]], tiny_tokenizer: Any
) -> None:
    examples, rows = prepared
    expected = [
        [
            *tiny_tokenizer(example.question)["input_ids"],
            *tiny_tokenizer(example.answer)["input_ids"],
            tiny_tokenizer.eos_token_id,
        ]
        for example in examples
    ]
    assert sorted(row["input_ids"] for row in rows) == sorted(expected)


def test_the_labels_are_the_answer_and_the_end_and_nothing_of_the_prompt(
    prepared: tuple[list[Example], list[Any]], tiny_tokenizer: Any
) -> None:
    examples, rows = prepared
    supervised = sorted([label for label in row["labels"] if label != -100] for row in rows)
    expected = sorted(
        [*tiny_tokenizer(example.answer)["input_ids"], tiny_tokenizer.eos_token_id] for example in examples
    )
    assert supervised == expected
    assert all(tiny_tokenizer.pad_token_id not in row["labels"] for row in rows)


def test_the_engine_starts_from_the_trained_tokens(
    prepared: tuple[list[Example], list[Any]], tiny_tokenizer: Any
) -> None:
    examples, rows = prepared
    prompts = sorted(tiny_tokenizer(example.question)["input_ids"] for example in examples)
    trained = sorted([t for t, label in zip(r["input_ids"], r["labels"], strict=True) if label == -100] for r in rows)
    assert json.dumps(prompts) == json.dumps(trained)
