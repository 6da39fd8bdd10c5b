"""What the smoke run wants of HELM's entries."""

import json
from pathlib import Path

import pytest

from eval.helm.entries import MAX_INSTANCES, Entry, smoke_entries, write_smoke_instances


def entry(name: str) -> Entry:
    return next(entry for entry in smoke_entries() if entry.name == name)


@pytest.mark.parametrize(("name", "file"), [("joint", "joint"), ("separate", "separate"), ("too long", "long")])
def test_the_files_hold_as_many_instances_as_the_entries_want(tmp_path: Path, name: str, file: str) -> None:
    write_smoke_instances(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()]
    tested = [row for row in rows if row["split"] == "test"]
    wanted = entry(f"custom_mcqa {name}")
    assert f"path={file}.jsonl" in wanted.description
    assert len(tested) == wanted.instances <= MAX_INSTANCES
    options = sum(len(row["references"]) for row in tested)
    assert wanted.requests == (options if wanted.separate else len(tested))


def test_a_run_entry_names_the_model_once_and_last() -> None:
    assert entry("simple_mcqa").run_entry == "simple_mcqa:model=neurips/local"
    assert entry("dyck_language").run_entry == "dyck_language:num_parenthesis_pairs=3,model=neurips/local"


def test_calls_are_those_that_helm_was_seen_to_make() -> None:
    assert (entry("dyck_language").tokenize_calls, entry("dyck_language").decode_calls) == (16, 0)
    assert (entry("custom_mcqa separate").tokenize_calls, entry("custom_mcqa separate").decode_calls) == (96, 24)
    assert (entry("custom_mcqa too long").tokenize_calls, entry("custom_mcqa too long").decode_calls) == (6, 2)
