"""The container's first process: finds the weights, then becomes `python -m serve`.

ONEDAY_BASE_MODEL and ONEDAY_ADAPTER come first, each a folder, or OWNER/NAME or OWNER/NAME@REVISION on the hub (a token
in HF_TOKEN); then /model/base and /model/adapter. A base model that is named gets no adapter but one that is named too.
The container's arguments go to the server.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from oneday.recipe import load_recipe
from serve.image.download import fetched, repository
from serve.image.weight_files import ADAPTER, BASE

MODEL = Path("/model")
MARKS = {BASE: "config.json", ADAPTER: "adapter_config.json"}
VARIABLES = {BASE: "ONEDAY_BASE_MODEL", ADAPTER: "ONEDAY_ADAPTER"}
NO_WEIGHTS = (
    "the image has no weights, and none are named. Mount a folder at /model/base (a whole model) or /model/adapter, "
    "set ONEDAY_BASE_MODEL or ONEDAY_ADAPTER to a hub id, or build the image with `make docker`."
)


def found_weights(environment: Mapping[str, str], model: Path, part: str) -> str | None:
    """The base model or the adapter, a folder or a hub id; None where none is named and none is there."""
    folder = model / part
    there = str(folder) if (folder / MARKS[part]).is_file() else None
    return environment.get(VARIABLES[part]) or there


def server_command(environment: Mapping[str, str], model: Path, arguments: Sequence[str]) -> list[str]:
    """The command line of the server, its weights fetched. ValueError if there is nothing to serve."""
    recipe = Path("recipes") / environment["ONEDAY_RECIPE"]
    weights = {part: name for part in (BASE, ADAPTER) if (name := found_weights(environment, model, part)) is not None}
    if not weights:
        raise ValueError(NO_WEIGHTS)
    if environment.get(VARIABLES[BASE]) and not environment.get(VARIABLES[ADAPTER]):
        weights.pop(ADAPTER, None)  # it belongs to the image's own base model
    if BASE not in weights:
        weights[BASE] = base_on_hub(recipe)
    folders = {part: name if Path(name).is_dir() else str(fetched(name)) for part, name in weights.items()}
    command = [sys.executable, "-m", "serve", str(recipe)]
    command += ["--name", environment["ONEDAY_RECIPE"].partition("/")[0]]
    command += ["--host", "0.0.0.0", "--port", environment["ONEDAY_PORT"]]  # in a container, loopback reaches nobody
    command += ["--base-model", folders[BASE]]
    command += ["--adapter", folders[ADAPTER]] if ADAPTER in folders else []
    return [*command, *arguments]


def base_on_hub(recipe: Path) -> str:
    """The hub id of the recipe's base model, for an adapter that comes alone. ValueError if it is not on the hub."""
    name = load_recipe(recipe).base_model
    try:
        repository(name)
        on_hub = not name.startswith("runs/")
    except ValueError:
        on_hub = False
    if not on_hub:
        raise ValueError(
            f"there is an adapter but no base model, and {name}, which {recipe} names, is not on the hub. Mount it at "
            "/model/base, or set ONEDAY_BASE_MODEL"
        )
    return name


def main() -> int:
    """Become the server, or say what it lacks: exit code 2, or 1 if the hub does not give it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # a first process ignores it by default
    try:
        command = server_command(os.environ, MODEL, sys.argv[1:])
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Error: the hub does not give the weights: {error}", file=sys.stderr)
        return 1
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all is here
    return os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
