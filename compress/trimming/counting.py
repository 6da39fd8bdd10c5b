"""Texts -> how often each token occurs in each language, and how well a tokenizer writes them. One pass, in batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.corpus import Text
from oneday.console import progress

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BATCH_TEXTS, BATCH_CHARACTERS = 1_000, 2**20
Group = tuple[str, str]  # a language and a split
Counts = NDArray[np.int64]


@dataclass
class Measure:
    """Sums over the texts of one language and split. `whole` texts are the same after encoding and decoding."""

    texts: int = 0
    words: int = 0
    bytes: int = 0
    tokens: int = 0
    whole: int = 0


@dataclass
class Measured:
    """What one pass found: the sums by group, and the tokens' occurrences by language, of counted texts alone."""

    groups: dict[Group, Measure] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)

    def total(self, size: int) -> Counts:
        """The occurrences in all languages; an array of `size` tokens."""
        return sum(self.counts.values(), np.zeros(size, np.int64))


def measure(tokenizer: "Tokenizer", texts: Iterable[Text], size: int, label: str) -> Measured:
    """Encode and decode all texts, without special tokens around them; `size` is above the largest id.

    Raises ValueError if there is no counted text.
    """
    found = Measured()
    with progress(0, label, "text") as bar:  # how many there are is not known before the end
        for group, batch in _batches(texts):
            _add(found, tokenizer, group, batch, size)
            bar.update(len(batch))
    if not found.counts:
        raise ValueError("corpus: no text was found in the files with split: count; name files that hold texts")
    return found


def _add(found: Measured, tokenizer: "Tokenizer", group: Group, batch: list[str], size: int) -> None:
    """Add one batch of one group."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
    decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
    sums = found.groups.setdefault(group, Measure())
    sums.texts += len(batch)
    sums.words += sum(len(text.split()) for text in batch)
    sums.bytes += sum(len(text.encode("utf-8", "surrogatepass")) for text in batch)
    sums.tokens += sum(map(len, ids))
    sums.whole += sum(map(_same, decoded, batch))
    language, split = group
    if split == "count":
        seen = np.bincount(np.concatenate([np.asarray(row, np.int64) for row in ids]), minlength=size)
        found.counts[language] = found.counts.get(language, np.zeros(size, np.int64)) + seen


def _same(one: Any, other: Any) -> bool:
    return bool(one == other)


def _batches(texts: Iterable[Text]) -> Iterator[tuple[Group, list[str]]]:
    """The texts in batches of one group each."""
    batch: list[str] = []
    characters = 0
    group: Group = ("", "")
    for text in texts:
        full = len(batch) >= BATCH_TEXTS or characters >= BATCH_CHARACTERS
        if batch and (full or group != (text.language, text.split)):
            yield group, batch
            batch, characters = [], 0
        group = text.language, text.split
        batch.append(text.text)
        characters += len(text.text)
    if batch:
        yield group, batch
