"""What is checked before the first step: tokenized rows -> facts, and the faults that make training refuse.

Run on the rows that Axolotl made, before the model is loaded. Each fault says what to change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneday.files import read_lines
from training.plugin_args import MAX_DROPPED_SHARE
from training.running.checkpoints import dataset_entries

MASKED = -100  # the label of a token that is not trained on
ROWS_AT_A_TIME = 10_000


@dataclass
class RowFacts:
    """What is known of one set of tokenized rows. `dropped` is None where the source's rows cannot be counted here."""

    rows: int = 0
    tokens: int = 0
    supervised: int = 0
    longest: int = 0
    without_end: int = 0
    without_labels: int = 0
    end_in_padding: int = 0
    dropped: int | None = None

    @property
    def supervised_share(self) -> float:
        """The share of tokens that are trained on."""
        return self.supervised / self.tokens if self.tokens else 0.0


@dataclass
class Preflight:
    """The facts of all sets, by name, and what is wrong."""

    sets: dict[str, RowFacts] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """What `run.json` keeps."""
        return {
            name: {
                "rows": facts.rows,
                "tokens": facts.tokens,
                "longest": facts.longest,
                "supervised_share": round(facts.supervised_share, 4),
                "dropped": facts.dropped,
            }
            for name, facts in self.sets.items()
        }

    def lines(self) -> list[str]:
        """The facts for a reader, a line a set."""
        return [
            f"preflight: {name}: {facts.rows:,} rows, {facts.tokens:,} tokens, {facts.supervised_share:.1%} of them "
            f"trained on, longest row {facts.longest:,}, "
            f"{'rows dropped: not known' if facts.dropped is None else f'{facts.dropped:,} rows dropped'}"
            for name, facts in self.sets.items()
        ]


def check_rows(settings: Mapping[str, Any], train: Any, evaluation: Any, tokenizer: Any) -> Preflight:
    """Look at every tokenized row of both sets (Hugging Face data sets; `evaluation` may be None)."""
    result = Preflight(faults=list(_token_faults(settings, tokenizer)))
    ends = end_tokens(settings, tokenizer)
    pad = tokenizer.pad_token_id
    for name, key, rows in (("train", "datasets", train), ("eval", "test_datasets", evaluation)):
        if rows is None:
            continue
        facts = read_rows(rows, ends, pad)
        sources = source_rows(settings, key)
        facts.dropped = None if sources is None else max(sources - facts.rows, 0)
        result.sets[name] = facts
        result.faults += _row_faults(name, facts, settings)
    return result


def end_tokens(settings: Mapping[str, Any], tokenizer: Any) -> list[int]:
    """The ids that end an answer: the end-of-sequence token and those of Axolotl's `eot_tokens`."""
    ids = [
        tokenizer.eos_token_id,
        *(tokenizer.convert_tokens_to_ids(text) for text in settings.get("eot_tokens") or []),
    ]
    return [number for number in ids if number is not None]


def read_rows(rows: Any, ends: Sequence[int], pad: int | None) -> RowFacts:
    """Count tokens and labels of all rows, by columns."""
    facts = RowFacts()
    for labels, lengths in _labels(rows):
        starts = np.concatenate([[0], np.cumsum(lengths)])
        trained = labels != MASKED
        facts.rows += len(lengths)
        facts.tokens += len(labels)
        facts.supervised += int(trained.sum())
        facts.longest = max(facts.longest, int(lengths.max(initial=0)))
        facts.without_labels += int((_per_row(trained, starts) == 0).sum())
        facts.without_end += int((_per_row(np.isin(labels, ends), starts) == 0).sum())
        last = labels[starts[1:][lengths > 0] - 1]
        facts.end_in_padding += 0 if pad is None or pad in ends else int((last == pad).sum())
    return facts


def _labels(rows: Any) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The labels of a part of the rows, one after the other, and each row's length."""
    for table in rows.select_columns(["labels"]).with_format("arrow").iter(batch_size=ROWS_AT_A_TIME):
        column = table.column("labels").combine_chunks()
        lengths = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        yield column.flatten().to_numpy(zero_copy_only=False).astype(np.int64), lengths


def _per_row(marks: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many marks there are in each row."""
    counted: NDArray[np.int64] = np.concatenate([[0], np.cumsum(marks)])
    each: NDArray[np.int64] = counted[starts[1:]] - counted[starts[:-1]]
    return each


def source_rows(settings: Mapping[str, Any], key: str) -> int | None:
    """How many rows the local files under `key` hold; None if one is no JSON Lines or Parquet file, or is split."""
    total = 0
    if not settings.get(key):
        return None
    for entry in dataset_entries({key: settings.get(key)}):
        path = Path(str(entry.get("path")))
        plain = str(entry.get("split") or "train") == "train" and not entry.get("shards")
        if not path.is_file() or not plain or settings.get("val_set_size"):
            return None
        if path.suffix == ".jsonl":
            total += sum(1 for _, line in read_lines(path) if line.strip())
        elif path.suffix == ".parquet":
            from pyarrow.parquet import read_metadata  # type: ignore[import-untyped]

            total += read_metadata(path).num_rows
        else:
            return None
    return total


def _token_faults(settings: Mapping[str, Any], tokenizer: Any) -> Iterator[str]:
    if tokenizer.eos_token_id is None:
        yield "the tokenizer has no end-of-sequence token: name one under special_tokens.eos_token"
    elif tokenizer.pad_token_id == tokenizer.eos_token_id:
        yield (
            f"padding and end of sequence are both {tokenizer.eos_token!r}: padding is masked, so the model would not "
            "learn where to end; name another token of the vocabulary under special_tokens.pad_token"
        )


def _row_faults(name: str, facts: RowFacts, settings: Mapping[str, Any]) -> Iterator[str]:
    if facts.rows == 0:
        yield f"{name}: there is no row"
        return
    if facts.without_labels:
        yield (
            f"{name}: {facts.without_labels:,} of {facts.rows:,} rows have no token to train on: every label is "
            "masked; check the prompt's type under datasets, and train_on_inputs"
        )
    if facts.without_end:
        cut = settings.get("excess_length_strategy") == "truncate"
        fix = (
            "rows are cut at sequence_len: use excess_length_strategy: drop or raise"
            if cut
            else ("check the prompt's type under datasets; a model that ends turns with another token needs eot_tokens")
        )
        yield f"{name}: {facts.without_end:,} of {facts.rows:,} rows have no end of sequence in their labels; {fix}"
    if facts.end_in_padding:
        yield f"{name}: {facts.end_in_padding:,} rows end in padding that is not masked; remove it from the data"
    limit = settings.get("oneday_max_dropped_share")
    limit = MAX_DROPPED_SHARE if limit is None else float(limit)
    if facts.dropped and facts.dropped > limit * (facts.rows + facts.dropped):
        yield (
            f"{name}: {facts.dropped:,} of {facts.rows + facts.dropped:,} rows were dropped, as longer than "
            f"sequence_len ({settings.get('sequence_len')}) or unusable: raise sequence_len, lower mix.max_tokens, or "
            f"allow it with oneday_max_dropped_share (now {limit:g})"
        )
