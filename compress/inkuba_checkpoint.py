"""InkubaLM's checkpoints: the hub's layout -> a folder with the MLP once, and that -> a plain Llama with it per layer.

Tensors pass one at a time, so the memory taken is that of the largest (0.5 GB in InkubaLM-0.4B), not of the model.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.model_folder import copy_tokenizer, new_folder, read_config
from compress.tensor_files import EMBEDDING, HEAD, Checkpoint, Shape, layers_of, open_checkpoint, write_safetensors
from oneday.console import progress

if TYPE_CHECKING:
    from compress.inkuba_model import InkubaConfig

HUB_CLASS, OWN_CLASS, PLAIN_CLASS = "VulavulaLlamaForCausalLM", "InkubaForCausalLM", "LlamaForCausalLM"
FIRST_MLP = "model.layers.0.mlp."
PROJECTIONS = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}


def is_hub_layout(folder: Path) -> bool:
    """Whether config.json says that the weights are for InkubaLM's own class on the hub.

    Its name in `architectures` or `auto_map` decides, not the weights: a Llama with equal MLPs is a Llama.
    """
    values = read_config(folder)
    named = [*_strings(values.get("architectures")), *_strings(values.get("auto_map"))]
    return any(name.rpartition(".")[2] == HUB_CLASS for name in named)


def _strings(value: object) -> list[str]:
    """The texts in a list or in a mapping's values."""
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [each for each in found if isinstance(each, str)]


def from_hub_layout(source: Path, target: Path) -> Path:
    """Write the hub's checkpoint as an "inkuba" folder, which holds the MLP once; returns `target`.

    Accepts weights with the MLP in every layer, all equal to the bit, or in layer 0 alone. Raises ValueError if they
    differ, if tensors are absent or unknown, if a shape does not fit config.json, or if this is another model.
    """
    if not is_hub_layout(source) and read_config(source).get("model_type") != "inkuba":
        raise ValueError(
            f"{source / 'config.json'} names {_architectures(source)}, not {HUB_CLASS}: this is not InkubaLM's "
            "layout on the hub; load the folder as it is"
        )
    config, checkpoint = inkuba_config(source), open_checkpoint(source)
    names = _names_to_keep(config, checkpoint)
    check_shapes(config, checkpoint.shapes, source)
    _check_copies(checkpoint)
    return _write(source, target, config, {name: name for name in names}, checkpoint)


def expand(source: Path, target: Path) -> Path:
    """Write an "inkuba" folder as a plain Llama, whose layers each hold a copy of the MLP; returns `target`.

    Its logits equal the source's to the last bit. Raises ValueError if the source is another model.
    """
    if is_hub_layout(source):
        raise ValueError(f"{source} is in the hub's layout; run python -m compress.inkuba convert first")
    if read_config(source).get("model_type") != "inkuba":
        raise ValueError(f"{source / 'config.json'} names {_architectures(source)}, not {OWN_CLASS}: nothing to expand")
    config, checkpoint = inkuba_config(source), open_checkpoint(source)
    names = _names_to_keep(config, checkpoint)
    check_shapes(config, checkpoint.shapes, source)
    copies = {name: name for name in names}
    for layer in range(1, config.num_hidden_layers):
        for name in names:
            if name.startswith(FIRST_MLP):
                copies[name.replace(FIRST_MLP, f"model.layers.{layer}.mlp.")] = name
    return _write(source, target, plain_config(config), copies, checkpoint)


def inkuba_config(folder: Path) -> "InkubaConfig":
    """The folder's settings as those of an "inkuba" model, without any pointer to code.

    `head_dim` is always spelt out. Raises ValueError for settings that transformers refuses.
    """
    from huggingface_hub.errors import StrictDataclassError

    from compress.inkuba_model import InkubaConfig

    values = {key: value for key, value in read_config(folder).items() if key not in ("model_type", "auto_map")}
    try:
        return InkubaConfig(**values | {"architectures": [OWN_CLASS]})
    except StrictDataclassError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error


def plain_config(config: "InkubaConfig") -> Any:
    """The settings of the expanded copy; `rope_theta` is also where transformers 4 and llama.cpp look for it."""
    from transformers import LlamaConfig

    values = {key: value for key, value in config.to_dict().items() if key not in ("model_type", "auto_map")}
    plain = LlamaConfig(**values | {"architectures": [PLAIN_CLASS]})
    plain.rope_theta = plain.rope_parameters["rope_theta"]
    return plain


