"""What every command shares: quiet libraries, a progress bar, and errors turned into messages and exit codes."""

import errno
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneday.config import ConfigError
from oneday.machine import processors

if TYPE_CHECKING:
    from tqdm import tqdm

    from oneday.stage import Stage

RECIPE_HELP = (
    "RECIPE is a recipe folder, for example recipes/quickstart, or one of its data files, for example "
    "recipes/mistral-7b-birbal/data-400k.yaml, which is then read instead of data.yaml; the run folder stays the same."
)
FAILED, WRONG_RECIPE, INTERRUPTED = 1, 2, 130


def library_environment() -> dict[str, str]:
    """The environment that keeps the libraries quiet, off telemetry, on all processors and out of memory gaps.

    A variable that the user has set wins. accelerate would set OMP_NUM_THREADS to 1 if it were unset.
    """
    defaults = {
        "OMP_NUM_THREADS": str(processors()),
        "TOKENIZERS_PARALLELISM": "false",
        "DO_NOT_TRACK": "1",
        "AXOLOTL_DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",  # as the command `axolotl` sets it; on CUDA alone
    }
    return {name: os.environ.get(name, value) for name, value in defaults.items()}


def quiet_libraries() -> None:
    """Silence banners and warnings that a user can do nothing about. Call before the first heavy import."""
    os.environ.update(library_environment())
    warnings.filterwarnings("ignore", module=r"(torch|transformers|peft|bitsandbytes|torchao)\b.*")
    for name in ("torch.utils._pytree", "torchao", "bitsandbytes", "transformers", "matplotlib.font_manager"):
        logging.getLogger(name).setLevel(logging.ERROR)


def progress(total: int, label: str, unit: str, done: int = 0) -> "tqdm[Any]":
    """A progress bar on standard error; a plain line every 30 seconds where that is no terminal."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        initial=done,
        desc=f"{label:<11}",
        unit=unit,
        leave=False,
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 30,
    )


def run_command(work: Callable[[], None]) -> int:
    """Do `work`; 0 if it ends well, else the message on standard error and the exit code.

    2: the recipe is wrong. 1: the run failed. 130: the user stopped it.
    """
    from oneday.stage import StageError

    signal.signal(signal.SIGTERM, _stop)
    try:
        work()
    except ConfigError as error:
        faults = "fault" if len(error.faults) == 1 else "faults"
        print(f"{error}\n{len(error.faults)} {faults}; nothing was run.", file=sys.stderr)
        return WRONG_RECIPE
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"Error: {explain(error)}", file=sys.stderr)
        return FAILED
    except (StageError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return FAILED
    return 0


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def explain(error: OSError) -> str:
    """An operating-system error in words, with what to do about it where that is known."""
    place = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk{place}. Free some, then run the same command: finished stages are kept."
    return f"{error.strerror or error}{place}"


def stage_main(stage: "Stage", argv: list[str] | None = None) -> int:
    """The command line of one stage: `python -m package.verb RECIPE --out DIR`."""
    from oneday.options import DryRun, Out, RecipeFolder

    def command(recipe: RecipeFolder, out: Out = None, dry_run: DryRun = False) -> int:
        return run_stage(lambda: stage, recipe, out, dry_run)

    return typer_main(command, stage_help(stage), argv)


def run_stage(make_stage: "Callable[[], Stage]", recipe: Path, out: Path | None, dry_run: bool) -> int:
    """Bring one stage up to date, or say what that would do; the exit code."""

    def work() -> None:
        from oneday.recipe import load_recipe
        from oneday.stage import exclusive, execute, plan

        stage = make_stage()
        loaded = load_recipe(recipe)
        run_dir = out or loaded.default_out
        quiet_libraries()
        if dry_run:
            print(plan(stage, loaded, run_dir))
            if stage.preview is not None:
                print(stage.preview(loaded, run_dir))
            return
        with exclusive(run_dir):
            execute(stage, loaded, run_dir)

    return run_command(work)


def stage_help(stage: "Stage") -> str:
    """What `--help` says of a stage."""
    if callable(stage.inputs):
        reads = "what the recipe names"
    else:
        reads = ", ".join(stage.inputs) or "nothing from other stages"
    places = f"Reads {reads}; writes {stage.folder}/, all below the run folder."
    return f"{stage.summary}\n\n{RECIPE_HELP}\n\n{places}"


def typer_main(command: Callable[..., int], help_text: str, argv: list[str] | None = None) -> int:
    """Parse the command line, call `command`, return its exit code; 2 after a usage message."""
    import click
    import typer

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=help_text)(command)
    try:
        return int(app(args=argv, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
