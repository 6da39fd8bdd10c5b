"""A tokenizer of exactly the wanted size that is built like InkubaLM's: SentencePiece-style byte-pair pieces.

Texts (made up, unless some are given) -> tokenizer.json, tokenizer_config.json, special_tokens_map.json. As in a
conversion from SentencePiece, a piece has a merge for each way to split it into two pieces. No piece is unreachable.
"""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneday.files import write_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIALS = ("<unk>", "<s>", "</s>")
BYTES = tuple(f"<0x{number:02X}>" for number in range(256))
SPACE = "▁"
CHARACTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    ".,:;!?'\"()[]{}<>+-*/=_%&#@$\\|~^`"
    "ɓɗƙƴƁƊƘƳáàéèíìóòúùâêîôûñŋẹọṣ“”\u2013\u2019"  # the last two: dash and apostrophe
)
SMALLEST = len(SPECIALS) + len(BYTES) + len(CHARACTERS) + 2  # the space, and one piece
ONSETS = (*"bdfghjklmnprstvwyzƙɗɓ", "ch", "sh", "ng", "nd", "mb", "mw", "kw", "th", "dh", "gh", "ny", "nj", "ts")
NUCLEI = (*"aeiouaiu", "aa", "ai", "ya", "wa")
CODAS = ("", "", "", "", "n", "r", "m", "s")
ENOUGH = 1.1  # so many times the wanted pieces are trained: some are unreachable and go
ROUNDS = 20
LONGEST = 1024  # tokens, the truncation in InkubaLM's tokenizer.json


def write_random_tokenizer(folder: Path, vocabulary: int, seed: int, texts: Iterable[str] = ()) -> None:
    """Write the files of a tokenizer with `vocabulary` tokens: specials, bytes, pieces by rank, single characters.

    Made-up words follow the texts, so that any size is reached. Raises ValueError below SMALLEST tokens.
    """
    if vocabulary < SMALLEST:
        raise ValueError(f"vocabulary: {vocabulary} is too small: bytes and single characters alone need {SMALLEST}")
    wanted = vocabulary - SMALLEST + 1
    characters = [SPACE, *CHARACTERS]
    pieces = _reachable(_trained(wanted, seed, texts), wanted, characters)
    tokenizer = _tokenizer(pieces, characters)
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.to_str())
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    content["truncation"] = {"direction": "Right", "max_length": LONGEST, "strategy": "LongestFirst", "stride": 0}
    write_json(folder / "tokenizer.json", content)
    _write_settings(folder)


def made_up_words(count: int, seed: int) -> Iterator[str]:
    """Words of one to five syllables; a word is the likelier to return the earlier it was made."""
    drawn = random.Random(seed)
    known: list[str] = []
    for number in range(count):
        if known and number % 3 == 0:
            yield known[int(len(known) * drawn.random() ** 3)]
            continue
        syllables = (drawn.choice(ONSETS) + drawn.choice(NUCLEI) + drawn.choice(CODAS) for _ in range(5))
        known.append("".join(list(syllables)[: drawn.choice((1, 2, 2, 3, 3, 4, 5))]))
        yield known[-1]


def _trained(wanted: int, seed: int, texts: Iterable[str]) -> list[str]:
    """Pieces of two characters and more in the order in which byte-pair training makes them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(  # type: ignore[no-untyped-call]
        vocab_size=int(wanted * ENOUGH) + len(CHARACTERS) + 1,
        initial_alphabet=[SPACE, *CHARACTERS],
        limit_alphabet=len(CHARACTERS) + 1,
        min_frequency=1,
        show_progress=False,
    )
    words = list(made_up_words(10 * wanted, seed))
    lines = (" ".join(words[start : start + 20]) for start in range(0, len(words), 20))
    bpe.train_from_iterator((text for source in (texts, lines) for text in source), trainer)
    vocabulary: dict[str, int] = bpe.get_vocab()
    known = {SPACE, *CHARACTERS}
    return [piece for piece in sorted(vocabulary, key=vocabulary.__getitem__) if len(piece) > 1 and set(piece) <= known]


def _reachable(pieces: list[str], wanted: int, characters: list[str]) -> list[str]:
    """The first `wanted` pieces that are all reachable beside each other."""
    spare = pieces[wanted:][::-1]
    kept = pieces[:wanted]
    for _ in range(ROUNDS):
        model = _tokenizer(kept, characters).model
        reached = [piece for piece in kept if len(model.tokenize(piece)) == 1]
        if len(reached) == wanted:
            return kept
        missing = wanted - len(reached)
        kept = reached + [spare.pop() for _ in range(min(missing, len(spare)))]
        if len(kept) < wanted:
            break
    raise ValueError(f"only {len(kept)} of {wanted} pieces are reachable together; give another seed or more texts")


def _tokenizer(pieces: list[str], characters: list[str]) -> "Tokenizer":
    """The whole tokenizer; merges in the order of the pieces' ranks, each piece's by the ids of its halves."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    vocabulary = {token: number for number, token in enumerate((*SPECIALS, *BYTES, *pieces, *characters))}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in sorted(_cuts(piece, vocabulary), key=lambda cut: (vocabulary[piece[:cut]], vocabulary[piece[cut:]]))
    ]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIALS])
    return tokenizer


def _cuts(piece: str, vocabulary: dict[str, int]) -> list[int]:
    return [cut for cut in range(1, len(piece)) if piece[:cut] in vocabulary and piece[cut:] in vocabulary]


def _write_settings(folder: Path) -> None:
    """The two small files beside tokenizer.json, as on the hub: the class that they name is Llama's."""
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    names: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {
            str(number): {"content": token, **flags, "special": True} for number, token in enumerate(SPECIALS)
        },
        **names,
        "clean_up_tokenization_spaces": False,
        "legacy": True,
        "model_max_length": 10**30,
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "use_default_system_prompt": False,
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", {name: {"content": token, **flags} for name, token in names.items()})
