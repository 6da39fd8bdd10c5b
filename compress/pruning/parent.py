"""The model that is pruned: its config, its architecture, its weights on disk, checked to be what the config says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.inkuba import register
from compress.model_folder import read_config
from compress.pruning.architecture import Architecture, architecture_of
from compress.pruning.checkpoint import Checkpoint
from compress.pruning.sizes import Sizes, sizes_of
from compress.pruning.streaming import skeleton
from compress.tensor_files import HEAD

NO_WEIGHTS = ("rotary_emb.inv_freq", "rotary_emb.original_inv_freq")  # buffers that old checkpoints store


@dataclass(frozen=True)
class Model:
    """A model folder, opened; its weights stay on disk."""

    config: Any
    architecture: Architecture
    checkpoint: Checkpoint

    @property
    def sizes(self) -> Sizes:
        """The sizes of its shapes."""
        return sizes_of(self.config)


def open_model(folder: Path) -> Model:
    """The model in a folder.

    Raises FileNotFoundError for what is absent, ValueError for an architecture that cannot be pruned, and for weights
    that are not those that the config describes.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    architecture = architecture_of(read_config(folder))
    register()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except StrictDataclassError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    model = Model(config, architecture, Checkpoint(folder))
    _check_weights(model)
    return model


def stored_shapes(config: Any, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The tensors that a checkpoint of this config stores, in the order of the state dict, shared ones once."""
    shapes = {}
    for name, tensor in skeleton(config).state_dict().items():
        if name == HEAD and config.tie_word_embeddings:
            continue
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            if architecture.stored_name(int(layer), rest) != name:
                continue
        shapes[name] = tuple(tensor.shape)
    return shapes


def child_config(parent: Any, layers: tuple[int, ...], changes: dict[str, Any]) -> Any:
    """The parent's config with other sizes; lists with an entry a layer keep those of the layers that stay."""
    values = json.loads(parent.to_json_string(use_diff=False)) | changes
    if values.get("layer_types") is not None:
        values["layer_types"] = [values["layer_types"][layer] for layer in layers]
    values.pop("auto_map", None)
    return type(parent).from_dict(values)


def _check_weights(model: Model) -> None:
    expected = stored_shapes(model.config, model.architecture)
    found = model.checkpoint.shapes
    where = f"{model.checkpoint.folder}: model_type {model.architecture.model_type!r}"
    if absent := [name for name in expected if name not in found]:
        raise ValueError(
            f"{where}: {len(absent)} tensors are absent, the first {absent[0]}; this is another layout than the one in "
            "transformers: load it there and save it with save_pretrained (InkubaLM: python -m compress.inkuba convert)"
        )
    known = {*expected, *([HEAD] if model.config.tie_word_embeddings else [])}
    extra = sorted(name for name in found if name not in known and not name.endswith(NO_WEIGHTS))
    if extra:
        raise ValueError(
            f"{where} has no {extra[0]} ({len(extra)} such tensors); adapters must be merged, and experts, image "
            "encoders and other additions are not pruned"
        )
    for name, shape in expected.items():
        if found[name] != shape:
            raise ValueError(
                f"{where}: {name} is {found[name]}, but the sizes in config.json give {shape}; correct them, "
                "head_dim first"
            )
