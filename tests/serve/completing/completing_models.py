"""Tiny models for the completing engine, and what a model says of one prompt alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serve.completing.request import Completion, CompletionRequest
from serve.transformers_engine import LoadedModel
from tests.serve.decoding_models import tiny_model, tiny_settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

    from serve.completing.transformers_completions import TransformersCompletions

KINDS = ["llama", "gemma3 with a short window", "inkuba", "mistral with a short window", "qwen3"]
MAX_LENGTH = 400


def make(kind: str, tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    """A tiny random model; the same each time. `short window`: 16 tokens."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

    if kind not in ("mistral with a short window", "qwen3"):
        return tiny_model(kind, tokenizer)
    torch.set_num_threads(1)
    torch.manual_seed(2)
    settings = tiny_settings(tokenizer)
    if kind == "qwen3":
        return LoadedModel(Qwen3ForCausalLM(Qwen3Config(**settings, head_dim=16)).eval(), tokenizer)
    return LoadedModel(MistralForCausalLM(MistralConfig(**settings, sliding_window=16)).eval(), tokenizer)


def greedy_alone(loaded: LoadedModel, prompt: Sequence[int], max_new_tokens: int, ends: Sequence[int]) -> list[int]:
    """The new tokens that the model itself generates, without what ends them."""
    import torch

    ids = torch.tensor([list(prompt)], device=loaded.model.device)
    model: Any = loaded.model
    with torch.inference_mode():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=list(ends),
            pad_token_id=loaded.tokenizer.pad_token_id,
        )
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens[:-1] if tokens[-1] in ends else tokens


def logprobs_alone(loaded: LoadedModel, tokens: Sequence[int]) -> "torch.Tensor":
    """log_softmax of the logits after each token of a text, [tokens, vocabulary]."""
    import torch

    with torch.inference_mode():
        logits: torch.Tensor = loaded.model(torch.tensor([list(tokens)])).logits[0]
    return logits.float().log_softmax(-1)


def ids(completion: Completion) -> list[int]:
    """The new tokens."""
    return [token.id for token in completion.tokens]


async def answers(engine: "TransformersCompletions", *requests: CompletionRequest) -> list[Completion]:
    """The completions of requests that come at once."""
    import asyncio

    return list(await asyncio.gather(*map(engine.complete, requests)))
