"""A parent's tokenizer.json and texts -> a new tokenizer.json of the same kind, trained on these texts.

Normalizer, pre-tokenizer, decoder and post-processor are the parent's; so are its special tokens and the added tokens
that occur in the texts. All bytes stay, so that any text can be written. The ids are all new: added tokens first, then
bytes, characters and merges.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from compress.trimming.added_tokens import RESERVED, names_in
from compress.trimming.audit import unreachable
from compress.trimming.rewriting import rewrite_tokenizer
from compress.trimming.tokenizer_file import BYTE_FALLBACK, SPACE, TokenizerFile, byte_alphabet, tokenizer_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST = 2  # occurrences that a character or a merge needs: what is there once cannot be learnt from
# What SentencePiece keeps apart when it trains: letters, single digits, all else; a space goes with what follows it.
WORDS = "|".join(
    (
        rf"{SPACE}+(?={SPACE})",
        rf"{SPACE}?[\p{{L}}\p{{M}}]+",
        rf"{SPACE}?\p{{N}}",
        rf"{SPACE}?[^\p{{L}}\p{{M}}\p{{N}}{SPACE}]+",
        SPACE,
    )
)


def fresh_tokenizer(
    parent_tokenizer_json: dict[str, Any], texts: Iterable[str], vocabulary: int, keep: Collection[str] = ()
) -> dict[str, Any]:
    """The content of tokenizer.json of a new BPE tokenizer with exactly `vocabulary` tokens, trained on the texts.

    `keep` names added tokens that stay though no text has them. The texts are held in memory. ValueError if the parent
    is of another kind than BPE with bytes, or if the texts or `vocabulary` are too small; it says what would work.
    """
    file = tokenizer_file(parent_tokenizer_json)
    held = list(texts)
    added = _added_in_use(file, held, keep)
    first = [*added, *([file.unknown] if file.unknown and file.unknown not in added else [])]
    segments = list(_segments(held, added))
    trained = _trained(file, segments, first, vocabulary)
    content = rewrite_tokenizer(file, added, file.data.get("post_processor"))
    content["model"] = file.model | {"vocab": trained["vocab"], "merges": trained["merges"]}
    content |= {"truncation": None, "padding": None}
    left = unreachable(content)
    assert not left, f"trained tokens that no text can become: {left[:5]}"
    return content


def _added_in_use(file: TokenizerFile, texts: Sequence[str], keep: Collection[str]) -> list[str]:
    """The added tokens that stay, in the order of the parent's ids: special, named or in the texts."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import BPE

    finder = Tokenizer(BPE())  # it has no vocabulary, so that all it finds are added tokens
    finder.add_tokens([AddedToken(text, normalized=False) for text in file.added])
    found: set[str] = set()
    for start in range(0, len(texts), 1_000):
        for encoding in finder.encode_batch(list(texts[start : start + 1_000])):
            found.update(encoding.tokens)
    special = {text for text, token in file.added.items() if token.get("special") and not RESERVED.fullmatch(text)}
    stay = found | special | names_in({}, "", file) | set(keep)
    ordered = sorted(file.added.values(), key=lambda token: int(token["id"]))
    return [str(token["content"]) for token in ordered if token["content"] in stay]


def _segments(texts: Iterable[str], added: Collection[str]) -> Iterator[str]:
    """The texts between added tokens: what BPE gets to see."""
    if not added:
        yield from texts
        return
    longest_first = sorted(added, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(text) for text in longest_first))
    for text in texts:
        yield from filter(None, pattern.split(text))


def _trained(file: TokenizerFile, segments: Sequence[str], first: Sequence[str], vocabulary: int) -> dict[str, Any]:
    """The model of a tokenizer trained on the segments, the tokens `first` and the bytes in front."""
    from tokenizers.trainers import BpeTrainer

    blank = _untrained(file)
    reserved = [*first, *(() if file.byte_level else BYTE_FALLBACK)]
    alphabet = byte_alphabet() if file.byte_level else _characters(blank, segments)
    least = len({*reserved, *alphabet})
    if vocabulary < least:
        raise ValueError(
            f"vocabulary: {vocabulary:,} is too small: added tokens, bytes and the characters of the texts are "
            f"{least:,}; give {least:,} or more"
        )
    trainer = BpeTrainer(  # type: ignore[no-untyped-call]
        vocab_size=vocabulary,
        min_frequency=LEAST,
        special_tokens=reserved,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    blank.train_from_iterator(segments, trainer)
    model: dict[str, Any] = json.loads(blank.to_str())["model"]
    if (size := len(model["vocab"])) != vocabulary:
        raise ValueError(
            f"vocabulary: the texts give {size:,} tokens that occur {LEAST} times or more, and {vocabulary:,} are "
            f"asked for; give {size:,} or fewer, or more texts"
        )
    return model


def _untrained(file: TokenizerFile) -> "Tokenizer":
    """A tokenizer that prepares texts as the parent does and, for SentencePiece's kind, keeps words apart."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers

    model = file.model | {"vocab": {}, "merges": [], "unk_token": None}
    steps = dict.fromkeys(("truncation", "padding", "post_processor", "decoder"))
    blank = Tokenizer.from_str(json.dumps(file.data | steps | {"added_tokens": [], "model": model}))
    if not file.byte_level:
        words = pre_tokenizers.Split(Regex(WORDS), "isolated")
        own = [blank.pre_tokenizer] if blank.pre_tokenizer is not None else []
        blank.pre_tokenizer = pre_tokenizers.Sequence([*own, words])
    return blank


def _characters(blank: "Tokenizer", segments: Iterable[str]) -> list[str]:
    """The characters that occur often enough, with the mark of a space; others are written as bytes."""
    counts: Counter[str] = Counter()
    for segment in segments:
        counts.update(blank.normalizer.normalize_str(segment) if blank.normalizer is not None else segment)
    return sorted({SPACE, *(character for character, count in counts.items() if count >= LEAST and character != " ")})
