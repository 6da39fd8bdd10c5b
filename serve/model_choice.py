"""Which model a server has: the recipe's tuned one, its base model, or any that is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.answer import model_of
from eval.zindi_config import ModelName
from oneday.recipe import Recipe

RecipeModel = Literal["tuned", "base"]
MODEL_NAMES: dict[RecipeModel, ModelName] = {"tuned": "tuned", "base": "untuned"}


@dataclass(frozen=True)
class ModelChoice:
    """A folder or hub id, the adapter on it if there is one, and what the server calls the two."""

    base_model: str
    adapter: Path | None
    name: str

    def __str__(self) -> str:
        return self.base_model if self.adapter is None else f"{self.adapter} on {self.base_model}"


def choose_model(
    recipe: Recipe, run_dir: Path, which: RecipeModel, base_model: str | None, adapter: Path | None
) -> ModelChoice:
    """The model to serve. With `base_model`, that one and no other; `adapter` alone lies on the recipe's base model.

    ValueError if it is not there, with the command that makes it.
    """
    if base_model is not None:
        chosen = ModelChoice(base_model, adapter, Path(base_model).name)
    elif adapter is not None:
        chosen = ModelChoice(model_of(recipe, run_dir, "untuned")[0], adapter, recipe.name)
    else:
        chosen = ModelChoice(*model_of(recipe, run_dir, MODEL_NAMES[which]), f"{recipe.name}-{which}")
    for folder in (Path(chosen.base_model), *filter(None, (chosen.adapter,))):
        if folder.is_relative_to(run_dir) and not (folder.parent / "report.json").is_file():
            out = "" if run_dir == recipe.default_out else f" --out {run_dir}"
            make = f"make it with `python run.py {recipe.folder}{out}`"
            raise ValueError(f"there is no finished model in {folder.parent}; {make}, or name one by --base-model")
    if chosen.adapter is not None and not (chosen.adapter / "adapter_config.json").is_file():
        raise ValueError(
            f"{chosen.adapter} has no adapter_config.json, so it is no adapter; name its folder by --adapter"
        )
    return chosen
