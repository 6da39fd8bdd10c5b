"""The instructions of the challenge's tasks, as a recipe's data file has them for training: a row is asked alike."""

from collections.abc import Iterator
from unicodedata import normalize

from data_prep.mixing.config import Mix
from data_prep.sources.mix_config import (
    AfriSenti,
    InkubaInstruct,
    Mafand,
    MixSource,
    Ntrex,
    Wmt22African,
    Xnli,
)
from eval.competition_files import CompetitionRow
from eval.questions import Question
from oneday.buzuzu_mavi import Language, TaskKind
from oneday.prompt import build_prompt


def questions(rows: list[CompetitionRow], mix: Mix, preamble: str) -> list[Question]:
    """The rows as questions with whole prompts. ValueError if the recipe trains no such task."""
    return [
        Question(kind=row.kind, language=row.language, id=row.id, prompt=prompt_of(row, mix, preamble)) for row in rows
    ]


def prompt_of(row: CompetitionRow, mix: Mix, preamble: str) -> str:
    """The prompt of a row, in Unicode's normal form C as in training; the files' own texts are in it already."""
    return build_prompt(preamble, normalize("NFC", instruction_of(row, mix)), row.text)


def instruction_of(row: CompetitionRow, mix: Mix) -> str:
    """The row's own instruction where training keeps those of its rows; else the first that training has.

    That is: sentiment of a recipe with Inkuba-Instruct has the file's instructions, with its replacements. For all
    other tasks, and where the file has none, the instruction of the recipe takes their place. A recipe that trains
    entailment in one language asks in the other by the same instruction, because the labels are the same.
    """
    known = [source for source in mix.sources if _task_of(source) == (row.kind, row.language)]
    if not known and row.kind == "entailment":
        known = [source for source in mix.sources if isinstance(source, Xnli)]
    if not known:
        raise ValueError(
            f"{row.place}: a row of {row.kind} in {row.language}, but mix.sources has no source of that task, so there "
            "is no instruction for it; submit with a recipe that trains it"
        )
    own = row.instruction
    if row.kind == "sentiment" and own.strip():
        for source in known:
            if isinstance(source, InkubaInstruct):
                for old, new in source.replace.items():
                    own = own.replace(old, new)
                return own
    instructions = [text for source in known for text in _instructions(source)]
    return own if row.kind == "sentiment" and own.strip() in instructions else instructions[0]


def _task_of(source: MixSource) -> tuple[TaskKind, Language] | None:
    """What a source trains; None if it is none of the challenge's tasks."""
    if isinstance(source, InkubaInstruct):
        return source.task, source.language
    if isinstance(source, AfriSenti):
        return "sentiment", source.language
    if isinstance(source, Xnli):
        return "entailment", source.language
    if isinstance(source, Mafand | Wmt22African | Ntrex):
        return "translation", source.language
    return None


def _instructions(source: MixSource) -> Iterator[str]:
    if isinstance(source, InkubaInstruct | AfriSenti):
        yield from source.instructions
    elif isinstance(source, Xnli | Mafand | Wmt22African | Ntrex):
        yield source.instruction
