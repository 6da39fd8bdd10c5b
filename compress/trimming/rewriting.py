"""A parent's tokenizer and the kept tokens -> tokenizer.json and tokenizer_config.json with new ids.

tokenizer.json stays the one truth: what other files say of added tokens is cut to what it says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from compress.trimming.added_tokens import text_of
from compress.trimming.tokenizer_file import TokenizerFile

# transformers' class that reads tokenizer.json as it is, of version 4 and of version 5. A class such as LlamaTokenizer
# or GemmaTokenizer is built anew from vocabulary and merges, with a normalizer and a pre-tokenizer of its own.
AS_IT_IS = "PreTrainedTokenizerFast"
# Places, remote code, and the two switches with which transformers builds the post-processor anew.
LEFT_OUT = ("auto_map", "name_or_path", "tokenizer_file", "vocab_file", "is_local", "local_files_only")
LEFT_OUT_SWITCHES = ("add_bos_token", "add_eos_token")


def rewrite_tokenizer(file: TokenizerFile, kept: Sequence[str], post_processor: Any) -> dict[str, Any]:
    """The content of the new tokenizer.json; `kept` is in the order of the new ids.

    All merges between kept tokens stay. `post_processor` is the parent's, with the parent's ids.
    """
    ids = {token: number for number, token in enumerate(kept)}
    pieces = {token: number for token, number in ids.items() if token in file.pieces}
    merges = [
        merge
        for merge, (left, right) in zip(file.model["merges"], file.pairs, strict=True)
        if left in pieces and right in pieces and left + right in pieces
    ]
    added = [token | {"id": ids[text]} for text, token in file.added.items() if text in ids]
    return file.data | {
        "added_tokens": sorted(added, key=lambda token: int(token["id"])),
        "padding": _padding(file.data.get("padding"), ids),
        "post_processor": rewrite_processor(post_processor, ids),
        "model": file.model | {"vocab": pieces, "merges": merges},
    }


def _padding(padding: Any, ids: Mapping[str, int]) -> Any:
    if not padding:
        return padding
    return padding | {"pad_id": ids[padding["pad_token"]]} if padding["pad_token"] in ids else None


def rewrite_processor(processor: Any, ids: Mapping[str, int]) -> Any:
    """A post-processor with new ids: a template, BERT's or RoBERTa's, or a sequence of them."""
    if not processor:
        return processor
    changed = dict(processor)
    if "processors" in processor:
        changed["processors"] = [rewrite_processor(inner, ids) for inner in processor["processors"]]
    if isinstance(processor.get("special_tokens"), dict):
        changed["special_tokens"] = {
            name: token | {"ids": [ids[text] for text in token["tokens"]]}
            for name, token in processor["special_tokens"].items()
        }
    for key in ("sep", "cls"):
        if isinstance(processor.get(key), list):
            changed[key] = [processor[key][0], ids[processor[key][0]]]
    return changed


def rewrite_settings(settings: Mapping[str, Any], file: TokenizerFile, kept: Sequence[str]) -> dict[str, Any]:
    """The content of the new tokenizer_config.json."""
    ids = {token: number for number, token in enumerate(kept)}
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        if key in LEFT_OUT or key in LEFT_OUT_SWITCHES:
            continue
        if key == "added_tokens_decoder":
            changed[key] = _decoder(value, file, ids)
        elif key in ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"):
            changed[key] = _listed(value, ids)
        elif key.endswith("_token_id"):
            changed[key] = ids.get(file.tokens.get(value, "")) if isinstance(value, int) else value
        elif not key.endswith("_token") or value is None or text_of(value) in ids:
            changed[key] = value
    return changed | {"tokenizer_class": AS_IT_IS}


def _decoder(decoder: Mapping[str, Any], file: TokenizerFile, ids: Mapping[str, int]) -> dict[str, Any]:
    """The added tokens by their new ids; those that tokenizer.json does not have would be added after all others."""
    known = [token for token in decoder.values() if token["content"] in ids and token["content"] in file.added]
    return {str(ids[token["content"]]): token for token in sorted(known, key=lambda token: ids[token["content"]])}


def _listed(tokens: Any, ids: Mapping[str, int]) -> Any:
    """Those of a list of tokens, or of tokens by name, that are kept."""
    if isinstance(tokens, dict):
        return {name: token for name, token in tokens.items() if text_of(token) in ids}
    return [token for token in tokens if text_of(token) in ids] if isinstance(tokens, list) else tokens
