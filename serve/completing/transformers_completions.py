"""The engine `transformers`: many requests in one model at once, on CPU or one GPU.

One thread owns the model and takes requests as they come (see `serve.completing.slots`); callers wait on their event
loops. Texts are those of `model.generate` for each prompt alone, but for the last bits: a matrix product of another
number of rows rounds otherwise, on CPU and more so on GPUs and in bfloat16 or nf4. What that means for seeds, see
`serve.completing.sampling`.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from serve.completing.job import Job, Outcome
from serve.completing.request import Completion, CompletionRequest
from serve.completing.slot_model import SlotModel, check_positions
from serve.completing.slots import Counts, Slots
from serve.completing.token_text import vocabulary
from serve.config import ServeConfig
from serve.transformers_engine import LoadedModel, end_tokens, load_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

# What a pass of the model may raise: PyTorch's own errors (memory included), a bad index or shape.
MODEL_ERRORS = (RuntimeError, ValueError, IndexError, MemoryError)


class TransformersCompletions:
    """A `CompletionEngine` on a loaded model, which from now on can be used by it alone."""

    def __init__(self, loaded: LoadedModel, max_length: int, slots: int, prefix_cache_tokens: int) -> None:
        self.tokenizer: PreTrainedTokenizerBase = loaded.tokenizer
        self.max_length = max_length
        vocabulary(self.tokenizer)  # a tokenizer whose texts cannot be joined is refused here, not with a request
        self.ends = end_tokens(loaded.model, loaded.tokenizer)
        model = SlotModel(loaded.model, slots, max_length)
        self._vocabulary = model.vocabulary
        self._slots: Slots | None = Slots(model, prefix_cache_tokens, self.ends)
        self._counts = self._slots.counts
        self._running = 0
        self._arrived: list[Job] = []
        self._closed: str | None = None  # why no request is taken any more
        self._failed = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="completions", daemon=True)
        self._thread.start()

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionEngine.complete`. ValueError for a request that its docstring rules out."""
        self._check(request)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completion] = loop.create_future()
        job = Job(request, self.tokenizer, _deliverer(loop, future))
        with self._wake:
            if self._closed:
                raise RuntimeError(self._closed)
            self._arrived.append(job)
            self._wake.notify()
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                with self._wake:
                    job.gone = True
                    self._wake.notify()

    @property
    def running(self) -> int:
        """Requests in the model now."""
        return self._running

    @property
    def failed(self) -> bool:
        """Whether its thread has ended by an error."""
        return self._failed

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        return replace(self._counts)

    async def close(self) -> None:
        """See `CompletionEngine.close`; waits for the step that the model is in."""
        with self._wake:
            self._closed = self._closed or "the engine is closed"
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    def _check(self, request: CompletionRequest) -> None:
        length = len(request.prompt) + request.max_new_tokens
        if not request.prompt or request.max_new_tokens < 0 or length > self.max_length:
            raise ValueError(
                f"a prompt of {len(request.prompt)} tokens and {request.max_new_tokens} new ones: at least one token "
                f"and at most {self.max_length} together are allowed; cut the prompt"
            )
        if min(request.prompt) < 0 or max(request.prompt) >= self._vocabulary:
            raise ValueError(
                f"the prompt has a token outside of the model's {self._vocabulary}; tokenise it with its own"
            )
        if "" in request.stop:
            raise ValueError("an empty stop string ends every text; leave it out")

    def _serve(self) -> None:
        """The thread's work, until the engine is closed."""
        waiting: list[Job] = []
        try:
            with torch.inference_mode():
                while self._arrivals(waiting):
                    self._turn(waiting)
        finally:
            with self._wake:
                self._failed = self._closed is None
                self._closed = self._closed or "the engine has failed; restart the server and see its log"
                left = waiting + self._arrived + (self._slots.reset() if self._slots else [])
                self._arrived = []
                self._slots, self._running = None, 0
            for job in left:
                job.deliver(RuntimeError(self._closed))
            _free_memory()

    def _arrivals(self, waiting: list[Job]) -> bool:
        """Take in what has come, and wait if there is nothing to do; False if the engine is closed."""
        assert self._slots is not None
        with self._wake:
            while True:
                waiting += self._arrived
                self._arrived = []
                waiting[:] = [job for job in waiting if not job.gone]
                if self._closed:
                    return False
                if waiting or self._slots.jobs:
                    return True
                self._wake.wait()

    def _turn(self, waiting: list[Job]) -> None:
        """Let jobs in and make one step. If the model fails, so do the jobs in it, and it starts anew."""
        assert self._slots is not None
        try:
            self._slots.drop_gone()
            self._slots.admit(waiting)
            self._running = len(self._slots.jobs)
            self._slots.step()
        except torch.AcceleratorError:  # the GPU's state is lost for the whole process
            raise
        except MODEL_ERRORS as error:
            log.exception("the model failed; %d requests are given up", len(self._slots.jobs))
            for job in self._slots.reset():
                job.deliver(RuntimeError(f"the model failed: {type(error).__name__}: {error}"))
            _free_memory()
        self._running = len(self._slots.jobs)


def _deliverer(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Completion]") -> Callable[[Outcome], None]:
    """A function that resolves the future of another thread's event loop, if both still wait."""

    def resolve(outcome: Outcome) -> None:
        if future.done():
            return
        if isinstance(outcome, Completion):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    def deliver(outcome: Outcome) -> None:
        try:
            loop.call_soon_threadsafe(resolve, outcome)
        except RuntimeError:  # the loop is closed, and with it whoever waited
            log.info("a request's event loop was closed before its answer came")

    return deliver


def _free_memory() -> None:
    """Give back what PyTorch holds on the GPU and no longer uses."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_transformers_completions(
    base_model: str, adapter: Path | None, config: ServeConfig, device: str | None = None
) -> TransformersCompletions:
    """The engine for a model folder or hub id, as `serve.yaml` wants it.

    ValueError if `max_length` is beyond the model's own, the model's kind cannot be served so, or `precision` cannot
    run on the device.
    """
    from transformers import AutoConfig

    from compress.inkuba import register

    register()
    check_positions(AutoConfig.from_pretrained(base_model, trust_remote_code=False), config.max_length)
    loaded = load_model(base_model, adapter, config.precision, device)
    batching = config.batching
    return TransformersCompletions(loaded, config.max_length, batching.slots, batching.prefix_cache_tokens)
