"""The stage translate: good translations kept, bad ones dropped by name, the same bytes however often it is stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from data_prep.translate import EXAMPLES, STAGE, _write_lines, preview
from oneday.stage import Report, StageError, execute, plan
from tests.data_prep.translating.toys import BAD, GOOD, QUALITY, toy_nllb, translate_settings

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

XNLI = Path(__file__).parents[2] / "../shared/data/xnli_sw/validation.jsonl"
ROOT = Path(__file__).parents[2]
ANYTHING_GOES = QUALITY | {
    "max_repeats": 1000,
    "min_length_ratio": 1e-6,
    "max_length_ratio": 1e6,
    "min_characters": 1e6,
}


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_nllb(tmp_path_factory.mktemp("models") / "toy-nllb")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Every good sentence with the next one, and every bad one with a good one."""
    good = list(GOOD)
    rows: list[dict[str, Any]] = [
        {"premise": text, "hypothesis": good[(number + 1) % len(good)], "label": number % 3, "id": f"row{number}"}
        for number, text in enumerate(good)
    ]
    rows += [{"genre": "fiction", "premise": good[0], "hypothesis": text, "label": 2} for text in BAD]
    rows += [{"premise": "", "hypothesis": good[0], "label": 1}]
    path = tmp_path / "sw.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def translate_by(recipe: "RecipeFolder", **settings: Any) -> None:
    """Put translate into the recipe, and its rows among the sources of mix."""
    translated = {"path": "RUN/04a_translate/translated.jsonl", "language": "hausa", "instruction": "Does it follow?"}
    sources = [{"source": "sampled"}, {"source": "xnli"} | translated]
    recipe.edit("data.yaml", translate=translate_settings(**settings), mix__sources=sources)


def run(recipe: "RecipeFolder", run_dir: Path, **settings: Any) -> Report:
    translate_by(recipe, **settings)
    return execute(STAGE, recipe.load(), run_dir, announce=lambda line: None)


