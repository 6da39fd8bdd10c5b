"""A model's tokenizer and context length, without its weights: for callers that must know how long a prompt is."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(base_model: str, adapter: Path | None = None) -> "PreTrainedTokenizerBase":
    """The tokenizer as the engines use it: the adapter's if there is one, padding with end-of-sequence if need be.

    `len(tokenizer(prompt)["input_ids"])` is what the engines count, special tokens included.
    """
    from transformers import AutoTokenizer

    from compress.inkuba import register

    register()
    tokenizer = AutoTokenizer.from_pretrained(adapter or base_model, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def token_counter(base_model: str) -> Callable[[Sequence[str]], list[int]]:
    """Counts the tokens of texts as the engines do; the tokenizer is loaded at the first call."""
    tokenizer = cache(lambda: load_tokenizer(base_model))
    return lambda texts: [len(ids) for ids in tokenizer()(list(texts))["input_ids"]] if texts else []


def light_token_counter(base_model: str) -> Callable[[Sequence[str]], list[int]]:
    """Counts tokens as `token_counter` does, by the tokenizer's file alone, if there is a `tokenizer.json`.

    transformers takes six seconds to import, which is more than counting ten thousand rows.
    """
    from tokenizers import Tokenizer

    path = _tokenizer_file(base_model)
    if path is None:
        return token_counter(base_model)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts))]


def _tokenizer_file(base_model: str) -> Path | None:
    """The model's tokenizer.json; None if it has none."""
    if Path(base_model).is_dir():
        path = Path(base_model) / "tokenizer.json"
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(base_model, "tokenizer.json"))
    except EntryNotFoundError:
        return None


def context_length(base_model: str) -> int | None:
    """The most tokens, prompt and answer together, that the model was made for; None if its config does not say."""
    from transformers import AutoConfig

    from compress.inkuba import register

    register()
    config = AutoConfig.from_pretrained(base_model, trust_remote_code=False).get_text_config()
    return getattr(config, "max_position_embeddings", None)
