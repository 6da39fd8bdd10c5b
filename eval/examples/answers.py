"""A model's answers to examples: an option by log-likelihood, or a text by greedy decoding.

The options of a row go on from its prompt, which is read once; what the prompts of a task begin with alike, once for
all. Each batch is journaled, so that a run which is killed goes on where it stopped. A prompt that is too long for
the model's context is cut on the left, for options as lm-evaluation-harness cuts it.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from eval.examples.prompt_tokens import OptionTokens, Seam, cut_to, option_tokens, text_tokens
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
    """What a model said to one row, as the journal keeps it.

    `cut` is how many of the prompt's tokens were left out, for its longest option.
    """

    model_config = ConfigDict(frozen=True)

    text: str = ""
    log_likelihoods: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    cut: int = 0


@dataclass(frozen=True)
class Part:
    """Some of a row's options by their places, behind as much of its prompt as the model's context has room for."""

    position: int
    places: Sequence[int]
    prompt: list[int]


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
        found = [self._tokens(row) for row in self.rows]
        parts = [part for position, own in enumerate(found) for part in parts_of(position, own, self._context() + 1)]
        scores: dict[int, dict[int, float]] = {}  # of each row's options by their places
        answered = {number for number, part in enumerate(parts) if part.position in done}
        longest = max(own.longest for own in found)
        for batch in self.engine.token_batches([part.prompt for part in parts], longest, answered):
            own = [parts[number] for number in batch.positions]
            options = [[found[part.position].options[place] for place in part.places] for part in own]
            for part, values in zip(own, log_likelihoods(self.engine, batch, options), strict=True):
                if not values.isfinite().all():
                    told = f"row {self.rows[part.position].id}: the model's log-probabilities are not finite"
                    raise ValueError(f"{told}: its weights are damaged")
                scores.setdefault(part.position, {}).update(zip(part.places, values.tolist(), strict=True))
            whole = {part.position for part in own if len(scores[part.position]) == len(found[part.position].options)}
            yield [(position, self._reply(found[position], scores[position])) for position in sorted(whole - set(done))]

    def _tokens(self, row: ExampleRow) -> OptionTokens:
        how = self.answering
        try:
            return option_tokens(self.engine.tokenizer, row.prompt, row.options, how.delimiter, how.seam)
        except ValueError as error:
            raise ValueError(f"row {row.id}: {error}") from error

    def _reply(self, found: OptionTokens, scores: Mapping[int, float]) -> Reply:
        return Reply(
            log_likelihoods=tuple(scores[place] for place in range(len(found.options))),
            tokens=tuple(map(len, found.options)),
            cut=max(0, len(found.prompt) + found.longest - self._context() - 1),
        )

    def _context(self) -> int:
        """The most tokens of prompt and answer; no limit if the model's configuration names none."""
        config = self.engine.model.config.get_text_config()
        return getattr(config, "max_position_embeddings", None) or sys.maxsize


def parts_of(position: int, found: OptionTokens, room: int) -> list[Part]:
    """The row's options with its whole prompt where all of them fit into `room` tokens; else each cut by itself.

    Each option then follows as much of the prompt as it leaves room for, as in lm_eval; those of one length together.
    `room` is one more than the context, for the last token of an option is not read.
    """
    if len(found.prompt) + found.longest <= room:
        return [Part(position, range(len(found.options)), found.prompt)]
    places: dict[int, list[int]] = {}
    for place, tokens in enumerate(found.options):
        places.setdefault(len(tokens), []).append(place)
    return [Part(position, own, cut_to(found.prompt, room - length)) for length, own in places.items()]


def answer_rows(
    rows: Sequence[ExampleRow],
    load_engine: "Callable[[], TransformersEngine]",
    answering: Answering,
    journals: Path,
    label: str,
) -> list[AnsweredRow]:
    """The rows with their answers, in the same order, not yet scored.

    `load_engine` is called once, and only if something is left to do. `journals` is a folder for these rows, this model
    and this `answering` alone; `label` is what the progress bar says. ValueError if an option has no tokens, if a task
    has rows with and without options, or if two rows have one key.
    """
    if twice := [key for key, count in Counter(row.key for row in rows).items() if count > 1]:
        raise ValueError(f"{'/'.join(twice[0])} names two rows; give each row of a task an id of its own")
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
    """The row with what the reply comes to: a text up to the first stop, after the rules, or the likeliest option.

    Of options that are equally likely it is the first.
    """
    if not row.options:
        said = reply.text.partition(answering.stop)[0] if answering.stop else reply.text
        text = apply_rules(said, answering.rules.for_task(row.task).rules)
        return AnsweredRow(row=row, raw=reply.text, prediction=text, prompt_tokens_cut=reply.cut)
    answered = AnsweredRow(
        row=row,
        raw="",
        prediction="",
        option_log_likelihoods=reply.log_likelihoods,
        option_tokens=reply.tokens,
        prompt_tokens_cut=reply.cut,
    )
    return chosen(answered, answering.length)


def chosen(answered: AnsweredRow, length: Length) -> AnsweredRow:
    """An answered row with options, with the option that its log-likelihoods choose when divided by this length."""
    options = answered.row.options
    scores = option_scores(options, answered.option_log_likelihoods, answered.option_tokens, length)
    best = scores.index(max(scores))
    choice = {"raw": options[best], "prediction": options[best], "confidence": shares(scores)[best]}
    return answered.model_copy(update={**choice, "option_scores": scores})


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
