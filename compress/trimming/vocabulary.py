"""The two ways to a smaller vocabulary, each with its tokenizer and the rows that go with it.

Trimmed: tokens of the parent, with their own rows. Fresh: a tokenizer trained on the counted texts, whose rows are made
of the parent's.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compress.config import Trim
from compress.trimming.choosing import UNSEEN, new_order
from compress.trimming.counting import Counts
from compress.trimming.fresh import fresh_tokenizer
from compress.trimming.kept_tokens import choose, named
from compress.trimming.parent_files import Parent
from compress.trimming.rewriting import rewrite_processor, rewrite_tokenizer
from compress.trimming.tokenizer_file import tokenizer_file
from compress.trimming.transplant import rows_of, transplant

if TYPE_CHECKING:
    import torch

FRESH_DROP = "not special and in no text, or reserved"


@dataclass(frozen=True)
class Vocabulary:
    """A new vocabulary: `tokens` by their new ids, `content` of tokenizer.json, `rows` that makes new rows of old ones.

    `old_ids` are the parent's of the kept tokens, none for a fresh vocabulary; `reasons` counts tokens by the reason
    they are there, `dropped` has the parent's added tokens that are not.
    """

    tokens: list[str]
    content: dict[str, Any]
    rows: "Callable[[torch.Tensor], torch.Tensor]"
    old_ids: list[int] | None
    reasons: dict[str, int]
    dropped: dict[str, str]
    passed_over: int
    notes: list[str]


def trimmed_vocabulary(parent: Parent, counts: Counts, settings: Trim, post_processor: Any) -> Vocabulary:
    """The parent's tokens that the counts and settings keep. ValueError if the size is not possible."""
    import torch

    file = parent.tokenizer
    chosen, added = choose(parent, counts, settings)
    kept = new_order(file, chosen.reasons)
    old_ids = [file.ids[token] for token in kept]
    unseen = sum(reason == UNSEEN for reason in chosen.reasons.values())
    note = f"the texts have too few tokens for this size: {unseen:,} tokens that are in no text fill it up"
    return Vocabulary(
        tokens=kept,
        content=rewrite_tokenizer(file, kept, post_processor),
        rows=lambda tensor: tensor.index_select(0, torch.tensor(old_ids)),
        old_ids=old_ids,
        reasons=dict(Counter(chosen.reasons.values())),
        dropped=added.dropped,
        passed_over=chosen.skipped,
        notes=[note] if unseen else [],
    )


def fresh_vocabulary(parent: Parent, texts: Iterator[str], settings: Trim, post_processor: Any) -> Vocabulary:
    """A vocabulary trained on the texts and the kept ones. ValueError if the size is not possible."""
    file = parent.tokenizer
    assert settings.vocabulary is not None
    names = {file.tokens[number] for number in named(parent)}
    content = fresh_tokenizer(file.data, [*texts, *settings.keep], settings.vocabulary, names & file.added.keys())
    fresh = tokenizer_file(content)
    tokens = [fresh.tokens[number] for number in range(len(fresh.tokens))]
    if lost := sorted(names - set(tokens)):
        raise ValueError(
            f"{parent.folder}: its settings name the token {lost[0]!r}, which a fresh tokenizer does not have, as it "
            "is no added token; trim instead, with fresh: false"
        )
    made = transplant(file.data, content)
    return Vocabulary(
        tokens=tokens,
        content=content | {"post_processor": rewrite_processor(post_processor, fresh.ids)},
        rows=lambda tensor: rows_of(tensor, made),
        old_ids=None,
        reasons={"trained on the texts": len(tokens)},
        dropped=dict.fromkeys(sorted(file.added.keys() - set(tokens)), FRESH_DROP),
        passed_over=0,
        notes=[f"{made.copied:,} of {len(tokens):,} rows are the parent's own; the others are made of its rows"],
    )
