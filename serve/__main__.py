"""Serve a recipe's model by the challenge's HTTP API.

    python -m serve recipes/quickstart

Reads the recipe's serve.yaml and rules.yaml and the model that its run folder holds, or another that is named.
"""

import atexit
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oneday.console import RECIPE_HELP, quiet_libraries, run_command, typer_main
from oneday.options import DryRun, Out, RecipeFolder
from serve.transformers_engine import Precision

if TYPE_CHECKING:
    from postprocess.cases import RuleSet
    from serve.completing.request import CompletionEngine
    from serve.config import ServeConfig
    from serve.model_choice import ModelChoice

EXAMPLE = """curl {url}/process -d '{{"prompt": "The capital of France is", "max_new_tokens": 8}}'"""
HELP = f"""Serve a recipe's model by the challenge's HTTP API: POST /process, /tokenize and /decode, GET /health and \
/metrics, and OpenAI's /v1/completions.

Once it says that it is ready:

\b
  {EXAMPLE.format(url="http://127.0.0.1:8080")}

Ctrl-C or SIGTERM stops it: requests in work are finished first. {RECIPE_HELP} Engine, precision and limits are \
settings of its serve.yaml; the rules that clean the answers are those of its rules.yaml."""

Which = Annotated[Literal["tuned", "base"], typer.Option("--model", help="Which of the recipe's models.")]
BaseModel = Annotated[
    str | None,
    typer.Option(envvar="ONEDAY_BASE_MODEL", help="Serve this model, a folder or hub id, and not the recipe's."),
]
Adapter = Annotated[
    Path | None, typer.Option(envvar="ONEDAY_ADAPTER", help="Folder of an adapter to put on the base model.")
]
Host = Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine's.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")]
Name = Annotated[str | None, typer.Option(help="What the server calls the model [default: after recipe or folder].")]
DeviceName = Annotated[
    Literal["cpu", "cuda"] | None, typer.Option("--device", help="Where it runs [default: a GPU if there is one].")
]
PrecisionName = Annotated[
    Precision | None, typer.Option("--precision", help="Precision of the weights [default: that of serve.yaml].")
]


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and serve; 0 after a signal to stop, 1 for what cannot be served, 2 for a wrong recipe.

    130 for a signal before the server is ready.
    """

    def command(
        recipe: RecipeFolder,
        out: Out = None,
        which: Which = "tuned",
        base_model: BaseModel = None,
        adapter: Adapter = None,
        name: Name = None,
        host: Host = "127.0.0.1",
        port: Port = 8080,
        device: DeviceName = None,
        precision: PrecisionName = None,
        dry_run: DryRun = False,
    ) -> int:
        def work() -> None:
            from oneday.models import ensure_base_model
            from oneday.recipe import load_recipe
            from serve.model_choice import choose_model

            loaded = load_recipe(recipe)
            config = loaded.serve if precision is None else loaded.serve.model_copy(update={"precision": precision})
            model = choose_model(loaded, out or loaded.default_out, which, base_model, adapter)
            model = model if name is None else replace(model, name=name)
            if dry_run:
                by = _described(config, loaded.rules, device)
                print(f"Would serve {model.name}: {model}\n  by {by}\n  at {host}, port {port}")
                return
            if model.base_model == loaded.base_model:
                ensure_base_model(loaded.base_model, loaded.base_model_from)
            _serve(model, config, loaded.rules, host, port, device)

        return run_command(work)

    return typer_main(command, HELP, argv)


def _described(config: "ServeConfig", rules: "RuleSet", device: str | None) -> str:
    """The settings in words."""
    from serve.rules_in_words import rules_in_words

    limits = config.limits
    return (
        f"{config.engine}, {config.precision}, on {device or 'the GPU if there is one'}; a window of "
        f"{config.max_length} tokens, {config.batching.slots} requests at once and {limits.queue} waiting, each at "
        f"most {limits.deadline_seconds:g} s; rules: {rules_in_words(rules)}"
    )


def _serve(
    model: "ModelChoice", config: "ServeConfig", rules: "RuleSet", host: str, port: int, device: str | None
) -> None:
    """Load the model, then open the port and answer until told to stop."""
    quiet_libraries()
    from serve.app import create_app
    from serve.logs import LOGGER, log_to_standard_error
    from serve.running import bind, is_loopback, server_of, url_of
    from serve.text_tokens import round_trip_fault

    bound = bind(host, port)  # which tells of a port in use before the model is loaded
    if not is_loopback(bound):
        warning = "whoever reaches this port can use the model; there is no password"
        print(f"Warning: listening at {host}, beyond this machine: {warning}", file=sys.stderr)
    print(f"Loading {model} ({_described(config, rules, device)})", file=sys.stderr)
    log_to_standard_error()
    engine = _load(model, config, device)
    if (fault := round_trip_fault(engine.tokenizer)) is not None:
        LOGGER.warning("/decode does not give every text back: %s", fault)
    app = create_app(engine, config, model.name, rules)
    ready = f"Ready: {model.name}. {EXAMPLE.format(url=url_of(bound))}"
    server_of(app, config.limits.shutdown_seconds, lambda: print(ready, flush=True)).run([bound])


def _load(model: "ModelChoice", config: "ServeConfig", device: str | None) -> "CompletionEngine":
    """The engine that the recipe names, with the model in it."""
    if config.engine == "vllm":
        from serve.completing.vllm_completions import load_vllm_completions

        if device is not None:
            raise ValueError("--device: vLLM runs where it was installed for; leave the option out")
        return load_vllm_completions(model.base_model, model.adapter, config)
    from serve.completing.transformers_completions import load_transformers_completions

    return load_transformers_completions(model.base_model, model.adapter, config, device)


def _end(codes: list[int]) -> None:
    """End the process with the last of the codes. Python would free a model's libraries one by one, for seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(codes[-1])


if __name__ == "__main__":
    ended = [1]  # what an error that nothing foresaw ends with
    atexit.register(_end, ended)  # the first one registered, so the last to be called
    ended.append(main())
    sys.exit(ended[-1])
