"""What a freshly trained vocabulary is worth next to a trimmed one of the same size.

    python -m benchmarks.fresh_vocabulary MODEL COUNT_FILES... --held-out FILES... [--vocabulary 8192] [--steps 60]

A file is written PATH:FIELD, or PATH alone for plain text. The parent, its trimmed form and fresh vocabularies with
rows made in several ways -> a table: tokens a word, and loss on the held-out texts in bits a byte, untrained and after
the same steps of full fine-tuning on the same texts.
"""

import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from oneday.console import progress, quiet_libraries, run_command, typer_main
from oneday.machine import describe

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from compress.config import CorpusFile

HELP = """Compare a fresh vocabulary with a trimmed one of the same size, before and after training on the same texts.

A file is written PATH:FIELD, such as train.jsonl:translation.swa, or PATH alone for plain text. Both vocabularies are
made from the COUNT_FILES alone, and so is the training. The loss is in bits a byte, so that tokenizers can be compared;
each text is read behind the parent's beginning-of-sequence token.
"""
SEED = 17
PARENT, TRIMMED, FRESH = "parent", "trimmed", "fresh"


@dataclass(frozen=True)
class Line:
    """One line of the table. `loss` is before and `healed` after the training, both in bits a byte."""

    name: str
    tokens: int
    parameters: int
    tokens_a_word: float
    loss: float
    healed: float | None
    seconds: float


@dataclass(frozen=True)
class Candidate:
    """A model with its tokenizer; `start` is the id in front of every text."""

    name: str
    model: "PreTrainedModel"
    tokenizer: "Tokenizer"
    start: int

    def encode(self, text: str) -> list[int]:
        """The ids of a text, the start in front."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [self.start, *ids]


@dataclass(frozen=True)
class Training:
    """Steps of plain full fine-tuning: `texts` a step, Adam at a constant rate."""

    steps: int
    texts: int
    rate: float


def corpus_file(written: str, split: str = "count") -> "CorpusFile":
    """The entry that PATH:FIELD stands for."""
    from compress.config import CorpusFile

    path, _, field = written.partition(":")
    return CorpusFile(path=path, language="und", fields=[field] if field else [], split=split)


def texts_of(written: Iterable[str], longest: int) -> list[str]:
    """All texts of the files, each cut to `longest` characters, so that every tokenizer gets the same."""
    from compress.corpus import texts

    return [text.text[:longest] for text in texts([corpus_file(name) for name in written], None)]


def parent_candidate(folder: Path) -> Candidate:
    """The parent as it is."""
    return _loaded(folder, PARENT)


def trimmed_candidate(parent: Path, count_files: Sequence[str], vocabulary: int) -> Candidate:
    """The parent with the tokens that the counted texts use most, closed over merges."""
    from compress.config import Trim
    from compress.trimming.model import trim_model

    settings = Trim(corpus=[corpus_file(name) for name in count_files], vocabulary=vocabulary)
    with tempfile.TemporaryDirectory(prefix="fresh-vocabulary-") as folder:
        trim_model(parent, Path(folder) / "model", settings, None)
        return _loaded(Path(folder) / "model", TRIMMED)


def fresh_candidate(parent: Path, fresh: dict[str, Any], method: Any) -> Candidate:
    """The parent with the fresh tokenizer, its rows made by the method."""
    import torch
    from tokenizers import Tokenizer

    from compress.trimming.transplant import transplant_rows

    candidate = _loaded(parent, f"{FRESH}, {method}")
    old = json.loads((parent / "tokenizer.json").read_bytes())
    start = str(candidate.tokenizer.id_to_token(candidate.start))
    model = candidate.model
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = model.config.tie_word_embeddings
    with torch.no_grad():
        for layer in [embeddings] if tied else [embeddings, head]:
            layer.weight = torch.nn.Parameter(transplant_rows(layer.weight.detach(), old, fresh, method))
    if tied:
        head.weight = embeddings.weight
    model.config.vocab_size = len(embeddings.weight)
    tokenizer = Tokenizer.from_str(json.dumps(fresh))
    number = tokenizer.token_to_id(start)
    assert number is not None, f"the fresh tokenizer was told to keep {start!r}"
    return Candidate(candidate.name, model, tokenizer, number)


def _loaded(folder: Path, name: str) -> Candidate:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return Candidate(name, model, tokenizer.backend_tokenizer, start)


def loss_of(candidate: Candidate, texts: Sequence[str]) -> float:
    """The loss of the texts in bits a byte."""
    import torch

    nats = 0.0
    with torch.inference_mode():
        for text in texts:
            nats += float(_loss(candidate.model, candidate.encode(text), "sum"))
    size = sum(len(text.encode()) for text in texts)
    return nats / size / math.log(2)


def _loss(model: "PreTrainedModel", ids: list[int], reduction: str) -> "torch.Tensor":
    """The cross-entropy of one text in nats, of all ids but the first."""
    import torch

    row = torch.tensor([ids])
    logits = model(input_ids=row, use_cache=False).logits[0, :-1]
    return torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction=reduction)


def heal(candidate: Candidate, texts: Sequence[str], training: Training) -> None:
    """Train all weights; the texts of a step are the same for every candidate, and so is their weight by the byte."""
    import torch

    order = random.Random(SEED)
    chosen = [order.choices(texts, k=training.texts) for _ in range(training.steps)]
    optimiser = torch.optim.AdamW(candidate.model.parameters(), lr=training.rate, weight_decay=0.0)
    candidate.model.train()
    with progress(training.steps, candidate.name, "step") as bar:
        for step in chosen:
            size = sum(len(text.encode()) for text in step)
            for text in step:
                loss = _loss(candidate.model, candidate.encode(text), "sum") / size
                loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(candidate.model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            bar.update()
    candidate.model.eval()


def measured(candidate: Candidate, held_out: Sequence[str], counted: Sequence[str], training: Training) -> Line:
    """The candidate's line; the parent is not trained."""
    started = time.monotonic()
    tokens = sum(len(candidate.tokenizer.encode(text, add_special_tokens=False).ids) for text in held_out)
    loss = loss_of(candidate, held_out)
    healed = None
    if candidate.name != PARENT and training.steps:
        heal(candidate, counted, training)
        healed = loss_of(candidate, held_out)
    return Line(
        candidate.name,
        len(candidate.model.get_input_embeddings().weight),
        sum(parameter.numel() for parameter in candidate.model.parameters()),
        tokens / sum(len(text.split()) for text in held_out),
        loss,
        healed,
        time.monotonic() - started,
    )


