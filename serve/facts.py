"""What is known of one request while it is answered: for its line in the log and for the metrics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


@dataclass
class Facts:
    """Never the prompt or the text. `gone`: the client hung up before its answer. `case`: of the recipe's rules."""

    request_id: str
    method: str
    path: str
    status: int | None = None
    refused: str | None = None
    gone: bool = False
    case: str | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0


def facts_of(scope: "Scope") -> Facts:
    """The facts that the outermost middleware has put into the scope."""
    facts: Facts = scope["oneday.facts"]
    return facts
