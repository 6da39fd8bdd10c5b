"""A two-layer random Mistral and a recipe's train.yaml for it: the real training path on a CPU, in seconds.

The architecture is Mistral-7B-v0.1's (grouped queries, sliding window, no tied embeddings, vocabulary of 32,000) and
so is the tokenizer, which the package mistral_common carries (Apache-2.0). The sizes are small, the weights random.
"""

import copy
import json
from pathlib import Path
from typing import Any

TOKENIZER = "data/tokenizer.model.v1"
UNIQUE_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

# What a CPU cannot do, and nothing else: half precision, Triton kernels, flash attention, optimizers in CUDA.
ON_CPU: dict[str, Any] = {
    "bf16": False,
    "tf32": False,
    "attn_implementation": "sdpa",
    "optimizer": "adamw_torch",
    "lora_mlp_kernel": False,
    "lora_qkv_kernel": False,
    "lora_o_kernel": False,
    "dataloader_num_workers": 0,
    "dataloader_prefetch_factor": None,
    "dataloader_pin_memory": False,
    "dataset_num_proc": 1,
    "gradient_checkpointing": False,
    "activation_offloading": None,
    "torch_compile": None,
}
LIGER = "axolotl.integrations.liger.LigerPlugin"


def make_tiny_mistral(folder: Path, sliding_window: int = 64) -> Path:
    """The model with its tokenizer in a new folder, as safetensors."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    folder.mkdir(parents=True)
    write_tokenizer(folder)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=32_000,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=32_768,
        sliding_window=sliding_window,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """Mistral-7B-v0.1's tokenizer as tokenizer.json: byte-pair merges in the order of the pieces' scores."""
    import mistral_common
    from sentencepiece import SentencePieceProcessor
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = SentencePieceProcessor(model_file=str(Path(str(mistral_common.__file__)).parent / TOKENIZER))
    vocabulary = {pieces.id_to_piece(number): number for number in range(pieces.get_piece_size())}
    merges = [
        (vocabulary[piece[:cut] + piece[cut:]], piece[:cut], piece[cut:])
        for piece in vocabulary
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    pairs = [(left, right) for _, left, right in sorted(merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **UNIQUE_TOKENS).save_pretrained(folder)


def on_cpu(values: dict[str, Any], base_model: Path, rows: Path, out: Path, **changes: Any) -> dict[str, Any]:
    """The settings of a train.yaml with the base model swapped and what a CPU cannot do left out.

    Data is read from `rows`/train.jsonl and `rows`/eval.jsonl, output goes below `out`; `changes` come last, and a
    change to None takes a key out.
    """
    settings = copy.deepcopy(values) | ON_CPU | {"base_model": str(base_model)}
    settings["plugins"] = [name for name in values.get("plugins", []) if name != LIGER]
    settings = {key: value for key, value in settings.items() if not key.startswith("liger_")}
    settings |= {"output_dir": str(out / "model"), "dataset_prepared_path": str(out / "prepared")}
    for key, name in (("datasets", "train"), ("test_datasets", "eval")):
        for entry in settings.get(key) or []:
            entry |= {"path": str(rows / f"{name}.jsonl"), "ds_type": "json"}
    return {key: value for key, value in (settings | changes).items() if value is not None}


def write_rows(folder: Path, train: int, evaluation: int) -> Path:
    """Sums of two numbers as questions and answers, as the stage mix writes rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, first in (("train", train, 0), ("eval", evaluation, train)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(first, first + count):
                one, other = number % 97, number * 7 % 89
                question = f"### Instruction:\nAdd the numbers.\n\n### Input:\n{one} and {other}\n\n### Response:\n"
                row = {"question": question, "answer": str(one + other), "source": "sums", "task": "sums"}
                file.write(json.dumps(row | {"id": f"sums-{number}", "input": f"{one} and {other}"}) + "\n")
    return folder
