"""Any data set whose columns a recipe names: questions and answers, instructions with inputs, or chat messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable, text_of
from data_prep.sources.mix_config import InstructionFields, MessageFields, QuestionFields, Table


def convert(row: Row, place: str, settings: Table) -> Iterator[Draft | Drop]:
    """The row as one example. Raises Unusable."""
    task = label_of(row, settings.task_column) if settings.task_column is not None else settings.name
    own_id = label_of(row, settings.id_column) if settings.id_column is not None else place
    instruction, text, answer = _texts(row, settings)
    yield Draft(instruction, text, answer, task, own_id)


def label_of(row: Row, column: str) -> str:
    """The task or id of a row: a text or a whole number. Raises Unusable."""
    value = row.get(column)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(row, column)


def _texts(row: Row, settings: Table) -> tuple[str, str, str]:
    """Instruction, input and answer of a row."""
    if settings.question_answer is not None:
        fields = settings.question_answer
        return settings.instruction, text_of(row, fields.question), text_of(row, fields.answer)
    if settings.instruction_output is not None:
        return _instructed(row, settings.instruction_output, settings.instruction)
    assert settings.chat is not None
    return _chat(row, settings.chat, settings.instruction)


def _instructed(row: Row, fields: InstructionFields, default: str) -> tuple[str, str, str]:
    """An instruction without an input stands alone; an absent or null input is none."""
    instruction, answer = text_of(row, fields.instruction), text_of(row, fields.output)
    has_input = fields.input is not None and row.get(fields.input) is not None
    text = text_of(row, fields.input) if fields.input is not None and has_input else ""
    if not text.strip():
        return "", instruction, answer
    return instruction if instruction.strip() else default, text, answer


def _chat(row: Row, fields: MessageFields, default: str) -> tuple[str, str, str]:
    """The first question and its answer; a system message before them is the instruction."""
    messages = messages_of(row.get(fields.messages))
    roles = [text_of(message, fields.role) for message in messages]
    if fields.user not in roles:
        raise Unusable("no_question_turn")
    asked = roles.index(fields.user)
    if asked + 1 == len(roles) or roles[asked + 1] != fields.assistant:
        raise Unusable("no_answer_turn")
    told = [text_of(messages[place], fields.content) for place in range(asked) if roles[place] == fields.system]
    instruction = "\n".join(text for text in told if text.strip())
    question, answer = (text_of(messages[place], fields.content) for place in (asked, asked + 1))
    return instruction or default, question, answer


def messages_of(value: Any) -> list[dict[str, Any]]:
    """The messages of a conversation. `datasets` may keep a list of objects as an object of lists. Raises Unusable."""
    if value is None:
        raise Unusable("missing_field")
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        if len({len(column) for column in value.values()}) > 1:
            raise Unusable("wrong_type")
        return [dict(zip(value, message, strict=True)) for message in zip(*value.values(), strict=True)]
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        raise Unusable("wrong_type")
    return value


def mapping_of(settings: Table) -> dict[str, str]:
    """The columns that the recipe names, by the key that names them (`question_answer.question`)."""
    columns: dict[str, str] = {}
    for key in ("question_answer", "instruction_output", "chat"):
        fields = getattr(settings, key)
        if isinstance(fields, QuestionFields | InstructionFields):
            named = fields.model_dump(exclude_none=True)
            columns |= {f"{key}.{name}": column for name, column in named.items()}
        elif isinstance(fields, MessageFields):
            columns[f"{key}.messages"] = fields.messages
    optional = {"task_column": settings.task_column, "id_column": settings.id_column}
    return columns | {key: column for key, column in optional.items() if column is not None}


def origin_of(settings: Table) -> str:
    """What is published as the origin: as the recipe says; else the hub id, or the file's or folder's name."""
    if settings.origin is not None:
        return settings.origin
    if settings.revision is not None:  # only a hub id has one
        return settings.path
    local = Path(settings.path).expanduser()
    named = local if local.name not in ("", "..") else local.resolve()  # '.' and '..' say nothing
    return named.name or settings.name


TABLE = ExampleSource(
    name="table", licence="as the recipe states", origin="as the recipe states", columns=(), convert=convert
)
