"""Prompts -> text by vLLM in this process: continuous batching on a GPU, shared beginnings computed once.

vLLM must be installed beside this project; where its pins exclude this project's own, run `vllm serve MODEL` in an
environment of its own and use serve.server_engine.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serve.tokens import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Prompts handed to vLLM at once: a killed run loses at most so many answers. vLLM works on some hundreds at a time
# and runs dry at the end of each chunk, so a chunk is several times that.
CHUNK = 512
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # the adapter ranks that vLLM can make room for

# (tokens of each prompt, most new tokens, stop) -> the new tokens of each
Complete = Callable[[list[list[int]], int, str], list[list[int]]]


class VllmEngine:
    """Hands prompts to `complete` in chunks, as tokens. Texts may differ from transformers' where two tokens tie."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", complete: Complete, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.complete = complete
        self.max_length = max_length

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; a batch is a chunk. ValueError for a prompt without tokens or too long a prompt."""
        for start in range(0, len(prompts), CHUNK):
            positions = range(start, min(start + CHUNK, len(prompts)))
            if all(position in done for position in positions):
                continue
            tokens = [self._tokens(position, prompts[position], max_new_tokens) for position in positions]
            texts = self.tokenizer.batch_decode(self.complete(tokens, max_new_tokens, stop), skip_special_tokens=True)
            yield list(zip(positions, texts, strict=True))

    def _tokens(self, position: int, prompt: str, max_new_tokens: int) -> list[int]:
        """The whole prompt's tokens, as the transformers engine has them."""
        tokens: list[int] = self.tokenizer(prompt)["input_ids"]
        if not tokens:
            raise ValueError(f"prompt {position} is empty")
        if len(tokens) + max_new_tokens > self.max_length:
            raise ValueError(
                f"prompt {position} has {len(tokens)} tokens and may get {max_new_tokens} more; "
                f"vLLM was started for {self.max_length} together"
            )
        return tokens


def load_vllm_engine(base_model: str, adapter: Path | None = None, max_length: int | None = None) -> VllmEngine:
    """The base model in vLLM, with the adapter applied if one is given: bfloat16 on a GPU, float32 on a CPU build.

    `max_length` is the most tokens of a prompt and its answer together; None: the model's whole context, which may
    take more memory than there is. ValueError if vLLM or its device is missing. No code from a model's folder runs.
    """
    if find_spec("vllm") is None:
        raise ValueError(
            "engine vllm: the package vllm is not installed here. Install it in an environment of its own, start "
            "`vllm serve MODEL` there, and use --engine server --engine-url http://127.0.0.1:8000/v1"
        )
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    from vllm import LLM
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()  # only the package's CPU build says so
    if not on_cpu and not current_platform.is_cuda_alike():
        raise ValueError("engine vllm: vLLM finds no CUDA device; use --engine transformers or --engine server")
    llm = LLM(
        model=base_model,
        dtype="float32" if on_cpu else "bfloat16",
        max_model_len=max_length,
        enable_prefix_caching=True,
        trust_remote_code=False,
        **adapter_options(adapter),
    )
    tokenizer = load_tokenizer(base_model, adapter)
    complete = _completer(llm, adapter, tokenizer.eos_token_id)
    return VllmEngine(tokenizer, complete, llm.llm_engine.model_config.max_model_len)


def adapter_options(adapter: Path | None) -> dict[str, Any]:
    """What vLLM must be told at start about an adapter's size."""
    if adapter is None:
        return {}
    rank = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    if rank > max(RANKS):
        raise ValueError(f"engine vllm: the adapter {adapter} has rank {rank}; vLLM takes at most {max(RANKS)}")
    return {"enable_lora": True, "max_lora_rank": min(size for size in RANKS if size >= rank)}


def _completer(llm: Any, adapter: Path | None, end: int | None) -> Complete:
    """Greedy decoding by `llm`; the model's own repetition penalty and the like stay out.

    A text ends at the token `end`, too: the adapter's tokenizer may have another end-of-sequence than the base model.
    """
    from vllm import SamplingParams, TokensPrompt
    from vllm.lora.request import LoRARequest

    lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
    ends = [] if end is None else [end]

    def complete(tokens: list[list[int]], max_new_tokens: int, stop: str) -> list[list[int]]:
        stops = [stop] if stop else []
        greedy = SamplingParams(temperature=0, max_tokens=max_new_tokens, stop=stops, stop_token_ids=ends)
        prompts = [TokensPrompt(prompt_token_ids=row) for row in tokens]
        outputs = llm.generate(prompts, greedy, use_tqdm=False, lora_request=lora)
        return [list(output.outputs[0].token_ids) for output in outputs]

    return complete
