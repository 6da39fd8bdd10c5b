"""The one place where a prompt is put together: prediction, training, evaluation and serving all call it.

Form (Alpaca blocks, demonstrations repeated as Input/Response, after Birbal):

    <preamble>

    ### Instruction:
    <definition>

    ### Input:            (one Input/Response pair for each demonstration)
    <demonstration input>

    ### Response:
    <demonstration output>

    ### Input:
    <input>

    ### Response:

A part that is empty leaves its whole block out: a question that stands alone is an input without an instruction.
"""

from collections.abc import Sequence

from oneday.records import PositiveExample, TaskHead

# What `str.strip` strips, for code that puts whole columns of prompts together.
WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))


def build_prompt(preamble: str, definition: str, text: str, demonstrations: Sequence[PositiveExample] = ()) -> str:
    """The prompt up to and with the newline after `### Response:`, where the answer begins."""
    blocks = [preamble.strip(), _block("Instruction", definition)]
    for shown in demonstrations:
        blocks += [_block("Input", shown.input), f"### Response:\n{shown.output.strip()}"]
    blocks += [_block("Input", text), "### Response:\n"]
    return "\n\n".join(filter(None, blocks))


def _block(name: str, text: str) -> str:
    """A headed block; empty if its text is."""
    stripped = text.strip()
    return f"### {name}:\n{stripped}" if stripped else ""


def task_prompt(preamble: str, task: TaskHead, text: str, demonstrations: int = 0) -> str:
    """The prompt for one input of a task, with its first `demonstrations` positive examples."""
    definition = "\n".join(task.definition)
    return build_prompt(preamble, definition, text, task.positive_examples[:demonstrations])
