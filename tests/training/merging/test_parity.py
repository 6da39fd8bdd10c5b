"""The parity check: its measures on a toy model, the choice of the better merge, the table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tiny_mistral import make_tiny_mistral, write_rows
from eval.config import Bootstrap
from oneday.records import Example
from oneday.stage import StageError
from training.merging.parity import Row, agreement_sums, answer_log_probabilities, quantisation, read_examples, tokenise
from training.merging.parity_record import (
    Agreement,
    Estimate,
    ModelParity,
    Parity,
    choose,
    loss_difference,
    read_parity,
    table,
)

BOOTSTRAP = Bootstrap(resamples=2000, confidence=0.95, seed=0)


def example(question: str, answer: str) -> Example:
    return Example(question=question, answer=answer, source="s", task="t", id="i", input="x")


def test_a_loss_difference_weighs_rows_by_their_tokens_and_is_paired() -> None:
    one, other, tokens = np.array([10.0, 300.0]), np.array([9.0, 290.0]), np.array([1.0, 10.0])
    found = loss_difference(one, other, tokens, BOOTSTRAP)
    assert found.value == pytest.approx(11 / 11)
    assert (found.low, found.high) == (1, 1)  # both rows differ by 1 a token, so no draw of rows gives anything else


def test_the_interval_of_a_difference_covers_what_resampling_can_give() -> None:
    random = np.random.default_rng(1)
    gap = random.normal(0.1, 1, 400)
    found = loss_difference(gap, np.zeros(400), np.ones(400), BOOTSTRAP)
    half = 1.96 * gap.std() / 20  # the normal approximation of the mean's interval
    assert found.low == pytest.approx(gap.mean() - half, abs=0.02)
    assert found.high == pytest.approx(gap.mean() + half, abs=0.02)
    assert found == loss_difference(gap, np.zeros(400), np.ones(400), BOOTSTRAP)


@pytest.mark.parametrize(
    ("low", "high", "better", "words"),
    [
        (-0.2, -0.1, "full", "its answer loss is 0.1500 nats a token lower (95 % interval -0.2000 to -0.1000"),
        (0.1, 0.2, "nf4", "its answer loss is 0.1500 nats a token lower (95 % interval +0.1000 to +0.2000"),
        (-0.2, 0.5, "full", "it includes 0, so these rows do not show which is better); full precision is kept"),
        (0.0, 0.3, "full", "it includes 0, so these rows do not show which is better"),
    ],
)
def test_the_lower_loss_wins_only_where_the_interval_shows_it(low: float, high: float, better: str, words: str) -> None:
    chosen, reason = choose(Estimate(value=(low + high) / 2, low=low, high=high), 0.95)
    assert chosen == better
    assert words in reason


def test_a_single_merge_is_the_better_one() -> None:
    assert choose(None, 0.95) == ("full", "it is the only merge: the adapter was not trained on a 4-bit base")


def parity(**changes: Any) -> Parity:
    gap = Estimate(value=-0.02, low=-0.03, high=-0.01)
    fit = Agreement(kl=0.00012, max_difference=1.5, mean_difference=0.01, top1=0.985, same_text=0.75)
    models = [
        ModelParity(name="base_full", loss=3.5, above_trained=Estimate(value=1.5, low=1.25, high=1.75)),
        ModelParity(name="trained", loss=2.0),
        ModelParity(name="merged_full", loss=1.98, above_trained=gap, agreement=fit),
        ModelParity(name="merged_nf4", loss=2.0, above_trained=gap, agreement=fit),
    ]
    values: dict[str, Any] = {
        "made_from": "hash",
        "rows": 8,
        "answer_tokens": 1234,
        "new_tokens": 16,
        "device": "CPU",
        "dtype": "float32",
        "confidence": 0.95,
        "resamples": 100,
        "models": models,
        "full_minus_nf4": gap,
        "better": "full",
        "reason": "it is",
    }
    return Parity(**values | changes)


def test_the_table_marks_the_better_merge_and_no_other_row() -> None:
    lines = table(parity()).splitlines()
    assert [line for line in lines if " * " in line] == [line for line in lines if "merged into full precision" in line]
    assert "| merged into full precision * |      1.9800 | -0.0200 (-0.0300 to -0.0100) | 0.00012 |" in lines[4]
    assert "98.5 %" in lines[4]
    assert len({len(line) for line in lines[:6]}) == 1
    assert "1,234 answer tokens, 16 new tokens" in lines[-1]
    assert "merged into NF4 *" in table(parity(better="nf4"))


def test_a_record_is_read_back_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "parity.json").write_text(parity().model_dump_json())
    assert read_parity(tmp_path) == parity()
    (tmp_path / "parity.json").write_text("{}")
    with pytest.raises(ValueError, match=r"parity.json is damaged: made_from"):
        read_parity(tmp_path)


def test_the_first_rows_are_read_from_json_lines_and_from_parquet_alike(tmp_path: Path) -> None:
    import polars as pl

    write_rows(tmp_path, 1, 9)
    rows = [json.loads(line) for line in (tmp_path / "eval.jsonl").read_text().splitlines()]
    pl.DataFrame(rows).write_parquet(tmp_path / "eval.parquet")
    expected = [Example.model_validate(row) for row in rows[:3]]
    assert read_examples(tmp_path / "eval.jsonl", 3) == expected
    assert read_examples(tmp_path / "eval.parquet", 3) == expected
    assert len(read_examples(tmp_path / "eval.jsonl", 100)) == 9


def test_an_empty_evaluation_set_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text("")
    with pytest.raises(StageError, match=r"has no rows to compare the models on; raise mix.eval_share"):
        read_examples(tmp_path / "eval.jsonl", 3)


def test_rows_without_an_answer_are_left_out(tiny_tokenizer: Any) -> None:
    (row,) = tokenise([example("### Input:\n", "A"), example("### Input:\n", "")], tiny_tokenizer)
    assert row.answer_ids == [*tiny_tokenizer("A")["input_ids"], tiny_tokenizer.eos_token_id]


@pytest.mark.slow
def test_rows_are_tokenised_as_axolotl_tokenises_them(tiny_tokenizer: Any, tmp_path: Path) -> None:
    """Both with a tokenizer that begins every text with `<s>` and with one that does not."""
    from axolotl.prompt_strategies.user_defined import load
    from axolotl.utils.dict import DictDefault
    from transformers import AutoTokenizer

    recipe_type = {"system_prompt": "", "field_instruction": "question", "field_output": "answer"}
    recipe_type |= {"format": "{instruction}", "no_input_format": "{instruction}"}
    rows = [example("### Input:\n{x} of both\n\n### Response:\n", answer) for answer in ("A", "two words\n\nmore", "7")]
    for tokenizer in (AutoTokenizer.from_pretrained(make_tiny_mistral(tmp_path / "tiny")), tiny_tokenizer):
        cfg = DictDefault({"train_on_inputs": False, "sequence_len": 512})
        strategy = load(tokenizer, cfg, DictDefault({**recipe_type, "type": recipe_type}))
        for row, ours in zip(rows, tokenise(rows, tokenizer), strict=True):
            theirs = strategy.tokenize_prompt(row.model_dump())
            assert [*ours.prompt_ids, *ours.answer_ids] == theirs["input_ids"]
            assert ours.answer_ids == [label for label in theirs["labels"] if label != -100]


def test_the_log_probabilities_are_those_of_the_answers_positions(tiny_model_dir: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32).eval()
    row = Row("", [5, 6, 7, 8], [9, 10, 1])
    found = answer_log_probabilities(model, row)
    loss = model(torch.tensor([[5, 6, 7, 8, 9, 10, 1]]), labels=torch.tensor([[-100] * 4 + [9, 10, 1]])).loss
    assert found.shape == (3, model.config.vocab_size)
    assert -float(found[range(3), row.answer_ids].mean()) == pytest.approx(loss.item(), rel=1e-5)


def test_agreement_is_none_lost_on_equal_models_and_adds_up_by_hand_on_others() -> None:
    import torch

    one = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.7, 0.1]]))
    other = torch.log(torch.tensor([[0.25, 0.5, 0.25], [0.2, 0.7, 0.1]]))
    assert agreement_sums(one, one).tolist() == [0, 0, 0, 2]
    kl, mean, most, same = agreement_sums(one, other)
    assert kl == pytest.approx(0.25 * np.log(2))  # 0.5 log 2 - 0.25 log 2
    assert mean == pytest.approx(2 * np.log(2) / 3)
    assert (most, same) == (pytest.approx(np.log(2)), 1)


def test_the_base_is_quantised_as_axolotl_does_it_with_the_recipes_own_changes() -> None:
    qlora = {"adapter": "qlora", "load_in_4bit": True}
    plain: Any = quantisation(qlora)
    assert (plain.bnb_4bit_quant_type, plain.bnb_4bit_use_double_quant) == ("nf4", True)
    changed: Any = quantisation(qlora | {"bnb_config_kwargs": {"bnb_4bit_use_double_quant": False}})
    assert not changed.bnb_4bit_use_double_quant
    assert quantisation({"adapter": "lora"}) is None
    eight: Any = quantisation({"adapter": "lora", "load_in_8bit": True})
    assert eight.load_in_8bit
