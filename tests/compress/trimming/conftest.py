"""Small tokenizers of both kinds with tiny Llamas, and the texts that they are made for."""

import json
from pathlib import Path
from typing import Any

import pytest

from compress.trimming.tokenizer_file import BYTE_FALLBACK, TokenizerFile, tokenizer_file
from oneday.files import write_json

WORDS = (
    "habari za asubuhi leo tunasoma kitabu kipya sana na watoto wanacheza mpira shuleni ina kwana yaya aiki gida "
    "ruwa abinci mutane suna zuwa kasuwa yau da safe the children are reading new books at school this morning"
)
SYLLABLES = "ba ka la ma na sha ta wa ya za bi ki li mi ni si ti wi zi bu ku lu mu nu su tu wu zu"


def made_texts() -> list[str]:
    """59 texts of the words above and of made ones; they are always the same."""
    parts = SYLLABLES.split()
    made = [parts[n % 28] + parts[n * 5 % 27] + parts[n * 11 % 23] for n in range(200)]
    words = [word for pair in zip(WORDS.split() * 6, made, strict=False) for word in pair]
    return [" ".join(words[(n * k) % len(words)] for n in range(3, 30)) + f" {k}!" for k in range(1, 60)]


TEXTS = made_texts()
SPECIALS = ("<unk>", "<s>", "</s>")
TURN, UNUSED = "<turn>", tuple(f"<unused{n}>" for n in range(40))
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
}


def added(text: str, number: int, special: bool) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": text, **flags, "special": special}


def byte_level_json(size: int = 900) -> dict[str, Any]:
    """A byte-level BPE tokenizer as GPT-2's; `<turn>` and 40 unused tokens stand behind it, as in Llama 3's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    first = len(data["model"]["vocab"])
    behind = [added(text, first + place, False) for place, text in enumerate((TURN, *UNUSED))]
    return data | {"added_tokens": [*data["added_tokens"], *behind], "post_processor": TEMPLATE}


def sentencepiece_json(size: int = 500) -> dict[str, Any]:
    """A tokenizer as Gemma's: no words, byte fallback, every way to make a token from two is a merge.

    Its added tokens are in the vocabulary: `<turn>`, a line break, two marks and 40 unused ones.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁"), "merged_with_next")
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    by_id = sorted((number, token) for token, number in json.loads(tokenizer.to_str())["model"]["vocab"].items())
    learnt = [token for _, token in by_id]
    plain = ("\n", "▁▁", TURN, *UNUSED)
    tokens = list(dict.fromkeys((*SPECIALS, *plain, *BYTE_FALLBACK, *learnt)))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [
        (vocabulary[token], token[:cut], token[cut:])
        for token in learnt
        for cut in range(1, len(token))
        if token[:cut] in vocabulary and token[cut:] in vocabulary
    ]
    steps = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    model = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": vocabulary}
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [added(text, vocabulary[text], text in SPECIALS) for text in (*SPECIALS, *plain)],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": TEMPLATE,
        "decoder": {"type": "Sequence", "decoders": steps},
        "model": model | {"merges": [[left, right] for _, left, right in sorted(merges)]},
    }


KINDS = {"byte_level": byte_level_json, "sentencepiece": sentencepiece_json}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(kind: str) -> dict[str, Any]:
    """The tokenizer.json of each kind."""
    return KINDS[kind]()


@pytest.fixture
def file(data: dict[str, Any], tmp_path: Path) -> TokenizerFile:
    """The same, checked and on disk."""
    write_json(tmp_path / "tokenizer.json", data)
    return tokenizer_file(data, tmp_path / "tokenizer.json")


def make_model(folder: Path, data: dict[str, Any], tied: bool = False, padding: int = 0) -> Path:
    """A tiny random Llama for a tokenizer, with `padding` rows more than tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer_file(data).ids) + padding,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=1,
        eos_token_id=[2, 0],
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    write_json(folder / "tokenizer.json", data)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    write_json(folder / "tokenizer_config.json", names | {"tokenizer_class": "PreTrainedTokenizerFast"})
    (folder / "chat_template.jinja").write_text("{{ '<turn>' + messages[0].content }}", encoding="utf-8")
    (folder / "tokenizer.model").write_bytes(b"another form")
    (folder / "LICENSE").write_text("ours", encoding="utf-8")
    return folder


@pytest.fixture
def model(tmp_path: Path, data: dict[str, Any]) -> Path:
    """A tiny model of each kind, its head untied."""
    return make_model(tmp_path / "parent", data)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A file of texts."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


@pytest.fixture
def byte_level() -> TokenizerFile:
    """A byte-level tokenizer, checked."""
    return tokenizer_file(byte_level_json())


@pytest.fixture
def sentencepiece_model(tmp_path: Path) -> Path:
    """A tiny model with a tokenizer as Gemma's."""
    return make_model(tmp_path / "parent", sentencepiece_json())


@pytest.fixture
def tied_model(tmp_path: Path) -> Path:
    """A tiny model whose head is its embeddings."""
    return make_model(tmp_path / "parent", sentencepiece_json(), tied=True)


@pytest.fixture
def padded_model(tmp_path: Path) -> Path:
    """A tiny model with 24 rows more than tokens."""
    return make_model(tmp_path / "parent", byte_level_json(), padding=24)


@pytest.fixture
def inkuba_model(tmp_path: Path) -> Path:
    """A tiny InkubaLM: merges as texts, texts cut by the tokenizer, one MLP for all layers."""
    import torch

    from compress.inkuba import InkubaConfig, InkubaForCausalLM

    data = sentencepiece_json()
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    folder = make_model(tmp_path / "parent", data)
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sizes = {key: values[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")}
    config = InkubaConfig(**sizes, num_attention_heads=4, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        InkubaForCausalLM(config).save_pretrained(folder)
    return folder
