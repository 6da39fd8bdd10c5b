"""The rule of `Decontaminate` in plain Python, word by word, for comparison."""

from collections import Counter
from collections.abc import Sequence

from data_prep.mixing.config import Decontaminate, HeldOutSet
from data_prep.mixing.decontaminate import EvalRow
from data_prep.mixing.words import words_of

Words = tuple[str, ...]


def rule(ngram: int = 13, short_ngram: int = 8, max_eval_rows: int = 10) -> Decontaminate:
    """The settings with these numbers."""
    return Decontaminate(
        ngram=ngram,
        short_ngram=short_ngram,
        max_eval_rows=max_eval_rows,
        eval_sets=[HeldOutSet(source="held_out")],
    )


def runs(words: Words, length: int) -> set[Words]:
    """All runs of so many words."""
    return {words[start : start + length] for start in range(len(words) - length + 1)}


def holed(words: Words) -> list[Words]:
    """The words with each one of them left blank in turn."""
    return [(*words[:hole], "", *words[hole + 1 :]) for hole in range(len(words))]


def contaminated(
    eval_rows: Sequence[EvalRow], texts: Sequence[str], inputs: Sequence[str], config: Decontaminate
) -> set[tuple[int, int]]:
    """The pairs of training row and evaluation row that must be found."""
    evals = [tuple(words) for words in words_of([row.text for row in eval_rows]).to_list()]
    held: Counter[Words] = Counter()
    for words in set(evals):
        held.update(set.union(runs(words, config.ngram), runs(words, config.short_ngram), holed(words)))
    templates = {run for run, count in held.items() if count > config.max_eval_rows}
    found = set()
    for row, (text, input_) in enumerate(zip(words_of(texts).to_list(), words_of(inputs).to_list(), strict=True)):
        for number, words in enumerate(evals):
            if holds(tuple(text), tuple(input_), words, config, templates):
                found.add((row, number))
    return found


def holds(text: Words, input_: Words, words: Words, config: Decontaminate, templates: set[Words]) -> bool:
    """Whether a row holds a part of an evaluation text."""
    size, short = len(words), config.short_ngram
    if size < short:
        return size > 0 and input_ == words
    length = config.ngram if size > 2 * config.ngram else short
    if (runs(words, length) & runs(text, length)) - templates:
        return True
    if size > 2 * short:
        return False
    return any(window == words or set(holed(window)) & set(holed(words)) - templates for window in runs(text, size))
