"""A recipe -> the files of its image: the Dockerfile with the recipe as its default, tracked code, and the weights.

What is not in version control is not taken, except the weights, of which only the files that serving needs are.
"""

import re
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from eval.generate import tuned_model
from oneday.config import ConfigError, Fault
from oneday.recipe import Recipe
from serve.image.download import repository
from serve.image.weight_files import ADAPTER, BASE, PATTERNS

ROOT = Path(__file__).parents[2]
CODE = ("compress", "data_prep", "eval", "oneday", "postprocess", "serve", "training")
SINGLE_FILES = (".dockerignore", "constraints.txt", "LICENSE", "pyproject.toml", "README.md")
MODEL_DIR = "model"  # the weights' folder in the context


@dataclass(frozen=True)
class Weights:
    """What is served: each a folder, or a hub id that the image is to fetch while it is built."""

    base_model: Path | str
    adapter: Path | str | None


@dataclass(frozen=True)
class Context:
    """Everything that the image is built from. `files`: name in the context -> file on this machine."""

    recipe: str
    dockerfile: str
    files: dict[str, Path]
    weights: Weights


def build_context(recipe: Recipe, base_model: str | None, adapter: str | None, root: Path = ROOT) -> Context:
    """The context of the recipe's image.

    Raises ConfigError for a recipe without serve.yaml or with another engine than transformers, ValueError for weights
    that are not there and for code that is not tracked.
    """
    if not (recipe.folder / "serve.yaml").is_file():
        raise ConfigError([Fault(recipe.folder / "serve.yaml", "", "no such file, and an image needs it to serve")])
    if recipe.serve.engine != "transformers":
        message = f"{recipe.serve.engine}, which the image does not have; it serves with transformers"
        raise ConfigError([Fault(recipe.folder / "serve.yaml", "engine", message)])
    weights = find_weights(recipe, base_model, adapter)
    folder = recipe.folder.resolve()
    if folder.parent != (root / "recipes").resolve():
        raise ValueError(f"{recipe.folder}: an image takes a recipe in {root / 'recipes'}; put it there")
    names = tracked_files(root, [*CODE, *SINGLE_FILES, f"recipes/{folder.name}"])
    files = {name: root / name for name in names}
    for part, source in ((BASE, weights.base_model), (ADAPTER, weights.adapter)):
        if isinstance(source, Path):
            files |= {f"{MODEL_DIR}/{part}/{path.name}": path for path in weight_files(source)}
    dockerfile = with_defaults((root / "Dockerfile").read_text(encoding="utf-8"), _defaults(recipe, weights))
    return Context(recipe.name, dockerfile, dict(sorted(files.items())), weights)


def _defaults(recipe: Recipe, weights: Weights) -> dict[str, str]:
    """The arguments of the build that need not be given any more."""
    sources = {"HF_BASE_MODEL": weights.base_model, "HF_ADAPTER": weights.adapter}
    fetched = {name: source for name, source in sources.items() if isinstance(source, str)}
    inside = any(isinstance(source, Path) for source in sources.values())
    name = recipe.name if recipe.data_file == "data.yaml" else f"{recipe.name}/{recipe.data_file}"
    return {"RECIPE": name, **fetched, **({"MODEL_DIR": MODEL_DIR} if inside else {})}


def with_defaults(dockerfile: str, values: dict[str, str]) -> str:
    """The Dockerfile with these defaults of its ARGs. ValueError if it does not have an ARG exactly once."""
    for name, value in values.items():
        dockerfile, count = re.subn(rf"^ARG {name}=.*$", f"ARG {name}={value}", dockerfile, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"Dockerfile: {count} lines 'ARG {name}=...', and exactly one is needed")
    return dockerfile


def tracked_files(root: Path, places: list[str]) -> list[str]:
    """The files in version control below these places, by name. ValueError if a file there is not tracked."""
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *places)
    if untracked:
        raise ValueError(f"not in version control: {', '.join(untracked)}; `git add` them, or list them in .gitignore")
    tracked = [name for name in _git(root, "ls-files", "-z", "--", *places) if (root / name).is_file()]
    for place in places:
        if not any(name == place or name.startswith(f"{place}/") for name in tracked):
            raise ValueError(f"{root / place}: nothing in version control there; the image needs it")
    return sorted(tracked)


def _git(root: Path, *arguments: str) -> list[str]:
    """The entries of a command's answer. ValueError with git's own message if it fails."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"git: {done.stderr.strip()}; an image is made in a clone of the repository")
    return [entry for entry in done.stdout.split("\0") if entry]


def find_weights(recipe: Recipe, base_model: str | None, adapter: str | None) -> Weights:
    """What to serve: what is named, else what the recipe's training left in its run folder."""
    trained = recipe.default_out / "06_train" / "model"
    parent = base_model or str(recipe.train.values["base_model"])
    if base_model is not None or adapter is not None:
        return Weights(_source(parent), _source(adapter) if adapter is not None else None)
    there = any((trained / name).is_file() for name in ("adapter_config.json", "config.json"))
    if there and (trained.parent / "report.json").is_file():
        base, tuned = tuned_model(recipe, recipe.default_out)
        return Weights(_source(base), tuned)
    raise ValueError(
        f"{trained}: no model whose training is finished; run `python run.py {recipe.folder}`, or name --base-model "
        "and --adapter"
    )


def _source(name: str) -> Path | str:
    """A folder that is there, else the hub id. ValueError if it is neither."""
    if Path(name).is_dir():
        return Path(name)
    try:
        repository(name)
    except ValueError:
        raise ValueError(
            f"{name}: no such folder, and no hub id (OWNER/NAME or OWNER/NAME@REVISION); if the recipe makes this "
            "folder, run the recipe first"
        ) from None
    return name


def weight_files(folder: Path) -> list[Path]:
    """The files of a model's folder that serving needs, by name. ValueError if there are no safetensors."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    wanted = [path for path in files if any(fnmatch(path.name, pattern) for pattern in PATTERNS)]
    if not any(path.suffix == ".safetensors" for path in wanted):
        raise ValueError(f"{folder}: no .safetensors file; other weights are not taken, because they can carry code")
    return wanted
