"""One request on its way through the engine: what of it is read, what was said, and when it ends."""

import random
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from serve.completing.prefix_cache import Prefix
from serve.completing.request import Completion, CompletionRequest, FinishReason, ScoredToken
from serve.completing.token_text import TextSoFar

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Outcome = Completion | RuntimeError


class Job:
    """A request and its state. `deliver` gets the completion or the error, once, in the engine's thread.

    `read`: tokens whose keys and values are in the job's slot. `gone`: nobody waits for it any more; any thread may
    set it. `kept`: its prompt goes to the prefix cache when it is read. `awaited`: the job that it lets read first.
    """

    def __init__(
        self, request: CompletionRequest, tokenizer: "PreTrainedTokenizerBase", deliver: Callable[[Outcome], None]
    ) -> None:
        self.request = request
        self.deliver = deliver
        self.gone = False
        self.kept = False
        self.awaited: Job | None = None
        self.read = 0
        self.tokens: list[ScoredToken] = []
        self.prompt_tokens = [ScoredToken(request.prompt[0], 0.0)] if request.score_prompt else []
        self._random = random.Random(request.sampling.seed)
        self._text = TextSoFar(tokenizer, request.prompt) if request.stop else None
        self._tail = ""  # the end of the text that a stop string may begin in
        self._longest_stop = max(map(len, request.stop), default=0)

    @property
    def left(self) -> int:
        """Tokens of the prompt that are still to be read."""
        return max(0, len(self.request.prompt) - self.read)

    def start_from(self, prefix: Prefix, count: int) -> int:
        """Take over the first `count` tokens of a prompt that was read before; how many of them need not be read.

        The score of the next token comes from reading the last of these.
        """
        if self.request.score_prompt:
            most = self.request.alternatives
            self.prompt_tokens = [
                ScoredToken(token.id, token.logprob, token.alternatives[:most]) for token in prefix.scores[:count]
            ]
            count -= 1
        self.read = count
        return count

    def uniform(self) -> float:
        """The next random number; none is drawn for a greedy text."""
        return 0.0 if self.request.sampling.greedy else self._random.random()

    def add(self, token: ScoredToken, ends: Collection[int]) -> FinishReason | None:
        """Take the next token; why the text ends with it, or None if it goes on. A token of `ends` is not kept."""
        if token.id in ends:
            return "stop"
        self.tokens.append(token)
        if self._text is not None and (new := self._text.add(token.id)):
            tail = self._tail + new
            if any(stop in tail for stop in self.request.stop):
                return "stop"
            self._tail = tail[len(tail) - self._longest_stop + 1 :] if self._longest_stop <= len(tail) else tail
        return "length" if len(self.tokens) == self.request.max_new_tokens else None

    def finish(self, reason: FinishReason) -> None:
        """Deliver what there is."""
        self.deliver(Completion(tuple(self.tokens), reason, tuple(self.prompt_tokens)))
