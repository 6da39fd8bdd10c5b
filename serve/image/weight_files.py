"""Which files of a model's folder serving needs. Imports nothing: the image has this file before it has the others."""

# No pickles and no code: weights are safetensors, and remote code is never run.
PATTERNS = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.jinja",
)
BASE, ADAPTER = "base", "adapter"  # the folders below /model
