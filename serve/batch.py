"""Answer many prompts with an engine, so that a run which is killed goes on where it stopped.

Each finished batch is appended to a journal; at most the batch in work is lost. Lines of the journal that cannot
be read (a write cut off, a damaged disk) are named, left out, and their prompts answered again.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from oneday.console import progress
from oneday.files import parse_line
from serve.engine import Engine

BLANK_LINE = "\n\n"
Answers = Mapping[tuple[str, str], str]  # (group name, id) -> generated text


@dataclass(frozen=True)
class Group:
    """Prompts that share their beginning (one task's), with an id for each. `stop` ends a text; empty: nothing does."""

    name: str
    ids: Sequence[str]
    prompts: Sequence[str]
    max_new_tokens: int
    stop: str = BLANK_LINE


class Answer(BaseModel):
    """A line of the journal."""

    group: str
    id: str
    text: str


def answer_all(
    groups: Sequence[Group], load_engine: Callable[[], Engine], journal: Path, label: str
) -> dict[tuple[str, str], str]:
    """The text generated for each (group name, id), behind a progress bar; see `answer_groups`."""
    answers = journaled_answers(groups, journal)
    with progress(sum(len(group.ids) for group in groups), label, "row", len(answers)) as bar:
        return answer_groups(groups, answers, load_engine, journal, bar.update)


def answer_groups(
    groups: Sequence[Group],
    answered: Answers,
    load_engine: Callable[[], Engine],
    journal: Path,
    advance: Callable[[int], object],
) -> dict[tuple[str, str], str]:
    """The text generated for each (group name, id); the engine is loaded only if something is left to do.

    `answered` is what the journal holds already; `advance` is told how many prompts each batch has answered.
    """
    answers = dict(answered)
    if len(answers) == sum(len(group.ids) for group in groups):
        return answers
    engine = load_engine()
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as file:
        for group in groups:
            done = {position for position, id in enumerate(group.ids) if (group.name, id) in answers}
            if len(done) == len(group.ids):
                continue
            for batch in _named(group, engine.generate(group.prompts, group.max_new_tokens, group.stop, done)):
                lines = [Answer(group=group.name, id=group.ids[position], text=text) for position, text in batch]
                file.write("".join(line.model_dump_json() + "\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
                advance(sum((line.group, line.id) not in answers for line in lines))
                answers |= {(line.group, line.id): line.text for line in lines}
    return answers


def _named(group: Group, batches: Iterator[list[tuple[int, str]]]) -> Iterator[list[tuple[int, str]]]:
    """The batches; an error that a prompt causes is told with the group's name and its ids."""
    try:
        yield from batches
    except ValueError as error:
        raise ValueError(f"{group.name} ({len(group.ids)} prompts, ids from {group.ids[0]}): {error}") from error


def journaled_answers(groups: Sequence[Group], journal: Path) -> dict[tuple[str, str], str]:
    """The answers to these groups that an earlier attempt has left in the journal."""
    wanted = {(group.name, id) for group in groups for id in group.ids}
    answers = {(line.group, line.id): line.text for line in _read_journal(journal)}
    return {key: text for key, text in answers.items() if key in wanted}


def _read_journal(path: Path) -> list[Answer]:
    """The readable lines; the file is cut back to its last line break, so that appending goes on cleanly."""
    if not path.is_file():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    answers = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            answers.append(parse_line(path, number, line, Answer))
        except ValueError as error:
            print(f"Warning: {error}; its prompt is answered again", file=sys.stderr)
    return answers
