"""Macro F1 of labels, in statistics that can be added up, as those of eval.metrics.chrf."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.metrics.metric import Floats, Judged

LABELS = 3  # numbers of the challenge's labels: 0, 1, 2
NO_LABEL = -1  # an answer that is none of them
WIDTH = 3 * LABELS
MOST_LABELS = 512  # of a task: its statistics have three numbers a label and row, 120 MB for these and 10,000 rows


@dataclass(frozen=True)
class MacroF1:
    """Macro F1 where labels are texts: those that are a reference of any of the rows, surrounding space aside.

    A prediction that is none of them is wrong and no label of its own: a model that writes free text would otherwise
    add a label for each text. So it is scikit-learn's number for `labels=` the references' labels. Of several
    references the one that was predicted is the right label, else the first.
    """

    name: str = "macro_f1"
    title: str = "macro F1"
    higher_is_better: bool = True
    resampling_biases: bool = False

    def statistics(self, rows: Sequence[Judged]) -> Floats:
        """[rows, 3 * labels]. ValueError if the references have too many labels to be labels."""
        numbers: dict[str, int] = {}
        for row in rows:
            for reference in row.references:
                numbers.setdefault(reference.strip(), len(numbers))
        if len(numbers) > MOST_LABELS:
            raise ValueError(
                f"macro_f1: the references have {len(numbers)} different labels, at most {MOST_LABELS} are allowed; "
                "score free text by another metric, such as rouge_l"
            )
        answers = [numbers.get(row.prediction.strip(), NO_LABEL) for row in rows]
        right = [
            _right(answer, [numbers[text.strip()] for text in row.references])
            for answer, row in zip(answers, rows, strict=True)
        ]
        return f1_statistics(answers, right, len(numbers))

    def value(self, totals: Floats) -> Floats:
        """The macro F1 of each set, [..., 3 * labels] -> [...]."""
        return macro_f1(totals)


def _right(answer: int, references: list[int]) -> int:
    return answer if answer in references else references[0]


def f1_statistics(answers: Sequence[int], references: Sequence[int], labels: int = LABELS) -> Floats:
    """One row an answer, [answers, 3 * labels]: for each label whether it was answered, was right, and both.

    NO_LABEL is wrong whatever was right, and is no label of its own.
    """
    numbers = np.arange(labels)
    answered = np.asarray(answers, dtype=np.int64)[:, None] == numbers
    right = np.asarray(references, dtype=np.int64)[:, None] == numbers
    return np.stack([answered, right, answered & right], axis=-1).reshape(len(answers), 3 * labels).astype(np.float64)


def macro_f1(statistics: Floats) -> Floats:
    """The macro F1 of each set of answers, [...], of its summed statistics, [..., 3 * labels].

    The mean runs over the labels that occur, as answer or as reference, which is scikit-learn's rule where no labels
    are named: a label that occurs in neither does not count, one that is answered but never right counts 0.
    """
    counts = statistics.reshape(*statistics.shape[:-1], statistics.shape[-1] // 3, 3)
    occurring = counts[..., 0] + counts[..., 1]
    f1 = 2 * counts[..., 2] / np.maximum(occurring, 1)
    return np.asarray(f1.sum(axis=-1) / np.maximum((occurring > 0).sum(axis=-1), 1))


def majority(references: Sequence[int]) -> int:
    """The label that is most often right; of equals the lowest number."""
    return int(np.bincount(np.asarray(references, dtype=np.int64), minlength=LABELS).argmax())
