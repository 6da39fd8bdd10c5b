"""What converters take of rows: texts, classes, pairs of sentences, ids; and what a row's text decides.

What is absent, or of no use, is Unusable by name.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

from data_prep.sources.example_source import Draft, Row, Unusable, text_of


def filled_text(row: Row, column: str) -> str:
    """The row's text in a column. Raises Unusable: missing_field (also where it is blank), wrong_type."""
    text = text_of(row, column)
    if not text.strip():
        raise Unusable("missing_field")
    return text


def own_id(row: Row, place: str, column: str = "id") -> str:
    """The row's place and its id (a text or a whole number) where it has one: train-17/ha_00017. No two rows share it.

    The id alone would not do: those of train and dev may be the same.
    """
    value = row.get(column)
    known = isinstance(value, int | str) and not isinstance(value, bool) and value != ""
    return f"{place}/{value}" if known else place


def class_of(row: Row, column: str, names: Sequence[str]) -> int:
    """The number of the row's class, which it gives as a number or by name. Raises Unusable, as `unknown_label`."""
    value: Any = row.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Unusable("missing_field")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unusable("wrong_type")
    numbers = {name: number for number, name in enumerate(names)} | {str(n): n for n in range(len(names))}
    number = numbers.get(str(value).strip().lower())
    if number is None:
        raise Unusable("unknown_label")
    return number


def pair_of(row: Row, source: str, target: str) -> tuple[str, str]:
    """A sentence and its translation: columns of these names, or keys in `translation`. Raises Unusable."""
    texts = row.get("translation", row)
    if texts is None:
        raise Unusable("missing_field")
    if not isinstance(texts, Mapping):
        raise Unusable("wrong_type")
    if target not in texts:
        raise Unusable("other_language" if "translation" in row else "missing_field")
    return filled_text(texts, source), text_of(texts, target)


def by_text(texts: Sequence[str], text: str) -> str:
    """One of the texts, each as often, as a row's own text decides: a row that is there twice has the same one.

    White space around it and the way a character is encoded (NFC) do not count.
    """
    return texts[int(share_of(normalize("NFC", text).strip()) * len(texts))]


def share_of(*texts: str) -> float:
    """A number from 0 up to 1 that the texts alone decide, evenly spread over rows."""
    content = "\0".join(texts).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=6).digest()) / 2**48


def composed(draft: Draft) -> Draft:
    """The draft with its texts in Unicode's normal form C."""
    instruction, text, answer = (normalize("NFC", value) for value in draft[:3])
    return draft._replace(instruction=instruction, input=text, answer=answer)
