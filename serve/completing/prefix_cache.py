"""Keys and values of earlier prompts, so that a prompt that begins like one of them is read from there on.

Bounded in tokens; the prompt that was used least recently goes first. A prompt is kept only where less than half of it
was known: of prompts that share their examples, as an evaluation sends them, the examples are kept once.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve.completing.request import CompletionRequest, ScoredToken

if TYPE_CHECKING:
    from serve.completing.slot_cache import KeysAndValues

SHORTEST = 32  # tokens; a shorter common beginning is read anew


@dataclass(frozen=True)
class Prefix:
    """A prompt that was read. `scores` are those of its tokens, `alternatives` of them each, if they were asked for."""

    tokens: tuple[int, ...]
    layers: "KeysAndValues"
    scores: tuple[ScoredToken, ...] = ()
    alternatives: int = 0

    def serves(self, request: CompletionRequest) -> bool:
        """Whether it knows all that the request wants to know of its prompt."""
        return not request.score_prompt or (bool(self.scores) and self.alternatives >= request.alternatives)


class PrefixCache:
    """Prompts of at most `capacity` tokens together; 0 keeps none."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tokens = 0
        self._prefixes: OrderedDict[tuple[int, ...], Prefix] = OrderedDict()

    def longest(self, request: CompletionRequest) -> tuple[Prefix | None, int]:
        """The prompt that shares the longest beginning with the request's, and how many tokens; None and 0 if short.

        At least one token of the request is always left to read.
        """
        limit = len(request.prompt) - 1
        best: tuple[Prefix | None, int] = (None, SHORTEST - 1)
        for prefix in self._prefixes.values():
            if prefix.tokens[: best[1]] == request.prompt[: best[1]] and prefix.serves(request):
                shared = min(common_beginning(prefix.tokens, request.prompt), limit)
                if shared > best[1]:
                    best = (prefix, shared)
        if best[0] is None:
            return None, 0
        self._prefixes.move_to_end(best[0].tokens)
        return best

    def wants(self, prompt: Sequence[int], known: int) -> bool:
        """Whether a prompt of which `known` tokens were found here is kept once it is read."""
        return SHORTEST <= len(prompt) <= self.capacity and 2 * known < len(prompt)

    def add(self, prefix: Prefix) -> None:
        """Keep a prompt that is wanted; what was used least recently makes room."""
        old = self._prefixes.pop(prefix.tokens, None)
        self.tokens += len(prefix.tokens) - (len(old.tokens) if old else 0)
        self._prefixes[prefix.tokens] = prefix
        while self.tokens > self.capacity:
            self.tokens -= len(self._prefixes.popitem(last=False)[0])

    def clear(self) -> None:
        """Forget all."""
        self._prefixes.clear()
        self.tokens = 0


def common_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with; whole slices are compared, which is faster than token by token."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
