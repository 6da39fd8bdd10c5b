"""A parent, the occurrences of its tokens and the settings of `trim` -> which tokens stay and which added ones go."""

from compress.config import Trim
from compress.trimming.added_tokens import AddedTokens, names_in, sort_added_tokens
from compress.trimming.choosing import Chosen, always_kept, choose_by_count, choose_by_size
from compress.trimming.counting import Counts
from compress.trimming.model_settings import token_ids
from compress.trimming.parent_files import Parent
from compress.trimming.tokenizer_file import TokenizerFile


def choose(parent: Parent, counts: Counts, settings: Trim) -> tuple[Chosen, AddedTokens]:
    """All tokens that stay, and what becomes of the added ones; `counts` are by the parent's ids."""
    file = parent.tokenizer
    kept_ids, named_ids = ids_of(file, settings.keep), named(parent)
    added = sort_added_tokens(file, counts, named_ids | kept_ids)
    chosen = always_kept(file, counts, added.kept | named_ids, kept_ids)
    if settings.vocabulary is not None:
        return choose_by_size(file, counts, chosen, settings.vocabulary), added
    assert settings.min_count is not None
    return choose_by_count(file, counts, chosen, settings.min_count), added


def named(parent: Parent) -> set[int]:
    """The ids that configs, tokenizer settings, post-processor or chat template name."""
    file = parent.tokenizer
    by_id = {number for config in parent.configs.values() for number in token_ids(config)}
    by_name = {file.ids[name] for name in names_in(parent.settings, parent.template, file) if name in file.ids}
    return (by_id & file.tokens.keys()) | by_name


def ids_of(file: TokenizerFile, keep: list[str]) -> set[int]:
    """The ids of the kept texts, at the beginning of a text and behind a blank."""
    written = [before + text for text in keep for before in ("", " ")]
    encodings = file.encoder.encode_batch_fast(written, add_special_tokens=False)
    return {number for encoding in encodings for number in encoding.ids}
