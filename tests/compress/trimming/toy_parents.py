"""Small parents of both kinds for the tests of fresh vocabularies, and texts to train on."""

import json
import random
from typing import Any

SYLLABLES = ("wa", "na", "ku", "mi", "za", "ta", "ri", "ƙa", "ɗo", "she")


def toy_texts(count: int = 400, seed: int = 3) -> list[str]:
    """Texts of invented words in the letters of Swahili and Hausa, with digits, marks and an emoji now and then."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(150)]
    texts = []
    for _ in range(count):
        chosen = draw.choices(words, k=draw.randint(3, 9))
        texts.append(f"{' '.join(chosen).capitalize()} {draw.randint(0, 999)}{draw.choice(('.', '!', ' 😀', '?!'))}")
    return texts


def byte_level_parent() -> dict[str, Any]:
    """A tokenizer.json as SmolLM2's: digits alone, bytes as characters, special tokens that are in no text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>", "<|reserved_1|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(  # type: ignore[no-untyped-call]
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(toy_texts(100, seed=1), trainer)
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    return content


def sentencepiece_parent(prefix: bool = False) -> dict[str, Any]:
    """A tokenizer.json as Gemma's, or with `prefix` as InkubaLM's: byte fallback and no pre-tokenizer."""
    special = ["<unk>", "<s>", "</s>", "<unused0>", "<unused1>"]
    pieces = [*special, "\n", "[tag]", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abdehikmnorstuwzƙɗ"]
    merges = [["▁", "w"], ["▁w", "a"], ["n", "a"], ["k", "u"], ["w", "a"], ["m", "i"]]
    pieces += ["".join(pair) for pair in merges]
    ids = {piece: number for number, piece in enumerate(pieces)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    named = [*((text, True) for text in special[:3]), *((text, False) for text in [*special[3:], "\n", "[tag]"])]
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    mark = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    decoders = [mark, {"type": "ByteFallback"}, {"type": "Fuse"}]
    steps = [{"type": "Prepend", "prepend": "▁"}, space]
    start, first = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 1024, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [{"id": ids[text], "content": text, **flags, "special": special} for text, special in named],
        "normalizer": {"type": "Sequence", "normalizers": steps} if prefix else space,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, first],
            "pair": [start, first, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [*decoders, {"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else decoders,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": merges,
        },
    }
