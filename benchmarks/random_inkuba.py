"""InkubaLM without its gated weights: a model folder in the hub's layout, with random weights and a made-up tokenizer.

    python -m benchmarks.random_inkuba FOLDER [--layout bin|safetensors] [--hidden-size 64 ...]

Shapes, config.json and files are those of lelapa/InkubaLM-0.4B: the MLP that all layers share is stored in each of
them. What such a model says is noise; its size, speed and road through the compression are the real one's.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from compress.model_folder import new_folder
from compress.tensor_files import BIN, SAFETENSORS, Shape, write_safetensors
from oneday.console import progress, quiet_libraries, run_command, typer_main
from oneday.files import write_json

if TYPE_CHECKING:
    import torch

Layout = Literal["bin", "safetensors"]
SPREAD = 0.02  # the config's initializer_range
# What runs if anything loads the folder with its remote code, which nothing here may do.
REMOTE_CODE = 'raise RuntimeError("remote code was run")\n'


@dataclass(frozen=True)
class Sizes:
    """What may differ from InkubaLM-0.4B, whose sizes are the defaults (the config.json on the hub)."""

    vocabulary: int = 61_788
    hidden_size: int = 2048
    intermediate_size: int = 5632
    layers: int = 8
    heads: int = 32
    seed: int = 42


def make_random_inkuba(folder: Path, layout: Layout = "bin", texts: Iterable[str] = (), **sizes: int) -> Path:
    """Write the model folder and return it; `sizes` are fields of Sizes, `texts` shape the tokenizer.

    The norms are ones, all else is normal with a spread of 0.02. Raises ValueError for sizes that do not fit.
    """
    from benchmarks.random_tokenizer import write_random_tokenizer

    chosen = Sizes(**sizes)
    if chosen.hidden_size % (2 * chosen.heads):
        raise ValueError(
            f"hidden_size: {chosen.hidden_size} does not fit heads: {chosen.heads}; it must be a multiple of "
            f"{2 * chosen.heads}"
        )
    with new_folder(folder) as partial:
        write_random_tokenizer(partial, chosen.vocabulary, chosen.seed, texts)
        write_json(partial / "config.json", hub_config(chosen))
        tokens = {"bos_token_id": 1, "eos_token_id": 2}
        write_json(partial / "generation_config.json", {"_from_model_config": True, **tokens})
        (partial / "vulavulaslm.py").write_text(REMOTE_CODE, encoding="utf-8")
        _write_weights(partial, chosen, layout)
    return folder


def hub_config(sizes: Sizes) -> dict[str, Any]:
    """config.json as it is on the hub, with these sizes."""
    return {
        "architectures": ["VulavulaLlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {"AutoModelForCausalLM": "vulavulaslm.VulavulaLlamaForCausalLM"},
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": sizes.hidden_size // sizes.heads,
        "hidden_act": "silu",
        "hidden_size": sizes.hidden_size,
        "initializer_range": SPREAD,
        "intermediate_size": sizes.intermediate_size,
        "max_position_embeddings": 2048,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.heads,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.40.1",
        "use_cache": True,
        "vocab_size": sizes.vocabulary,
    }


def _shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """The tensors of the hub's checkpoint by name, the MLP in every layer."""
    hidden, inner = sizes.hidden_size, sizes.intermediate_size
    layer = {
        "input_layernorm": (hidden,),
        **{f"self_attn.{part}_proj": (hidden, hidden) for part in "qkvo"},
        "post_attention_layernorm": (hidden,),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    embedding = {"model.embed_tokens.weight": (sizes.vocabulary, hidden)}
    layers = {
        f"model.layers.{number}.{name}.weight": shape for number in range(sizes.layers) for name, shape in layer.items()
    }
    return embedding | layers | {"model.norm.weight": (hidden,), "lm_head.weight": (sizes.vocabulary, hidden)}


def _write_weights(folder: Path, sizes: Sizes, layout: Layout) -> None:
    import torch

    shapes = _shapes(sizes)
    with progress(len(shapes), "weights", "tensor") as bar:
        shared: dict[str, torch.Tensor] = {}

        def read(name: str) -> torch.Tensor:
            bar.update()
            if ".mlp." not in name:
                return _random(shapes[name], sizes.seed, list(shapes).index(name))
            part = name.partition(".mlp.")[2]
            if part not in shared:
                first = f"model.layers.0.mlp.{part}"
                shared[part] = _random(shapes[name], sizes.seed, list(shapes).index(first))
            return shared[part].clone()

        if layout == "bin":
            torch.save({name: read(name) for name in shapes}, folder / BIN)
        else:
            described = {name: _float32(shape) for name, shape in shapes.items()}
            write_safetensors(folder / SAFETENSORS, described, read)


def _float32(dimensions: tuple[int, ...]) -> Shape:
    elements = Shape("F32", dimensions, 0).elements
    return Shape("F32", dimensions, 4 * elements)


def _random(shape: tuple[int, ...], seed: int, number: int) -> "torch.Tensor":
    """One tensor, the same for the same seed and place in the model, whatever was drawn before."""
    import torch

    if len(shape) == 1:
        return torch.ones(shape)
    generator = torch.Generator().manual_seed(1000 * seed + number)
    return torch.empty(shape).normal_(0.0, SPREAD, generator=generator)


def main(argv: list[str] | None = None) -> int:
    """Write one model folder."""
    import typer

    standard = Sizes()

    def command(
        folder: Annotated[Path, typer.Argument(help="The folder to write; it must not exist yet.")],
        layout: Annotated[Layout, typer.Option(help="How the weights are stored.")] = "bin",
        texts: Annotated[list[Path] | None, typer.Option(help="Texts that shape the tokenizer, by the line.")] = None,
        vocabulary: Annotated[int, typer.Option(help="Tokens.")] = standard.vocabulary,
        hidden_size: Annotated[int, typer.Option(help="Width of the residual stream.")] = standard.hidden_size,
        intermediate_size: Annotated[int, typer.Option(help="Neurons of the MLP.")] = standard.intermediate_size,
        layers: Annotated[int, typer.Option(help="Decoder layers.")] = standard.layers,
        heads: Annotated[int, typer.Option(help="Attention heads.")] = standard.heads,
        seed: Annotated[int, typer.Option(help="Of weights and made-up words.")] = standard.seed,
    ) -> int:
        sizes = {
            "vocabulary": vocabulary,
            "hidden_size": hidden_size,
            "intermediate_size": intermediate_size,
            "layers": layers,
            "heads": heads,
            "seed": seed,
        }

        def work() -> None:
            lines = [line for path in texts or [] for line in path.read_text(encoding="utf-8").splitlines()]
            print(f"{make_random_inkuba(folder, layout, lines, **sizes)} is ready")

        quiet_libraries()
        return run_command(work)

    return typer_main(command, __doc__ or "", argv)


if __name__ == "__main__":
    sys.exit(main())
