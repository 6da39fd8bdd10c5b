"""Tiny random models of the architectures whose decoding is tested, and single prompts through the model itself."""

from typing import TYPE_CHECKING, Any

from serve.transformers_engine import LoadedModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ARCHITECTURES = ["llama", "gemma3", "gemma3 with a short window", "inkuba"]
PREAMBLE = "### Instruction:\nChoose the option.\n\n"
PROMPTS = [f"{PREAMBLE}### Input:\n{'word ' * words}end {words}\n\n### Response:\n" for words in (5, 0, 17, 2, 9, 3, 1)]


def tiny_model(architecture: str, tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    """A model of some layers in float32, drawn so wide that every token of a prompt sways what follows."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

    from compress.inkuba_model import InkubaConfig, InkubaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(1)
    settings = tiny_settings(tokenizer)
    if architecture == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**settings))
    elif architecture == "inkuba":
        model = InkubaForCausalLM(InkubaConfig(**settings | {"num_key_value_heads": 4}))
    else:
        window = 16 if "short" in architecture else 4096
        # Tied as it is otherwise, a random model repeats its last token.
        settings |= {"head_dim": 16, "sliding_window": window, "layer_types": LAYERS, "tie_word_embeddings": False}
        model = Gemma3ForCausalLM(Gemma3TextConfig(**settings))
    return LoadedModel(model.eval(), tokenizer)


def tiny_settings(tokenizer: "PreTrainedTokenizerFast") -> dict[str, Any]:
    """The sizes of all tiny models, as transformers' configurations name them."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


LAYERS = ["sliding_attention", "sliding_attention", "full_attention"]


def alone(
    loaded: LoadedModel, prompt: str, max_new_tokens: int, beams: int, end: int | None = None, penalty: float = 1.0
) -> str:
    """What the model itself generates for one prompt: no padding, no shared cache, no batch."""
    import torch

    tokens = torch.tensor([loaded.tokenizer(prompt)["input_ids"]])
    with torch.inference_mode():
        output: Any = loaded.model.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=beams,
            repetition_penalty=penalty,
            eos_token_id=loaded.tokenizer.eos_token_id if end is None else end,
            pad_token_id=loaded.tokenizer.pad_token_id,
        )
    return str(loaded.tokenizer.decode(output[0, tokens.shape[1] :], skip_special_tokens=True))
