"""Occurrences of the parent's tokens -> the tokens that stay, each with everything that BPE makes on the way to it.

What always stays: special and used added tokens, bytes, single characters, the tokens of the kept texts. The others
come by their count, the most frequent first. Merges are not chosen: all between kept tokens stay. The merges by which
the parent makes a kept token do so in the trimmed tokenizer, too: what comes first among all comes first among fewer.
"""

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compress.trimming.counting import Counts
from compress.trimming.tokenizer_file import TokenizerFile, byte_alphabet_of

UNSEEN = "in no text"
ASCII = string.printable[:95] + "\n\t"  # letters, digits, punctuation, space: what prompts and templates are made of


@dataclass
class Chosen:
    """The kept tokens, each with the reason that it came in by; `skipped` did not fit in with their derivations."""

    reasons: dict[str, str] = field(default_factory=dict)
    skipped: int = 0

    def add(self, tokens: Iterable[str], reason: str) -> None:
        """Keep tokens; those that are kept already stay what they are."""
        for token in tokens:
            self.reasons.setdefault(token, reason)


def single_characters(file: TokenizerFile, counts: Counts) -> Iterator[str]:
    """The tokens of one character: all of ASCII, its letters also behind the word mark, and the others that occur."""
    letters = {file.mark + letter for letter in string.ascii_letters}
    written = byte_alphabet_of if file.byte_level else lambda text: text.replace(" ", file.mark)
    always = {written(character) for character in ASCII} | letters | {file.mark}
    for token, number in file.pieces.items():
        if token in always or (counts[number] and _is_one_character(file.text_of(token))):
            yield token


def _is_one_character(text: str | None) -> bool:
    return text is not None and len(text.removeprefix(" ") or text) == 1


def always_kept(file: TokenizerFile, counts: Counts, used_ids: Iterable[int], kept_ids: Iterable[int]) -> Chosen:
    """What stays at any size: added tokens by `used_ids`, bytes, single characters, the tokens of the kept texts."""
    chosen = Chosen()
    for token in (file.tokens[number] for number in sorted(used_ids)):
        derivation: frozenset[str] | None = frozenset() if token in file.added else file.derivation(token)
        if derivation is None:
            raise ValueError(
                f"{file.path}: the model's settings name {token!r}, which no text can become and which is no added "
                "token; put it among added_tokens"
            )
        _keep(chosen, derivation, token, "special or used token")
    chosen.add([file.unknown] if file.unknown else [], "special or used token")
    chosen.add(sorted(file.byte_tokens), "byte")
    groups = (
        ("single character", [*single_characters(file, counts)]),
        ("kept text", [file.tokens[number] for number in sorted(kept_ids)]),
    )
    for reason, tokens in groups:
        for token in tokens:
            if not _is_dropped(file, token, chosen.reasons):
                _keep(chosen, file.derivation(token), token, reason)
    return chosen


def _is_dropped(file: TokenizerFile, token: str, kept: Mapping[str, str]) -> bool:
    """Whether it is an added token that is not among those that stay."""
    return token in file.added and token not in kept


def _keep(chosen: Chosen, derivation: frozenset[str] | None, token: str, reason: str) -> None:
    """Keep a token with its derivation, if it has one."""
    if derivation is not None:
        chosen.add((token,), reason)
        chosen.add(sorted(derivation), "derivation of a kept token")


def choose_by_count(file: TokenizerFile, counts: Counts, chosen: Chosen, least: int) -> Chosen:
    """Add all tokens that occur at least `least` times."""
    for token, count in by_count(file, counts):
        if count < least:
            break
        _keep(chosen, file.derivation(token), token, "count")
    return chosen


def choose_by_size(file: TokenizerFile, counts: Counts, chosen: Chosen, size: int) -> Chosen:
    """Add tokens by their count until there are exactly `size`.

    A token that does not fit with its derivation is passed over. If the texts have too few tokens, others follow: first
    those of characters that the texts hold, which a language's rarer words and names are made of. ValueError says the
    least possible size, or the largest.
    """
    if len(chosen.reasons) > size:
        raise ValueError(
            f"vocabulary: {size:,} tokens are too few; the least possible is {len(chosen.reasons):,}: "
            f"{summary(chosen)}; give a larger number, or less to keep"
        )
    for token, _ in by_count(file, counts):
        if len(chosen.reasons) == size:
            return chosen
        chosen.skipped += not _keep_if_fits(file, chosen, token, size, "count")
    for token in unseen(file, counts):
        if len(chosen.reasons) == size:
            return chosen
        _keep_if_fits(file, chosen, token, size, UNSEEN)
    if len(chosen.reasons) < size:
        raise ValueError(
            f"vocabulary: {size:,} tokens cannot be kept; {file.path} has {len(chosen.reasons):,} that any text can "
            "become, besides unused added ones; give that or a smaller number"
        )
    return chosen


def _keep_if_fits(file: TokenizerFile, chosen: Chosen, token: str, size: int, reason: str) -> bool:
    """Keep a token if it and its derivation do not exceed the size; False if they do."""
    if token in chosen.reasons:
        return True
    derivation = file.derivation(token)
    if derivation is None:
        return True
    if len(chosen.reasons) + len(derivation - chosen.reasons.keys()) > size:
        return False
    _keep(chosen, derivation, token, reason)
    return True


def by_count(file: TokenizerFile, counts: Counts) -> list[tuple[str, int]]:
    """The tokens that occur, most frequent first, equal ones by id; no added tokens, which are kept or dropped."""
    seen = [(int(counts[number]), number) for number in counts.nonzero()[0].tolist() if number in file.tokens]
    ordered = sorted(seen, key=lambda entry: (-entry[0], entry[1]))
    return [(token, count) for count, number in ordered if (token := file.tokens[number]) not in file.added]


def unseen(file: TokenizerFile, counts: Counts) -> list[str]:
    """All tokens by rank, those made of the texts' characters alone before the others."""
    occurring = (file.text_of(file.tokens[number]) for number in counts.nonzero()[0].tolist() if number in file.tokens)
    known = {character for text in occurring for character in text or ""}

    def foreign(token: str) -> bool:
        text = file.text_of(token)
        return text is None or not known.issuperset(text)

    return sorted(by_rank(file), key=foreign)  # a stable sort: by rank among equals


def by_rank(file: TokenizerFile) -> Iterator[str]:
    """All tokens that merges make, in their order, then characters that none makes."""
    yield from dict.fromkeys(token for left, right in file.pairs if (token := left + right) not in file.added)
    yield from (token for token in file.pieces if len(token) == 1 and token not in file.added)


def summary(chosen: Chosen) -> str:
    """How many tokens stay for which reason."""
    counts: dict[str, int] = {}
    for reason in chosen.reasons.values():
        counts[reason] = counts.get(reason, 0) + 1
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def new_order(file: TokenizerFile, kept: Iterable[str]) -> list[str]:
    """The kept tokens in the order of their new ids: the parent's, those outside of the model's vocabulary last.

    `tokenizers` numbers added tokens that the model does not hold after all others.
    """
    return sorted(kept, key=lambda token: (token not in file.pieces, file.ids[token]))
