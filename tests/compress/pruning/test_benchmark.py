import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.prune import DEPTH_ROWS, HEADER, WIDTH_ROWS, Result, line, verdict
from benchmarks.prune_healing import load, load_data, slice_vocabulary
from compress.config import Prune
from tests.compress.pruning.tiny_architectures import save, settings

LOSSES = (6.0, 5.5, 3.2, 3.1, 3.0, 4.0, 2.2)  # random, scratch, importance twice, pca; first layers, block influence


def results(*losses: float) -> list[Result]:
    rows = [*WIDTH_ROWS, *DEPTH_ROWS]
    starts = [9.0] * 5 + [13.0, 4.0]
    return [
        Result(row.name, 1, start, loss, 5e-4, 60, 1.0, 1.0)
        for row, start, loss in zip(rows, starts, losses, strict=True)
    ]


def test_each_missed_margin_is_named() -> None:
    assert verdict(results(*LOSSES)) == []
    assert "0.50 nats below random, not 2.5" in verdict(results(3.5, *LOSSES[1:]))[0]
    assert "3.00, is not below training from scratch, 2.90" in verdict(results(6.0, 2.9, *LOSSES[2:]))[0]
    assert "block influence, 4.50, is not below the first layers, 4.00" in verdict(results(*LOSSES[:6], 4.5))[0]
    *others, last = results(*LOSSES)
    assert "starts 1.00 nats below the first layers, not 1.5" in verdict([*others, replace(last, before=12.0)])[0]


def test_a_line_stands_under_the_header() -> None:
    result = replace(results(*LOSSES)[0], name="start")
    assert len(line(result)) == len(HEADER)


def test_every_row_is_a_valid_recipe() -> None:
    calibration = settings().calibration
    for row in (*WIDTH_ROWS, *DEPTH_ROWS):
        if row.settings is not None:
            Prune.model_validate({"seed": 1, "calibration": calibration} | row.settings)


def test_the_vocabulary_is_cut_to_the_tokens_that_occur(tmp_path: Path, tiny_tokenizer: Any) -> None:
    for name, count in (("train", 200), ("test", 120)):
        rows = [{"question": f"How many are {number}?", "answer": f"{number} #### {number}"} for number in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = load_data(tmp_path, tiny_tokenizer, steps=60, batch=4, seed=1)
    assert (data.calibration.shape, data.evaluation.shape) == ((16, 128), (16, 128))
    assert int(data.healing.max()) < len(data.tokens) < len(tiny_tokenizer)
    source = save(tmp_path, "smollm", vocab_size=len(tiny_tokenizer))
    sliced = slice_vocabulary(source, tmp_path / "sliced", data.tokens)
    parent, model = load_file(source / "model.safetensors"), load(sliced)
    wanted = parent["model.embed_tokens.weight"][data.tokens]
    assert torch.equal(model.get_input_embeddings().weight, wanted)
    assert torch.equal(model.get_output_embeddings().weight, wanted)