def table(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table."""
    rows = [
        f"| {line.name} | {line.tokens:,} | {line.parameters / 1e6:.1f} | {line.tokens_a_word:.3f} | {line.loss:.3f} | "
        f"{'' if line.healed is None else f'{line.healed:.3f}'} | {line.seconds:.0f} |"
        for line in lines
    ]
    head = "| vocabulary | tokens | million parameters | tokens a word | bits a byte | after training | seconds |"
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])


def compare(
    parent: Path,
    count: Sequence[str],
    held_out: Sequence[str],
    vocabulary: int,
    methods: Sequence[str],
    training: Training,
    longest: int,
) -> list[Line]:
    """The lines of parent, trimmed and fresh; one model is in memory at a time.

    The vocabularies are made from whole texts; those for training and loss are cut to `longest` characters.
    """
    from compress.trimming.fresh import fresh_tokenizer

    texts = texts_of(held_out, longest), texts_of(count, longest)
    lines = [measured(parent_candidate(parent), *texts, training)]
    lines.append(measured(trimmed_candidate(parent, count, vocabulary), *texts, training))
    start = _loaded_start(parent)
    old = json.loads((parent / "tokenizer.json").read_bytes())
    fresh = fresh_tokenizer(old, texts_of(count, sys.maxsize), vocabulary, keep=[start])
    lines += [measured(fresh_candidate(parent, fresh, method), *texts, training) for method in methods]
    return lines


def _loaded_start(folder: Path) -> str:
    """The text of the token in front of every text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return str(tokenizer.bos_token or tokenizer.eos_token)


def main(argv: list[str] | None = None) -> int:
    """The command."""
    import typer

    def command(
        model: Annotated[Path, typer.Argument(help="The parent's folder.")],
        count: Annotated[list[str], typer.Argument(help="Texts that vocabularies and training are made from.")],
        held_out: Annotated[list[str], typer.Option(help="Texts that the loss is measured on; give it once a file.")],
        vocabulary: Annotated[int, typer.Option(help="Tokens of the small vocabularies.")] = 8192,
        methods: Annotated[str, typer.Option(help="How fresh rows are made, by commas.")] = "mean",
        steps: Annotated[int, typer.Option(min=0, help="Steps of training; 0 for none.")] = 60,
        texts: Annotated[int, typer.Option(min=1, help="Texts a step.")] = 4,
        rate: Annotated[float, typer.Option(help="Learning rate.")] = 2e-4,
        longest: Annotated[int, typer.Option(min=8, help="Characters of a text that are read.")] = 1024,
    ) -> int:
        def work() -> None:
            from compress.trimming.transplant import Method

            quiet_libraries()
            chosen = methods.split(",")
            if unknown := [name for name in chosen if name not in get_args(Method)]:
                raise ValueError(f"{unknown[0]}: no such method; allowed: {', '.join(get_args(Method))}")
            started = time.monotonic()
            lines = compare(model, count, held_out, vocabulary, chosen, Training(steps, texts, rate), longest)
            machine = ", ".join(f"{key} {value}" for key, value in describe().items())
            print(f"{table(lines)}\n\n{time.monotonic() - started:.0f} s; {machine}")

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
