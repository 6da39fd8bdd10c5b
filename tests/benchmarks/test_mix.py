"""The benchmark of the mix runs, on few rows; what it plants is what it says, and missed targets are named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import mix as benchmark
from benchmarks.mix import KINDS, Planted, Writer, main, rows_of


@pytest.fixture(autouse=True)
def _tiny_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model_dir: Path) -> None:
    """The benchmark's recipe is the quickstart's; its tokenizer is replaced by a tiny one."""
    original = benchmark.write_recipe

    def with_tiny_model(*args: Any, **changes: Any) -> Path:
        recipe = original(*args, **changes)
        settings = yaml.safe_load((recipe / "train.yaml").read_text(encoding="utf-8"))
        del settings["oneday_base_model_from"]
        settings["base_model"] = str(tiny_model_dir)
        (recipe / "train.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        return recipe

    monkeypatch.setattr(benchmark, "write_recipe", with_tiny_model)
    monkeypatch.setattr(benchmark, "ensure_base_model", lambda *args: None)
    monkeypatch.setattr(benchmark, "EVAL_ROWS", 300)
    monkeypatch.setattr(benchmark, "DRAWS", 200_000)


def test_script_and_stage_keep_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["script", "--rows", "3000", "--no-targets"]) == 0
    said = capsys.readouterr().out
    assert "the rows kept are the same" in said
    assert "| plain script | 3,000 |" in said
    assert "| the whole stage, near-duplicates and decontamination too | 3,000 |" in said


def test_what_is_planted_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["planted", "--planted-rows", "12000"]) == 0
    rows = {line.split(" | ")[0].strip("| "): line for line in capsys.readouterr().out.splitlines() if line[:2] == "| "}
    for kind in KINDS:
        assert "1.0000" in rows[kind]


def test_the_sizes_asked_for_are_measured_and_a_missed_target_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "MOST_BYTES", 1)
    assert main(["scale", "--sizes", "1000,2000"]) == 1
    said = capsys.readouterr()
    assert "2 times the rows" in said.out
    assert "the peak of memory was" in said.err


def test_an_unknown_part_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 1
    assert "nothing: no such part; allowed: script, planted, workers, scale" in capsys.readouterr().err


def test_near_duplicates_have_two_words_changed_and_copies_none() -> None:
    writer, planted = Writer(1), Planted()
    evals = [words for words in writer.texts(50, 60) if len(words) >= 8]
    rows = {row["id"]: row for row in rows_of(writer, 5000, evals, planted)}
    earlier = {row["input"]: row for row in rows.values()}
    for id_ in planted.rows["exact"]:
        assert earlier[rows[id_]["input"]]["output"] == rows[id_]["output"]
    for id_ in planted.rows["near"]:
        words = rows[id_]["input"].split()
        assert sum(word.startswith("xq") for word in words) == 2
        assert len(words) >= 20
    texts = {" ".join(words) for words in evals}
    assert {rows[id_]["input"] for id_ in planted.rows["verbatim"]} <= texts
    for id_ in planted.rows["embedded"]:
        assert any(text in rows[id_]["input"] for text in texts)
    assert all(planted.rows[kind] for kind in KINDS)