def rows_of(run_dir: Path, name: str = "translated.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "04a_translate" / name).read_text("utf-8").splitlines()]


def journal_of(run_dir: Path) -> Path:
    (journal,) = (run_dir / "04a_translate/work").glob("translations-*.jsonl")
    return journal


def test_good_rows_are_translated_and_bad_ones_dropped_by_their_reason(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    report = run(recipe, tmp_path / "run", data_path=data, model=nllb)
    rows, good = rows_of(tmp_path / "run"), list(GOOD.values())
    assert rows == [
        {"premise": text, "hypothesis": good[(number + 1) % len(good)], "label": number % 3, "id": f"row{number}"}
        for number, text in enumerate(good)
    ]
    reasons = {reason for reason, _ in BAD.values()}
    assert report.dropped == {**dict.fromkeys(reasons, 1), "blank_field": 1}
    assert report.counts == {"read": 13, "taken": 12, "texts": 12, "texts_cut": 0, "translated": 6}
    assert report.details["labels"]["2"] == {"read": 8, "taken": 8, "translated": 2}
    assert set(report.outputs) == {"translated.jsonl", "dropped.jsonl"}


def test_dropped_rows_are_shown_beside_their_source(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text(data.read_text() * (EXAMPLES + 5))
    report = run(recipe, tmp_path / "run", data_path=many, model=nllb, max_rows_per_label=1000)
    shown = rows_of(tmp_path / "run", "dropped.jsonl")
    assert report.dropped["untranslated"] == EXAMPLES + 5
    assert Counter(row["reason"] for row in shown) == {reason: EXAMPLES for reason, _ in BAD.values()}
    (first,) = [row for row in shown if row["reason"] == "repeated_words"][:1]
    source, (_, target) = next(iter(BAD.items()))
    assert first["hypothesis"] == {"source": source, "translation": target}
    assert (first["place"], first["label"]) == ("many-7", "2")


def test_a_row_without_an_id_gets_its_place_and_keeps_its_other_columns(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "run", data_path=data, model=nllb, quality=ANYTHING_GOES, max_new_tokens=64)
    row = rows_of(tmp_path / "run")[6]
    assert (row["id"], row["genre"], row["label"]) == ("sw-7", "fiction", 2)


def test_a_run_that_was_cut_off_gives_the_same_bytes(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(recipe, tmp_path / "whole", data_path=data, model=nllb, batch_size=3)
    run(recipe, tmp_path / "cut", data_path=data, model=nllb, batch_size=3)
    folder, journal = tmp_path / "cut/04a_translate", journal_of(tmp_path / "cut")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"\x00 damaged\n" + lines[2] + lines[3] + lines[4][:20])
    for name in ("report.json", "translated.jsonl", "dropped.jsonl"):
        (folder / name).unlink()
    report = run(recipe, tmp_path / "cut", data_path=data, model=nllb, batch_size=3)
    assert report.resumed
    assert "its prompt is answered again" in capsys.readouterr().err
    for name in ("translated.jsonl", "dropped.jsonl"):
        assert (folder / name).read_bytes() == (tmp_path / "whole/04a_translate" / name).read_bytes()


def test_another_filter_needs_no_new_translations(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "run", data_path=data, model=nllb)
    journal = journal_of(tmp_path / "run")
    before = journal.read_bytes()
    report = run(recipe, tmp_path / "run", data_path=data, model=nllb, quality=QUALITY | {"max_length_ratio": 30})
    assert "too_long" not in report.dropped
    assert journal_of(tmp_path / "run") == journal
    assert journal.read_bytes() == before
    run(recipe, tmp_path / "run", data_path=data, model=nllb, beams=1)
    assert journal_of(tmp_path / "run") != journal


def test_equal_texts_are_translated_once(recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "run", data_path=data, model=nllb)
    assert len(journal_of(tmp_path / "run").read_text().splitlines()) == len(GOOD) + len(BAD)


def test_a_dry_run_counts_the_texts_and_loads_no_model(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    translate_by(recipe, data_path=data, model=nllb, max_rows_per_label=3)
    told = preview(recipe.load(), tmp_path / "run")
    assert told == (
        f"  swh_Latn -> hau_Latn by {nllb}: 7 texts of 7 rows (0: 2, 1: 2, 2: 3); "
        "not taken: 5 over label cap, 1 blank field"
    )
    assert not (tmp_path / "run").exists()
    recipe.edit("data.yaml", translate__data={"path": "facebook/xnli", "revision": "main"})
    assert "data of the hub, which is counted once it is downloaded" in preview(recipe.load(), tmp_path / "run")
    recipe.edit("data.yaml", translate__data={"path": "RUN/05_mix/train.jsonl"})
    assert "rows of an earlier stage, which is to run first" in preview(recipe.load(), tmp_path / "run")


def test_what_is_absent_is_told_before_anything_is_done(
    recipe: "RecipeFolder", nllb: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=r"there is no translate in data.yaml, so there is nothing to do"):
        execute(STAGE, recipe.load(), tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"translate.model: there is no folder /no/such"):
        run(recipe, tmp_path / "run", data_path=data, model="/no/such")
    with pytest.raises(FileNotFoundError, match=r"translate.data: there is no file or folder .*gone.jsonl"):
        run(recipe, tmp_path / "run", data_path=tmp_path / "gone.jsonl", model=nllb)
    table = {"source": "table", "name": "theirs", "path": "/no/such.csv", "fields": ["inputs"]}
    with pytest.raises(FileNotFoundError, match=r"translate.competition_rows: theirs: there is no file"):
        run(recipe, tmp_path / "run", data_path=data, model=nllb, competition_rows=[table])
    assert "would run after the stages before it" in _planned(recipe, nllb, tmp_path)


def _planned(recipe: "RecipeFolder", nllb: Path, tmp_path: Path) -> str:
    translate_by(recipe, data_path=Path("RUN/05_mix/train.jsonl"), model=nllb)
    return plan(STAGE, recipe.load(), tmp_path / "run")


def test_no_row_to_translate_and_no_row_left_are_errors(recipe: "RecipeFolder", nllb: Path, tmp_path: Path) -> None:
    path = tmp_path / "sw.jsonl"
    path.write_text(json.dumps({"premise": " ", "hypothesis": "x", "label": 0}) + "\n")
    with pytest.raises(StageError, match=r"there is no row to translate of 1 \(1 blank field\)"):
        run(recipe, tmp_path / "run", data_path=path, model=nllb)
    source = next(iter(BAD))
    path.write_text(json.dumps({"premise": source, "hypothesis": source, "label": 0}) + "\n")
    with pytest.raises(StageError, match=r"none of 1 rows has a translation that may be used \(1 repeated words\)"):
        run(recipe, tmp_path / "run", data_path=path, model=nllb)


def test_a_column_that_json_cannot_hold_is_refused(recipe: "RecipeFolder", nllb: Path, tmp_path: Path) -> None:
    import polars as pl

    path, text = tmp_path / "sw.parquet", next(iter(GOOD))
    pl.DataFrame([{"premise": text, "hypothesis": text, "label": 0, "raw": b"\xff"}]).write_parquet(path)
    with pytest.raises(ValueError, match=r"row sw-\d: a column cannot be written as JSON \(.*bytes.*\); leave it out"):
        run(recipe, tmp_path / "run", data_path=path, model=nllb)
    assert not (tmp_path / "run/04a_translate/translated.jsonl").exists()


@pytest.mark.parametrize("row", [{"id": "sw-3", "place": "x"}, {"place": "sw-3"}])
def test_a_line_that_cannot_be_written_is_told_by_its_id_or_its_place(tmp_path: Path, row: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"translate.data: row sw-3: a column cannot be written as JSON \(.*surrogate"):
        _write_lines(tmp_path / "rows.jsonl", [row | {"text": "\ud800"}])
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not XNLI.is_file(), reason="needs the sample of XNLI, ../shared/data/xnli_sw")
def test_real_swahili_rows_go_through(recipe: "RecipeFolder", nllb: Path, tmp_path: Path) -> None:
    report = run(recipe, tmp_path / "run", **_real(nllb, max_rows_per_label=10))
    assert report.counts["read"] == 300
    assert report.counts["taken"] == 30
    assert report.dropped["over_label_cap"] == 270
    assert {label: found["taken"] for label, found in report.details["labels"].items()} == {"0": 10, "1": 10, "2": 10}
    assert report.counts["read"] == report.counts["translated"] + sum(report.dropped.values())
    assert all(set(row) == {"premise", "hypothesis", "label", "id"} for row in rows_of(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.skipif(not XNLI.is_file(), reason="needs the sample of XNLI, ../shared/data/xnli_sw")
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(recipe: "RecipeFolder", nllb: Path, tmp_path: Path) -> None:
    translate_by(recipe, **_real(nllb, batch_size=2))
    command = [sys.executable, "-m", "data_prep.translate", str(recipe.path), "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], cwd=ROOT, check=True)
    process = subprocess.Popen([*command, str(tmp_path / "cut")], cwd=ROOT)
    deadline = time.monotonic() + 120
    while sum(path.stat().st_size for path in (tmp_path / "cut").rglob("translations-*.jsonl")) < 2000:
        assert process.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, str(tmp_path / "cut")], cwd=ROOT, check=True)
    for name in ("translated.jsonl", "dropped.jsonl"):
        whole, cut = (tmp_path / run_name / "04a_translate" / name for run_name in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes()


def _real(nllb: Path, **changes: Any) -> dict[str, Any]:
    lengths = {"max_input_tokens": 128, "max_new_tokens": 12}
    return {"data_path": XNLI.resolve(), "model": nllb, "quality": ANYTHING_GOES, **lengths, **changes}
