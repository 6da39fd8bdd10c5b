"""InkubaLM: its model class made known to transformers, and its checkpoints converted.

    python -m compress.inkuba convert SOURCE TARGET    the hub's layout -> a folder with the shared MLP once
    python -m compress.inkuba expand SOURCE TARGET     that -> a plain Llama for vLLM, llama.cpp, HELM, lm-eval

Other modules call `register` before they load a model of any kind.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from compress.inkuba_checkpoint import expand, from_hub_layout, is_hub_layout
from oneday.console import quiet_libraries, run_command

if TYPE_CHECKING:
    from compress.inkuba_model import InkubaConfig, InkubaForCausalLM

__all__ = ["InkubaConfig", "InkubaForCausalLM", "expand", "from_hub_layout", "is_hub_layout", "main", "register"]

HELP = """Convert checkpoints of InkubaLM, whose layers all share one MLP.

convert: for weights from the hub, which hold the MLP once for each layer (.bin or safetensors). The result holds it
once and is what trim, prune and training read.

expand: for tools that do not know this model: vLLM, llama.cpp, HELM, lm-eval. The result is a plain Llama with a copy
of the MLP in each layer, equal to the last bit, and larger on disk and in memory by those copies.
"""


def __getattr__(name: str) -> Any:
    """The two classes, imported when they are asked for: transformers takes seconds."""
    if name in ("InkubaConfig", "InkubaForCausalLM"):
        from compress import inkuba_model

        return getattr(inkuba_model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register() -> None:
    """Make the model type "inkuba" known to AutoConfig and AutoModelForCausalLM; more than once does no harm."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from compress.inkuba_model import MODEL_TYPE, InkubaConfig, InkubaForCausalLM

    AutoConfig.register(MODEL_TYPE, InkubaConfig, exist_ok=True)
    AutoModelForCausalLM.register(InkubaConfig, InkubaForCausalLM, exist_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Convert or expand one model folder."""
    import click
    import typer

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=HELP)
    Source = Annotated[Path, typer.Argument(help="A model folder.")]
    Target = Annotated[Path, typer.Argument(help="The folder to write; it must not exist yet.")]

    def run(work: Any, source: Path, target: Path) -> int:
        quiet_libraries()
        return run_command(lambda: print(f"{work(source, target)} is ready"))

    @app.command()
    def convert(source: Source, target: Target) -> int:
        """The hub's layout -> a folder that holds the shared MLP once."""
        return run(from_hub_layout, source, target)

    @app.command("expand")
    def expand_command(source: Source, target: Target) -> int:
        """A folder that holds the MLP once -> a plain Llama for tools that do not know the model."""
        return run(expand, source, target)

    try:
        return int(app(args=argv, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
