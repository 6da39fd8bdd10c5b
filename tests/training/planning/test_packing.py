"""Lengths and packing: as Axolotl tokenises and packs, with planned numbers where rows are missing."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tiny_mistral import write_rows, write_tokenizer
from tests.training.planning.tiny_models import settings_of
from training.planning.activations import Batch
from training.planning.lengths import row_lengths, split_lengths, taken_rows
from training.planning.packing import ASSUMED_FILLED, ASSUMED_ROW, MixPlan, epoch, full_batch, planned_mix

PROMPT = {
    "system_prompt": "",
    "field_instruction": "question",
    "field_output": "answer",
    "no_input_format": "{instruction}",
}
PACKED: dict[str, Any] = {"sample_packing": True, "sequence_len": 256}
LENGTHS = np.random.default_rng(1).integers(5, 120, size=400)
FLASH = {"attn_implementation": "flash_attention_2"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Mistral's tokenizer and nothing else."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def test_lengths_are_those_of_axolotls_tokens(tokenizer: Path, tmp_path: Path) -> None:
    from axolotl.prompt_strategies.user_defined import UserDefinedDatasetConfig, load
    from axolotl.utils.dict import DictDefault
    from transformers import AutoTokenizer

    rows = [("### Input:\n1 and 2\n\n### Response:\n", "3"), ("Say  it", " twice\n\n"), ("Grüße, 中", "A: ok</s>")]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"question": one, "answer": other}) + "\n" for one, other in rows))
    strategy = load(
        AutoTokenizer.from_pretrained(tokenizer),
        DictDefault({"train_on_inputs": False, "sequence_len": 4096}),
        UserDefinedDatasetConfig(**PROMPT),
    )
    real = [len(strategy.tokenize_prompt({"question": one, "answer": other})["input_ids"]) for one, other in rows]
    found = row_lengths({"path": str(path), "type": PROMPT}, str(tokenizer)).tolist()
    assert found[:2] == real[:2]
    assert 0 <= found[2] - real[2] <= 1  # an answer that already ends with the end token gets no second one


def test_a_row_without_the_fields_is_named(tokenizer: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n{"question": "a"}\n')
    with pytest.raises(ValueError, match=r"train\.jsonl:2: the row has no field 'answer'; it has question"):
        row_lengths({"path": str(path), "type": PROMPT}, str(tokenizer))


def test_a_line_that_is_no_row_is_named(tokenizer: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("{\n")
    with pytest.raises(ValueError, match=r"train\.jsonl:1: not a row of JSON"):
        row_lengths({"path": str(path), "type": PROMPT}, str(tokenizer))


def test_another_kind_of_prompt_is_refused(tokenizer: Path, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="only rows whose `type` names field_instruction"):
        row_lengths({"path": str(tmp_path / "train.jsonl"), "type": "chat_template"}, str(tokenizer))


def test_a_range_of_rows_is_taken() -> None:
    assert taken_rows({"split": "train[:1000]"}) == slice(None, 1000)
    assert taken_rows({"split": "train[10:20]"}) == slice(10, 20)
    assert taken_rows({"split": "train"}) == slice(None, None)
    with pytest.raises(ValueError, match="is not counted; write its rows"):
        taken_rows({"path": "a.jsonl", "split": "train[:10%]"})


def test_rows_and_tokenizer_must_both_be_there(tokenizer: Path, tmp_path: Path) -> None:
    write_rows(tmp_path, 4, 2)
    data = [{"path": str(tmp_path / "train.jsonl"), "type": PROMPT}]
    tests = [{"path": str(tmp_path / "eval.jsonl"), "type": PROMPT}]
    whole = settings_of(base_model=str(tokenizer), datasets=data, test_datasets=tests)
    found = split_lengths(whole)
    assert found is not None
    assert (len(found[0]), len(found[1])) == (4, 2)
    assert split_lengths(settings_of(base_model="nobody/no-model", datasets=data, test_datasets=tests)) is None
    gone = [{"path": str(tmp_path / "gone.jsonl"), "type": PROMPT}]
    assert split_lengths(settings_of(base_model=str(tokenizer), datasets=gone, test_datasets=tests)) is None


def test_without_test_sets_the_last_rows_are_held_out(tokenizer: Path, tmp_path: Path) -> None:
    write_rows(tmp_path, 20, 1)
    data = [{"path": str(tmp_path / "train.jsonl"), "type": PROMPT}]
    found = split_lengths(settings_of(base_model=str(tokenizer), datasets=data, val_set_size=0.1))
    assert found is not None
    assert (len(found[0]), len(found[1])) == (18, 2)


@pytest.mark.parametrize("micro", [1, 2, 4])
@pytest.mark.parametrize("attention", ["sdpa", "flash_attention_2"])
def test_packing_is_that_of_axolotls_sampler(micro: int, attention: str) -> None:
    from axolotl.utils.samplers.multipack import MultipackBatchSampler
    from torch.utils.data import SequentialSampler

    settings = settings_of(**PACKED | {"micro_batch_size": micro, "attn_implementation": attention})
    found = epoch(LENGTHS, settings, None, False, training=False)
    rows = micro if attention == "sdpa" else 1
    capacity = 256 * micro // rows
    sampler = MultipackBatchSampler(SequentialSampler(LENGTHS), rows, capacity, LENGTHS, bin_size=200, num_processes=1)
    real = list(iter(sampler))  # without iter, list asks for the length, and the sampler packs four times for it
    assert found.micro_batches == len(real)
    assert found.tokens == sum(int(LENGTHS[row].sum()) for batch in real for row in batch)
    widest = [max(int(LENGTHS[row].sum()) for row in batch) for batch in real]
    assert found.computed == sum(rows * 256 * -(-width // 256) for width in widest)
    assert 0.8 < found.filled <= 1


def test_the_same_recipe_packs_the_same_way() -> None:
    gc.unfreeze()
    settings = settings_of(**PACKED)
    assert epoch(LENGTHS, settings, None, False) == epoch(LENGTHS, settings, None, False)
    assert gc.get_freeze_count() == 0, "garbage that is there before is collected afterwards"


def test_long_rows_are_counted_and_left_out_or_cut() -> None:
    lengths = np.array([10, 300, 20])
    dropped = epoch(lengths, settings_of(sequence_len=256), None, False)
    cut = epoch(lengths, settings_of(sequence_len=256, excess_length_strategy="truncate"), None, False)
    assert (dropped.long_rows, dropped.rows, dropped.tokens) == (1, 2, 30)
    assert (cut.long_rows, cut.rows, cut.tokens) == (1, 3, 286)


def test_unpacked_rows_are_padded_to_the_longest_of_their_batch() -> None:
    settings = settings_of(micro_batch_size=2, sequence_len=256, pad_to_sequence_len=False)
    found = epoch(np.array([10, 30, 20]), settings, None, False, training=False)
    assert found.computed == 2 * 30 + 20
    assert found.widest == Batch(2, 30)


def test_masked_attention_computes_all_pairs_and_a_window_limits_them() -> None:
    lengths, settings = np.array([64, 64]), settings_of(**PACKED | FLASH)
    assert epoch(lengths, settings, None, False, training=False).pairs == 2 * 64 * 65 / 2
    assert epoch(lengths, settings, None, True, training=False).pairs == 256**2
    assert epoch(lengths, settings, 16, False, training=False).pairs == 2 * (16 * 17 / 2 + 48 * 16)


def test_the_largest_batch_is_one_row_where_attention_reads_borders() -> None:
    values = PACKED | {"micro_batch_size": 2}
    assert full_batch(settings_of(**values | FLASH)) == Batch(1, 512)
    assert full_batch(settings_of(**values)) == Batch(2, 256)


def test_planned_tokens_are_those_of_the_data_file() -> None:
    settings = settings_of(sample_packing=True, sequence_len=8192, attn_implementation="flash_attention_2")
    found = planned_mix(Path("recipes/mistral-7b-oneday"))
    assert found is not None
    assert found.file == "data.yaml"
    train, evaluation = found.epochs(settings)
    assert train.tokens + evaluation.tokens == found.tokens
    assert train.assumed
    assert train.micro_batches == pytest.approx(train.tokens / (ASSUMED_FILLED * 8192), abs=1)


def test_without_a_budget_nothing_is_planned() -> None:
    assert planned_mix(Path("recipes/mistral-7b-birbal")) is None


def test_an_evaluation_of_the_first_rows_is_no_longer_than_they_are() -> None:
    plan = MixPlan("data.yaml", 1_000_000, 500_000, None)
    first = settings_of(test_datasets=[{"path": "eval.jsonl", "split": "train[:100]"}])
    assert plan.epochs(first)[1].tokens == 100 * ASSUMED_ROW
    assert plan.epochs(settings_of())[1].tokens == 500_000
