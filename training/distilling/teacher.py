"""The teacher of a distillation: loaded once, frozen, and refused where a student cannot learn from it.

A student learns from a teacher's probabilities of the next token, so that both must mean the same by each token id.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAME_IDS = (
    "a student learns from a teacher of the same token ids: trim both with the same compress.trim, or prune the "
    "student out of the teacher"
)


def folder_fault(teacher: str) -> str | None:
    """What is wrong with the folder that `oneday_teacher` names; None for a whole model, or a hub id."""
    folder = Path(teacher)
    if (folder / "config.json").is_file():
        return None
    if (folder / "adapter_config.json").is_file():
        return f"oneday_teacher: {teacher} is an adapter, no whole model; merge it first with training.merge"
    if folder.is_dir():
        return f"oneday_teacher: {teacher} holds no config.json; name the folder of a trained model"
    if folder.is_absolute() or teacher.startswith(".") or teacher.count("/") != 1:
        return f"oneday_teacher: there is no folder {teacher}; train the teacher first, or name a model that is there"
    return None


def vocabulary_fault(student: Mapping[str, int], teacher: Mapping[str, int]) -> str | None:
    """The fault of two tokenizers' vocabularies (token to id), with the first id that differs; None if none does."""
    if student == teacher:
        return None
    ours, theirs = ({number: token for token, number in tokens.items()} for tokens in (student, teacher))
    first = min(number for number in ours.keys() | theirs.keys() if ours.get(number) != theirs.get(number))
    shown = [repr(tokens[first]) if first in tokens else "no token" for tokens in (ours, theirs)]
    return f"oneday_teacher: id {first} is {shown[0]} for the student and {shown[1]} for the teacher; {SAME_IDS}"


def size_fault(student: int, teacher: int) -> str | None:
    """The fault of two numbers of logits a position; None if they are equal."""
    if student == teacher:
        return None
    return f"oneday_teacher: the student has logits for {student:,} tokens and the teacher for {teacher:,}; {SAME_IDS}"


def load_teacher(name: str, dtype: Any, device: Any, attention: str | None) -> Any:
    """The model in that type on that device, frozen, in evaluation mode, without a cache.

    ValueError says what is wrong if transformers cannot load it.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype, device_map={"": device}, attn_implementation=attention, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"oneday_teacher: {name} cannot be loaded: {_first_line(error)}") from error
    model.config.use_cache = False
    return model.requires_grad_(False).eval()


def load_tokens(name: str) -> dict[str, int]:
    """The teacher's tokens with their ids. ValueError if its tokenizer cannot be loaded."""
    from transformers import AutoTokenizer

    try:
        tokens: dict[str, int] = AutoTokenizer.from_pretrained(name, trust_remote_code=False).get_vocab()
    except (OSError, ValueError, ImportError) as error:
        message = f"the tokenizer of {name} cannot be loaded: {_first_line(error)}; copy the student's into its folder"
        raise ValueError(f"oneday_teacher: {message} if both have the same token ids") from error
    return tokens


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