def check_shapes(config: Any, shapes: Mapping[str, Shape], folder: Path) -> None:
    """Raises ValueError for the first tensor whose shape is not what the config says, the size of a head first."""
    for projection, key in PROJECTIONS.items():
        found = shapes[f"model.layers.0.self_attn.{projection}.weight"].dimensions[0]
        heads = getattr(config, key)
        if found != heads * config.head_dim:
            works = f"set head_dim to {found // heads}" if found % heads == 0 else f"{key} must divide {found}"
            raise ValueError(
                f"{folder / 'config.json'}: head_dim: {config.head_dim} does not fit the weights: {key} is {heads} and "
                f"{projection} has {found} rows, not {heads * config.head_dim}; {works}"
            )
    for name, dimensions in _expected_shapes(config).items():
        if name in shapes and shapes[name].dimensions != dimensions:
            raise ValueError(
                f"{folder}: {name} has shape {shapes[name].dimensions}, by config.json it should be {dimensions}; "
                "config and weights are of different models"
            )


def _expected_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of a plain Llama with these settings, by name; no memory is taken."""
    import torch
    from transformers import LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _names_to_keep(config: Any, checkpoint: Checkpoint) -> list[str]:
    """The names of the unique tensors, checked: none that the model needs is absent, none unknown."""
    found = {name for name in checkpoint.shapes if not name.endswith("rotary_emb.inv_freq")}
    expected = set(_expected_shapes(config))
    copies = {name for name in expected if ".mlp." in name and not name.startswith(FIRST_MLP)}
    needed = expected - copies
    if config.tie_word_embeddings:
        needed.discard(HEAD)
        if HEAD in found and not _equal(checkpoint, HEAD, EMBEDDING):
            raise ValueError(
                f"{checkpoint.folder}: config.json says tie_word_embeddings: true, but {HEAD} differs from "
                f"{EMBEDDING}; set tie_word_embeddings to false"
            )
    if absent := sorted(needed - found):
        tied = "; if the head is tied, set tie_word_embeddings to true" if absent == [HEAD] else ""
        raise ValueError(f"{checkpoint.folder}: the weights lack {absent[0]} ({len(absent)} in all){tied}")
    if unknown := sorted(found - expected):
        raise ValueError(
            f"{checkpoint.folder}: the weights hold {unknown[0]} ({len(unknown)} in all), which by config.json "
            f"(num_hidden_layers: {config.num_hidden_layers}) no such model has; both must be of one model"
        )
    return sorted(needed)


def _check_copies(checkpoint: Checkpoint) -> None:
    """Raises ValueError if the MLP of a layer is not bit for bit that of layer 0."""
    parts = [name.removeprefix(FIRST_MLP) for name in checkpoint.shapes if name.startswith(FIRST_MLP)]
    layers = [layer for layer in layers_of(checkpoint.shapes) if layer]
    with progress(len(layers), "MLP copies", "layer") as bar:
        for layer in layers:
            for part in sorted(parts):
                copy = f"model.layers.{layer}.mlp.{part}"
                if copy in checkpoint.shapes and not _equal(checkpoint, copy, FIRST_MLP + part):
                    raise ValueError(
                        f"{checkpoint.folder}: {copy} differs from {FIRST_MLP}{part}, so this model does not share one "
                        f'MLP; it is a plain Llama: set architectures to ["{PLAIN_CLASS}"] in config.json, remove '
                        "auto_map, and load it as such"
                    )
            bar.update()


def _equal(checkpoint: Checkpoint, one: str, other: str) -> bool:
    """Whether two tensors are equal bit for bit; torch.equal would take -0.0 for 0.0."""
    import torch

    if (checkpoint.shapes[one].dtype, checkpoint.shapes[one].dimensions) != (
        checkpoint.shapes[other].dtype,
        checkpoint.shapes[other].dimensions,
    ):
        return False
    first, second = (checkpoint.read(name).contiguous().view(torch.uint8) for name in (one, other))
    return torch.equal(first, second)


def _architectures(folder: Path) -> str:
    values = read_config(folder)
    return ", ".join(_strings(values.get("architectures"))) or f"model_type {values.get('model_type')}"


def _write(source: Path, target: Path, config: Any, copies: dict[str, str], checkpoint: Checkpoint) -> Path:
    """Write a model folder whose tensors are those of the checkpoint under other names; whole or not at all."""
    shapes = {name: checkpoint.shapes[origin] for name, origin in copies.items()}
    with new_folder(target) as folder, progress(len(copies), "weights", "tensor") as bar:

        def read(name: str) -> Any:
            bar.update()
            return checkpoint.read(copies[name])

        write_safetensors(folder / "model.safetensors", shapes, read)
        config.save_pretrained(folder)
        if (source / "generation_config.json").is_file():
            shutil.copyfile(source / "generation_config.json", folder / "generation_config.json")
        copy_tokenizer(source, folder)
    return target
