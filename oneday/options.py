"""Command-line options that several commands share, so that they have the same names and help everywhere."""

from pathlib import Path
from typing import Annotated

import typer

RecipeFolder = Annotated[
    Path,
    typer.Argument(help="Recipe folder, such as recipes/quickstart, or one of its data files, such as data-400k.yaml."),
]
Out = Annotated[Path | None, typer.Option(help="Run folder [default: runs/RECIPE].")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run, change nothing.")]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="What answers the prompts: transformers (CPU or one GPU), vllm (GPU, faster), "
        "or server (any server with the OpenAI API, named by --engine-url).",
    ),
]
EngineUrl = Annotated[
    str | None, typer.Option(help="The server's address for --engine server, such as http://127.0.0.1:8000/v1.")
]
ServedModel = Annotated[
    str | None, typer.Option(help="The base model's name on that server [default: base_model of train.yaml].")
]
EngineConcurrency = Annotated[int | None, typer.Option(help="Requests at a time to that server.")]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray", help="Spread the tasks over the Ray cluster at this address; 'local' starts one here."),
]
