"""The number types that Axolotl's model loader leaves behind, as `weights` takes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tiny_mistral import make_tiny_mistral
from tests.training.planning.tiny_models import settings_of
from training.planning.geometry import find_config, geometry_of
from training.planning.weights import stored_bytes, trained_parameters, weight_bytes

LOAD = """
import json, sys, torch
from transformers import AutoTokenizer
from axolotl.loaders.model import ModelLoader
from axolotl.utils.dict import DictDefault
folder, values = sys.argv[1], json.loads(sys.argv[2])
cfg = DictDefault({
    "base_model": folder, "base_model_config": folder, "tokenizer_config": folder, "model_config_type": "mistral",
    "type_of_model": "AutoModelForCausalLM", "torch_dtype": torch.bfloat16, "sequence_len": 512, "lora_r": 8,
    "lora_alpha": 16, "lora_dropout": 0.0, "lora_target_linear": True, "micro_batch_size": 1, "device": "cpu",
    "gradient_accumulation_steps": 1, "tensor_parallel_size": 1, "context_parallel_size": 1, "datasets": [],
    "attn_implementation": "sdpa", "attn_needs_dtype_cast": False,
} | values)
model, _ = ModelLoader(cfg, AutoTokenizer.from_pretrained(folder)).load()
trained = [p.nbytes for p in model.parameters() if p.requires_grad]
adapters = [p.nbytes for n, p in model.named_parameters() if "lora_" in n or "modules_to_save" in n]
scales = 0
for module in model.modules():
    if hasattr(module, "base_layer"):
        continue  # peft's layer shows its base layer's weight as its own
    state = getattr(getattr(module, "weight", None), "quant_state", None)
    if state is not None:
        kept = [state.absmax, state.code, state.state2.absmax, state.state2.code, state.offset]
        scales += sum(t.nbytes for t in kept)
    row = getattr(getattr(module, "weight", None), "SCB", None)
    scales += 0 if row is None else row.nbytes
every = sum(p.nbytes for p in model.parameters())
print("FOUND", sum(trained), every - sum(adapters) + scales)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Mistral on disk."""
    return make_tiny_mistral(tmp_path_factory.mktemp("loaded") / "model")


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        '{"adapter": "qlora", "load_in_4bit": true}',
        '{"adapter": "qlora", "load_in_4bit": true, "embeddings_skip_upcast": true}',
        '{"adapter": "qlora", "load_in_4bit": true, "peft_autocast_adapter_dtype": false}',
        '{"adapter": "lora"}',
        '{"adapter": "lora", "lora_modules_to_save": ["lm_head", "embed_tokens"]}',
        "{}",
    ],
)
def test_weights_have_the_bytes_that_axolotl_loads(tiny: Path, values: str) -> None:
    import json

    command = [sys.executable, "-c", LOAD, str(tiny), values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND")] or [done.stderr[-2000:]]
    trained, weights = (int(number) for number in line.split()[1:])
    given = json.loads(values)
    if "adapter" in given:
        given |= {"lora_r": 8, "lora_target_linear": True}
    settings = settings_of(**given | {"bf16": True})
    geometry = geometry_of(*find_config(str(tiny)))
    assert stored_bytes(trained_parameters(geometry, settings)) == trained
    assert weight_bytes(geometry, settings) == weights
