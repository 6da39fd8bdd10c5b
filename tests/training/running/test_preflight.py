"""The checks on tokenized rows: what each fault needs to be told, and that good rows pass."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.running.preflight import check_rows, read_rows, source_rows

END, PAD = 2, 0
TOKENIZER = SimpleNamespace(
    eos_token_id=END, pad_token_id=PAD, eos_token="</s>", convert_tokens_to_ids={"<end>": 7}.get
)


def rows(*labels: list[int]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict({"input_ids": [[5] * len(row) for row in labels], "labels": list(labels)})


GOOD = [[-100, -100, 5, END], [-100, 6, END]]


def faults(*labels: list[int], settings: dict[str, Any] | None = None, tokenizer: Any = TOKENIZER) -> str:
    return "\n".join(check_rows(settings or {}, rows(*labels), None, tokenizer).faults)


def test_good_rows_pass_and_are_counted() -> None:
    result = check_rows({}, rows(*GOOD), rows(GOOD[0]), TOKENIZER)
    assert result.faults == []
    assert result.facts()["train"] == {
        "rows": 2,
        "tokens": 7,
        "longest": 4,
        "supervised_share": round(4 / 7, 4),
        "dropped": None,
    }
    assert result.lines()[0] == (
        "preflight: train: 2 rows, 7 tokens, 57.1% of them trained on, longest row 4, rows dropped: not known"
    )


def test_a_row_without_the_end_of_sequence_is_refused_with_the_number_of_such_rows() -> None:
    assert "train: 1 of 3 rows have no end of sequence in their labels" in faults(*GOOD, [-100, 5])


def test_cut_rows_are_named_as_the_cause_of_a_missing_end() -> None:
    found = faults([5, 5], settings={"excess_length_strategy": "truncate"})
    assert "use excess_length_strategy: drop or raise" in found


def test_another_token_may_end_a_turn_where_the_recipe_says_so() -> None:
    assert "no end of sequence" in faults([-100, 5, 7])
    assert faults([-100, 5, 7], settings={"eot_tokens": ["<end>"]}) == ""


def test_a_row_without_any_label_is_refused() -> None:
    assert "train: 1 of 3 rows have no token to train on" in faults(*GOOD, [-100, -100])


def test_padding_at_the_end_of_a_rows_labels_is_refused() -> None:
    assert "train: 1 rows end in padding that is not masked" in faults(*GOOD, [5, END, PAD])


def test_padding_that_is_also_the_end_of_sequence_is_refused_with_the_key_to_change() -> None:
    same = SimpleNamespace(**vars(TOKENIZER) | {"pad_token_id": END})
    assert "name another token of the vocabulary under special_tokens.pad_token" in faults(*GOOD, tokenizer=same)


def test_a_tokenizer_without_an_end_of_sequence_is_refused() -> None:
    none = SimpleNamespace(**vars(TOKENIZER) | {"eos_token_id": None})
    assert "special_tokens.eos_token" in faults(*GOOD, tokenizer=none)


def test_an_empty_set_is_refused() -> None:
    from datasets import Dataset

    empty = Dataset.from_dict({"input_ids": [], "labels": []})
    assert check_rows({}, rows(*GOOD), empty, TOKENIZER).faults == ["eval: there is no row"]


def settings_of(path: Path, **more: Any) -> dict[str, Any]:
    return {"datasets": [{"path": str(path), "ds_type": "json"}], "sequence_len": 4, **more}


def test_dropped_rows_are_counted_against_the_files_and_refused_above_the_share_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("{}\n\n{}\n{}\n")
    result = check_rows(settings_of(path), rows(*GOOD), None, TOKENIZER)
    assert result.sets["train"].dropped == 1
    assert "1 of 3 rows were dropped" in result.faults[0]
    assert "oneday_max_dropped_share (now 0.01)" in result.faults[0]
    assert check_rows(settings_of(path, oneday_max_dropped_share=0.34), rows(*GOOD), None, TOKENIZER).faults == []


def test_rows_of_parquet_files_are_counted_too(tmp_path: Path) -> None:
    rows(*GOOD).to_parquet(tmp_path / "train.parquet")
    assert source_rows(settings_of(tmp_path / "train.parquet"), "datasets") == 2


@pytest.mark.parametrize(
    "change", [{"path": "some/hub-set"}, {"split": "train[:10]"}, {"shards": 4}], ids=["hub", "slice", "shards"]
)
def test_sources_that_cannot_be_counted_here_are_said_to_be_unknown(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("{}\n")
    settings = settings_of(path)
    settings["datasets"][0] |= change
    assert source_rows(settings, "datasets") is None


def test_many_rows_are_read_in_parts_and_in_the_order_that_a_shuffle_gives() -> None:
    facts = read_rows(rows(*GOOD * 12_000).shuffle(seed=1), [END], PAD)
    assert (facts.rows, facts.tokens, facts.supervised, facts.longest) == (24_000, 84_000, 48_000, 4)
    assert (facts.without_end, facts.without_labels, facts.end_in_padding) == (0, 0, 0)
