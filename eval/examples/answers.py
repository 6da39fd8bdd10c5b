"""A model's answers to examples: an option by log-likelihood, or a text by greedy decoding.

The options of a row go on from its prompt, which is read once; what the prompts of a task begin with alike, once for
all. Each batch is journaled, so that a run which is killed goes on where it stopped. A prompt that is too long for
the model's context is cut on the left.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from eval.examples.prompt_tokens import Seam, cut_to, option_tokens, text_tokens
from eval.examples.row import AnsweredRow, ExampleRow
from eval.label_choice import log_likelihoods
from oneday.console import progress
from postprocess.cases import RuleSet
from postprocess.chain import apply_rules
from serve.batch import BLANK_LINE, Group, answer_groups, journaled_answers

if TYPE_CHECKING:
    from serve.transformers_engine import TransformersEngine

Length = Literal["none", "tokens", "characters", "bytes"]
NO_RULES = RuleSet(default=())
JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Answering:
    """How rows are answered.

    `max_new_tokens`, `stop` and `rules` are for texts: what ends one (empty: nothing), what cleans it, by the task's
    name. `length` is what an option's log-likelihood is divided by, the delimiter not counted; `delimiter` and `seam`
    see `eval.examples.prompt_tokens.option_tokens`.
    """

    max_new_tokens: int = 64
    stop: str = BLANK_LINE
    rules: RuleSet = NO_RULES
    length: Length = "none"
    delimiter: str | None = None
    seam: Seam = "joint"


class Reply(BaseModel):
    """What a model said to one row, as the journal keeps it. `cut` is how many of the prompt's tokens were left out."""

    model_config = ConfigDict(frozen=True)

    text: str = ""
    log_likelihoods: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    cut: int = 0


@dataclass(frozen=True)
class ExampleEngine:
    """An engine (serve.engine) for the rows of one task, whose text for a prompt is a `Reply` as JSON."""

    engine: "TransformersEngine"
    rows: Sequence[ExampleRow]
    answering: Answering

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; `prompts` are those of the rows."""
        replies = self._choices if self.rows[0].options else self._texts
        for batch in replies(done):
            yield [(position, reply.model_dump_json()) for position, reply in batch]

    def _texts(self, done: Collection[int]) -> Iterator[list[tuple[int, Reply]]]:
        new = self.answering.max_new_tokens
        whole = [text_tokens(self.engine.tokenizer, row.prompt) for row in self.rows]
        tokens = [cut_to(own, self._context() - new) for own in whole]
        for batch in self.engine.token_batches(tokens, new, done):
            texts = self.engine.texts(batch, new, self.answering.stop)
            yield [
                (position, Reply(text=text, cut=len(whole[position]) - len(tokens[position])))
                for position, text in zip(batch.positions, texts, strict=True)
            ]

    def _choices(self, done: Collection[int]) -> Iterator[list[tuple[int, Reply]]]:
        how = self.answering
        found = [
            option_tokens(self.engine.tokenizer, row.prompt, row.options, how.delimiter, how.seam) for row in self.rows
        ]
        # The last token of an option is not read, so that one more than the context fits, as in lm_eval.
        prompts = [cut_to(own.prompt, self._context() + 1 - own.longest) for own in found]
        for batch in self.engine.token_batches(prompts, max(own.longest for own in found), done):
            scores = log_likelihoods(self.engine, batch, [found[position].options for position in batch.positions])
            if not all(own.isfinite().all() for own in scores):
                raise ValueError("the model's log-probabilities are not finite: its weights are damaged")
            yield [
                (
                    position,
                    Reply(
                        log_likelihoods=tuple(own.tolist()),
                        tokens=tuple(map(len, found[position].options)),
                        cut=len(found[position].prompt) - len(prompts[position]),
                    ),
                )
                for position, own in zip(batch.positions, scores, strict=True)
            ]

    def _context(self) -> int:
        """The most tokens of prompt and answer; no limit if the model's configuration names none."""
        config = self.engine.model.config.get_text_config()
        return getattr(config, "max_position_embeddings", None) or sys.maxsize


def answer_rows(
    rows: Sequence[ExampleRow],
    load_engine: "Callable[[], TransformersEngine]",
    answering: Answering,
    journals: Path,
    label: str,
) -> list[AnsweredRow]:
    """The rows with their answers, in the same order, not yet scored.

    `load_engine` is called once, and only if something is left to do. `journals` is a folder for these rows, this model
    and this `answering` alone; `label` is what the progress bar says. ValueError if an option has no tokens, or if a
    task has rows with and without options.
    """
    tasks = by_task(rows)
    groups = [
        Group(task, [row.id for row in own], [row.prompt for row in own], answering.max_new_tokens, answering.stop)
        for task, own in tasks.items()
    ]
    journal = journals / JOURNAL
    loaded = cache(load_engine)
    texts = journaled_answers(groups, journal)
    with progress(len(rows), label, "row", len(texts)) as bar:
        for group in groups:

            def engine(own: Sequence[ExampleRow] = tasks[group.name]) -> ExampleEngine:
                return ExampleEngine(loaded(), own, answering)

            own = {key: text for key, text in texts.items() if key[0] == group.name}
            texts |= answer_groups([group], own, engine, journal, bar.update)
    return [answered_row(row, Reply.model_validate_json(texts[row.key]), answering) for row in rows]


def by_task(rows: Sequence[ExampleRow]) -> dict[str, list[ExampleRow]]:
    """The rows of each task, tasks in the order of names. ValueError if some of a task's rows alone have options."""
    tasks: dict[str, list[ExampleRow]] = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    for task, own in tasks.items():
        if len({bool(row.options) for row in own}) > 1:
            raise ValueError(f"task {task} has rows with options and rows without; give them tasks of their own")
    return dict(sorted(tasks.items()))


def answered_row(row: ExampleRow, reply: Reply, answering: Answering) -> AnsweredRow:
    """The row with what the reply comes to; of options that are equally likely the first."""
    if not row.options:
        text = apply_rules(reply.text, answering.rules.for_task(row.task).rules)
        return AnsweredRow(row=row, raw=reply.text, prediction=text, prompt_tokens_cut=reply.cut)
    scores = option_scores(row.options, reply.log_likelihoods, reply.tokens, answering.length)
    chosen = scores.index(max(scores))
    return AnsweredRow(
        row=row,
        raw=row.options[chosen],
        prediction=row.options[chosen],
        option_log_likelihoods=reply.log_likelihoods,
        option_tokens=reply.tokens,
        option_scores=scores,
        confidence=shares(scores)[chosen],
        prompt_tokens_cut=reply.cut,
    )


def option_scores(
    options: Sequence[str], log_likelihoods: Sequence[float], tokens: Sequence[int], length: Length
) -> tuple[float, ...]:
    """Each option's log-likelihood divided by its length; lm_eval's acc is of `none`, its acc_norm of `characters`.

    Its acc_bytes is of `bytes`.
    """
    sizes = {
        "none": [1] * len(options),
        "tokens": tokens,
        "characters": list(map(len, options)),
        "bytes": [len(option.encode()) for option in options],
    }[length]
    return tuple(score / size for score, size in zip(log_likelihoods, sizes, strict=True))


def shares(scores: Sequence[float]) -> list[float]:
    """The softmax of the scores."""
    import numpy as np

    logs = np.asarray(scores, dtype=np.float64)
    probabilities: list[float] = np.exp(logs - np.logaddexp.reduce(logs)).tolist()
    return probabilities
