"""What was found in the rows of a mix -> the manifest's examples and counts: duplicates, contradictions, evaluation."""

from collections.abc import Sequence

from data_prep.mixing.config import Decontaminate
from data_prep.mixing.decontaminate import EvalRow
from data_prep.mixing.output import PartLines
from data_prep.mixing.part import PartReport
from data_prep.mixing.records import (
    CompetitionResult,
    ContaminationExample,
    ContradictoryInput,
    DuplicatePair,
    EvalSetResult,
    GivenAnswer,
)
from data_prep.mixing.rows import Pair
from data_prep.mixing.words import word_table
from oneday.page import shorten

SHOWN_CHARACTERS = 600
EXAMPLES = 10  # of contamination, for each evaluation set
SHOWN_ANSWERS = 5  # of an input with several


def duplicate(pair: Pair, lines: PartLines) -> DuplicatePair:
    """Both rows of a pair as the report shows them."""
    gone, kept = lines.example(pair.row), lines.example(pair.kept)
    return DuplicatePair(
        source=gone.source,
        id=gone.id,
        input=shorten(gone.input, SHOWN_CHARACTERS),
        kept_source=kept.source,
        kept_id=kept.id,
        kept_input=shorten(kept.input, SHOWN_CHARACTERS),
        similarity=pair.similarity,
    )


def contradiction(rows: Sequence[int], lines: PartLines) -> ContradictoryInput:
    """An input with several answers; each of `rows` gives another one."""
    examples = [lines.example(row) for row in rows[:SHOWN_ANSWERS]]
    return ContradictoryInput(
        task=examples[0].task,
        input=shorten(examples[0].input, SHOWN_CHARACTERS),
        answers=[
            GivenAnswer(source=row.source, id=row.id, answer=shorten(row.answer, SHOWN_CHARACTERS)) for row in examples
        ],
    )


def eval_sets(
    config: Decontaminate | None, reports: Sequence[PartReport], eval_rows: Sequence[EvalRow]
) -> list[EvalSetResult]:
    """What was found of each evaluation set, in the order of the recipe."""
    if config is None:
        return []
    results = []
    words = word_table([row.text for row in eval_rows]).counts
    for name in dict.fromkeys(row.eval_set for row in eval_rows):
        own = [number for number, row in enumerate(eval_rows) if row.eval_set == name]
        found = [report.contaminated[name] for report in reports if name in report.contaminated]
        examples: list[ContaminationExample] = [example for one in found for example in one.examples]
        results.append(
            EvalSetResult(
                name=name,
                rows=len(own),
                unchecked=int((words[own] < config.short_ngram).sum()),
                hit=len({number for one in found for number in one.hit}),
                dropped=sum(one.rows for one in found),
                examples=examples[:EXAMPLES],
            )
        )
    return results


def competition_sets(reports: Sequence[PartReport], rows: Sequence[EvalRow]) -> list[CompetitionResult]:
    """What was found of each set of a competition's rows, in the order of the recipe."""
    results = []
    for name in dict.fromkeys(row.eval_set for row in rows):
        found = [report.competition[name] for report in reports if name in report.competition]
        results.append(
            CompetitionResult(
                name=name,
                rows=sum(row.eval_set == name for row in rows),
                hit=len({number for one in found for number in one.hit}),
                dropped=sum(one.rows for one in found),
            )
        )
    return results
