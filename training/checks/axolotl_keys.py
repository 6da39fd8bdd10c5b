"""Every key of an Axolotl file that the installed Axolotl does not know, at every depth.

Axolotl drops such a key without a word. The truth is the fields of its pydantic models, the names that these accept as
aliases, and the names that Axolotl still rewrites. A mapping that Axolotl leaves open may hold anything.
"""

import importlib.util
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel

from oneday.config import Document, Fault, nested_models, unknown_key


def unknown_keys(document: Document, schema: type[BaseModel]) -> Iterator[Fault]:
    """A fault for each key that `schema` would drop, with the nearest key that it knows."""

    def of_mapping(values: Mapping[Any, Any], models: list[type[BaseModel]], prefix: str) -> Iterator[Fault]:
        accepted = {name: annotation for model in models for name, annotation in _accepted(model).items()}
        for key, value in values.items():
            if key in accepted:
                yield from of_value(value, accepted[key], f"{prefix}{key}")
            else:
                yield document.fault(f"{prefix}{key}", _unknown(str(key), accepted, top=not prefix))

    def of_value(value: Any, annotation: Any, path: str) -> Iterator[Fault]:
        if isinstance(value, list):
            for position, item in enumerate(value):
                yield from of_value(item, annotation, f"{path}.{position}")
        elif isinstance(value, dict) and not _is_open(annotation):
            dataset = re.fullmatch(r"(test_)?datasets\.\d+", path)
            models = [dataset_model(document.values, value)] if dataset else nested_models(annotation)
            if models:
                yield from of_mapping(value, models, f"{path}.")

    return of_mapping(document.values, [schema], "")


def _accepted(model: type[BaseModel]) -> dict[str, Any]:
    """The names under which a model reads its fields, with their annotations."""
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    names: dict[str, Any] = {}
    for field_name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        given = [str(choice.path[0] if isinstance(choice, AliasPath) else choice) for choice in choices if choice]
        for name in [*given, field_name] if by_name or not given else given:
            names[name] = field.annotation
    if model.__name__ == "FSDPConfig":  # Axolotl strips this old prefix: check_fsdp_config_kwargs_prefix
        names |= {f"fsdp_{name}": annotation for name, annotation in names.items()}
    return names


def _is_open(annotation: Any) -> bool:
    """Whether a mapping with any keys is allowed."""
    if annotation is dict or typing.get_origin(annotation) is dict:
        return True
    return any(_is_open(argument) for argument in typing.get_args(annotation))


def dataset_model(values: Mapping[str, Any], entry: Mapping[str, Any]) -> type[BaseModel]:
    """The class that Axolotl reads a data set's entry into (as in axolotl.utils.config.validate_config)."""
    from axolotl.utils.schemas import datasets

    if values.get("rl") in ("dpo", "ipo", "simpo"):
        name = "DPODataset"
    elif values.get("rl") == "kto":
        name = "KTODataset"
    else:
        name = "SyntheticDataset" if entry.get("type") == "_synthetic" else "SFTDataset"
    model: type[BaseModel] = getattr(datasets, name)
    return model


def _unknown(key: str, accepted: Mapping[str, Any], top: bool) -> str:
    plugin = _plugin_with(key) if top else None
    if plugin is not None:
        return f"a key of {plugin}, which is not loaded; name it under `plugins`"
    return f"{unknown_key(key, accepted)} (Axolotl would drop it silently)"


def _plugin_with(key: str) -> str | None:
    """The plugin that has this key, found in the sources: importing all plugins would need all their libraries."""
    spec = importlib.util.find_spec("axolotl.integrations")
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    sources = {
        path: f"a plugin in axolotl.integrations.{path.parent.name}"
        for folder in folders
        for path in folder.glob("*/args.py")
    }
    sources[Path(__file__).parents[1] / "plugin_args.py"] = "training.plugin.OneDayPlugin"
    field = re.compile(rf"^    {re.escape(key)}\s*:", re.MULTILINE)
    for path, name in sorted(sources.items()):
        if field.search(path.read_text(encoding="utf-8")):
            return name
    return None
