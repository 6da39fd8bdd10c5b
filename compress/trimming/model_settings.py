"""Token ids in config.json and generation_config.json, at any depth: found, and given their new numbers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

ENDINGS = ("_token_id", "_token_ids", "_token_index")
LISTS = ("suppress_tokens", "begin_suppress_tokens")  # of ids
SEQUENCES = ("bad_words_ids", "force_words_ids")  # of lists of ids, at any depth
PAIRS = ("forced_decoder_ids",)  # of a position and an id
BIASES = ("sequence_bias",)  # of a list of ids and a number
NewIds = Mapping[int, int]


def token_ids(settings: Any) -> Iterator[int]:
    """The ids that stand for a token by its role, such as the beginning of a sequence; not those to suppress."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key.endswith(ENDINGS):
                yield from (number for number in _listed(value) if _is_id(number))
            else:
                yield from token_ids(value)


def renumber(settings: Any, new_ids: NewIds, sizes: tuple[int, int]) -> Any:
    """The settings with new ids, and the new one of the two sizes wherever a `vocab_size` is the old one.

    An id without a token is null; lists keep what is left of them, sequences those that are whole.
    """
    if not isinstance(settings, dict):
        return settings
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "vocab_size" and value == sizes[0]:
            changed[key] = sizes[1]
        elif key.endswith(ENDINGS):
            changed[key] = _role(value, new_ids)
        elif (rewrite := REWRITES.get(key)) is not None and isinstance(value, list):
            changed[key] = rewrite(value, new_ids) or None
        else:
            changed[key] = renumber(value, new_ids, sizes)
    return changed


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _role(value: Any, new_ids: NewIds) -> Any:
    """The new id, or those of a list; null where there is none."""
    if isinstance(value, list):
        return [new_ids[number] for number in value if number in new_ids] or None
    return new_ids.get(value) if _is_id(value) else value


def _ids(value: list[Any], new_ids: NewIds) -> list[Any]:
    return [new_ids[number] for number in value if number in new_ids]


def _sequences(value: list[Any], new_ids: NewIds) -> list[Any]:
    """The innermost lists that are whole, renumbered."""
    if value and all(_is_id(number) for number in value):
        return _ids(value, new_ids) if all(number in new_ids for number in value) else []
    return [changed for inner in value if (changed := _sequences(inner, new_ids))]


def _pairs(value: list[Any], new_ids: NewIds) -> list[Any]:
    return [[position, new_ids[number]] for position, number in value if number in new_ids]


def _biases(value: list[Any], new_ids: NewIds) -> list[Any]:
    return [[_ids(ids, new_ids), bias] for ids, bias in value if all(number in new_ids for number in ids)]


REWRITES: dict[str, Callable[[list[Any], NewIds], list[Any]]] = {
    **dict.fromkeys(LISTS, _ids),
    **dict.fromkeys(SEQUENCES, _sequences),
    **dict.fromkeys(PAIRS, _pairs),
    **dict.fromkeys(BIASES, _biases),
}
