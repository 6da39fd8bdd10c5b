"""The last step of a compression: the linear layers' weights in fewer bits, by torchao, and what that costs.

Model folder, settings, texts -> a model folder in safetensors that AutoModelForCausalLM loads where torchao is
installed, and a report of bytes and loss. Embeddings, norms and the head stay as they are; nothing is calibrated.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from compress.config import Quantise
from compress.model_folder import copy_tokenizer, new_folder, read_config
from compress.tensor_files import safetensors_shapes, weight_files
from oneday.console import progress

HEAD = "lm_head"
STEP = 16  # group sizes are multiples of it, see compress.config.Quantise


class QuantiseReport(BaseModel):
    """Bytes are those of the weight files; losses are mean nats a token on the same texts."""

    scheme: str
    group_size: int
    texts: int
    tokens: int
    bytes_before: int
    bytes_after: int
    loss_before: float
    loss_after: float


def quantise_model(source: Path, target: Path, settings: Quantise, texts: list[str]) -> QuantiseReport:
    """Write the quantised model and its tokenizer to `target`, whole or not at all, and measure both models.

    A shared MLP stays shared. Raises ValueError, before any work, for a scheme that this machine cannot run, a group
    size that fits no layer's width, a model that is quantised already, or texts without two tokens.
    """
    check_machine(settings)
    files = weight_files(source)
    if not files:
        raise FileNotFoundError(f"{source} holds no model.safetensors; write the model with save_pretrained")
    if "quantization_config" in read_config(source):
        raise ValueError(f"{source} is quantised already; name the model that it was made of")
    _check_group_size(files, settings.group_size)
    loss_before, tokens = mean_loss(source, texts)
    with new_folder(target) as folder:
        _write_quantised(source, folder, settings)
        loss_after, _ = mean_loss(folder, texts)
    return QuantiseReport(
        scheme=settings.scheme,
        group_size=settings.group_size,
        texts=len(texts),
        tokens=tokens,
        bytes_before=sum(path.stat().st_size for path in files),
        bytes_after=sum(path.stat().st_size for path in weight_files(target)),
        loss_before=loss_before,
        loss_after=loss_after,
    )


def check_machine(settings: Quantise) -> None:
    """Raises ValueError if this machine cannot run the scheme."""
    import torch

    if settings.scheme == "int4_weight_only" and not torch.cuda.is_available():
        raise ValueError(
            "scheme: int4_weight_only needs a CUDA GPU: torchao 0.17 has no 4-bit weights for the CPU; take "
            "scheme: int8_weight_only, or run this stage on a machine with such a GPU"
        )


def mean_loss(folder: Path, texts: Iterable[str]) -> tuple[float, int]:
    """A model's mean loss in nats a token over the texts, and the number of tokens that were predicted.

    A text longer than the model's context is cut. Raises ValueError if no text has two tokens.
    """
    import torch
    from transformers import AutoTokenizer

    given = list(texts)
    tokenizer, model = AutoTokenizer.from_pretrained(folder, trust_remote_code=False), _load(folder)
    total, count = 0.0, 0
    with torch.no_grad(), progress(len(given), "loss", "text") as bar:
        for text in given:
            longest = model.config.max_position_embeddings
            ids = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt").input_ids.to(model.device)
            if ids.shape[1] > 1:
                logits = model(ids, use_cache=False).logits[0, :-1].float()
                total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
                count += ids.shape[1] - 1
            bar.update()
    if not count:
        raise ValueError(f"texts: none of the {len(given)} texts has two tokens; name texts to measure the loss on")
    return total / count, count


def table(report: QuantiseReport) -> str:
    """The report as lines of text."""
    share = report.bytes_after / report.bytes_before
    return "\n".join(
        [
            f"{report.scheme}, groups of {report.group_size}",
            f"bytes  {report.bytes_before:>15,} -> {report.bytes_after:>15,}  ({share:.1%})",
            f"loss   {report.loss_before:>15.4f} -> {report.loss_after:>15.4f}  (nats a token, {report.tokens:,} "
            f"tokens of {report.texts:,} texts)",
        ]
    )


def _check_group_size(files: list[Path], group_size: int) -> None:
    """Raises ValueError if a linear layer's inputs are no whole number of groups."""
    widths = {
        name: shape.dimensions[1]
        for path in files
        for name, shape in safetensors_shapes(path).items()
        if name.endswith("_proj.weight")
    }
    common = math.gcd(*widths.values())
    fits = [size for size in range(STEP, common + 1, STEP) if common % size == 0]
    for name, width in widths.items():
        if width % group_size:
            works = f"take one of {', '.join(map(str, fits))}" if fits else f"no multiple of {STEP} fits all layers"
            raise ValueError(f"group_size: {group_size} does not divide the {width} inputs of {name}; {works}")


def _load(folder: Path, **quantisation: Any) -> Any:
    """The model in the precision in which it is stored, on the GPU if there is one."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from compress.inkuba import register

    logging.disable_progress_bar()
    register()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(
        folder, device_map=device, trust_remote_code=False, **quantisation
    ).eval()


def _torchao_config(settings: Quantise) -> Any:
    """torchao's settings: the newer versions of both schemes, the only ones that it can store as safetensors."""
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, PerGroup

    if settings.scheme == "int8_weight_only":
        return Int8WeightOnlyConfig(version=2, granularity=PerGroup(settings.group_size), set_inductor_config=False)
    return Int4WeightOnlyConfig(
        group_size=settings.group_size, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
    )


def _write_quantised(source: Path, folder: Path, settings: Quantise) -> None:
    """Quantise and write the model.

    The head is named: by itself transformers would also skip whatever is tied, and so a shared MLP. For the same
    reason the weights are not written by save_pretrained, which stores a shared MLP once a layer under these names.
    """
    import torch
    from safetensors.torch import save_file
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
    from transformers import TorchAoConfig

    dtype = {"dtype": torch.bfloat16} if settings.scheme == "int4_weight_only" else {}  # its kernel knows no other
    how = TorchAoConfig(_torchao_config(settings), modules_to_not_convert=[HEAD])
    model = _load(source, quantization_config=how, **dtype)
    unique = {name: value for name, value in model.state_dict().items() if name not in model.all_tied_weights_keys}
    tensors, metadata = flatten_tensor_state_dict(unique)
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata=metadata | {"format": "pt"})
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    copy_tokenizer(source, folder)
