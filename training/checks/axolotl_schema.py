"""An Axolotl file against the installed Axolotl: every key it does not know, every value it refuses.

Axolotl drops a key that it does not know without a word, and stops at the first rule that is broken. Here all are
reported, with no GPU, no network and no weights. Demands of our own are in `training.checks.demands`.
"""

import copy
import importlib
import logging
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from pydantic import BaseModel, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails

from oneday.config import Document, Fault, key_path
from oneday.console import quiet_libraries
from training.checks.axolotl_keys import dataset_model, unknown_keys
from training.checks.compute_capability import capabilities
from training.plugin_args import OneDayArgs, plugin_faults

# What Axolotl's checks raise. Pydantic turns ValueError and AssertionError into a ValidationError (a ValueError),
# the others pass through it; the second group is a check that stumbles over a value of the wrong type.
REFUSALS = (ValueError, RuntimeError, OSError, ImportError, DeprecationWarning)
STUMBLES = (TypeError, AttributeError, LookupError)
# Checks that are told in another way. The first asks what is installed on this machine, and the hub, which is out of
# reach here: `training.validate` makes a note of it. The second is our plugin's: its faults are told key by key.
TOLD_ELSEWHERE = ("check_flash_attn_available", "_settings_are_possible")


def axolotl_faults(document: Document, compute_capability: str | None = None) -> list[Fault]:
    """Everything in the file that the installed Axolotl, with the plugins that the file names, drops or refuses.

    With a compute capability, such as sm_89, also what it refuses on a machine with a card of that kind.
    """
    with _quiet():
        # Imported before going offline: some libraries keep for good the setting that they find when imported.
        import axolotl.utils.config  # noqa: F401
        from axolotl.integrations.config import merge_input_args

        with _offline(), _plugins_of(document) as faults:
            with_capabilities, without = merge_input_args()
            schema: type[BaseModel] = without if compute_capability is None else with_capabilities
            card = {} if compute_capability is None else capabilities(document.values, compute_capability)
            refused = [*_refused_values(document, schema, card), *_impossible(document, schema)]
            told = {fault.key for fault in refused}  # Axolotl knows some keys only to say what became of them
            return [*faults, *(fault for fault in unknown_keys(document, without) if fault.key not in told), *refused]


@contextmanager
def _quiet() -> Iterator[None]:
    quiet_libraries()
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def _offline() -> Iterator[None]:
    """No access to the hub in here; a later step of this process may have it again."""
    from huggingface_hub import constants

    setting, variable = constants.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE")
    constants.HF_HUB_OFFLINE, os.environ["HF_HUB_OFFLINE"] = True, "1"
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = setting
        del os.environ["HF_HUB_OFFLINE"]
        if variable is not None:
            os.environ["HF_HUB_OFFLINE"] = variable


@contextmanager
def _plugins_of(document: Document) -> Iterator[list[Fault]]:
    """Axolotl's plugin manager holds the plugins of the file in here; yields a fault for each that does not load.

    Their `register` is not called: it acts on the machine.
    """
    from axolotl.integrations.base import PluginManager

    manager = PluginManager.get_instance()
    before, manager.plugins = manager.plugins, OrderedDict()
    faults = []
    try:
        for position, name in enumerate(_items(document.values.get("plugins"))):
            try:
                manager.plugins[str(name)] = _load_plugin(str(name))
            except (ImportError, AttributeError, ValueError) as error:
                message = f"{name} cannot be loaded, and Axolotl would go on without it: {error}"
                faults.append(document.fault(f"plugins.{position}", message))
        yield faults
    finally:
        manager.plugins = before


def _load_plugin(name: str) -> Any:
    from axolotl.integrations.base import load_plugin

    if "." not in name:
        raise ValueError("expected package.module.Class")
    plugin = load_plugin(name)
    arguments = plugin.get_input_args()
    if arguments is not None:
        module, _, class_name = arguments.rpartition(".")
        getattr(importlib.import_module(module), class_name)
    return plugin


def _refused_values(document: Document, schema: type[BaseModel], card: dict[str, Any]) -> list[Fault]:
    """What `validate_config` refuses; not just the first broken rule, which is all that it reports itself."""
    from axolotl.utils.config import validate_config
    from axolotl.utils.dict import DictDefault

    try:
        validate_config(DictDefault(copy.deepcopy(document.values)), **card)
    except (*REFUSALS, *STUMBLES) as error:
        verdict = _one_line(error)
    else:
        return []
    values = copy.deepcopy(document.values) | card
    details = _read_datasets(values)
    faults: list[Fault] = []
    refusals = list(_refusals(schema, values))
    for check, refusal in refusals:
        if isinstance(refusal, ValidationError):
            details += refusal.errors()
        elif check not in TOLD_ELSEWHERE:
            message = _one_line(refusal)
            faults.append(document.fault(_named_key(document, message), message))
    explained = any(check in TOLD_ELSEWHERE for check, _ in refusals)
    return [*_value_faults(document, details), *faults] or ([] if explained else [document.fault("", verdict)])


def _impossible(document: Document, schema: type[BaseModel]) -> list[Fault]:
    """What our plugin cannot do with a budget of hours or a teacher, if the file names the plugin."""
    if not issubclass(schema, OneDayArgs):
        return []
    try:
        return [document.fault(key, message) for key, message in plugin_faults(document.values).items()]
    except (TypeError, ValueError):  # the budget is no number, and told as such
        return []


def _read_datasets(values: dict[str, Any]) -> list[ErrorDetails]:
    """Put models in place of the data sets' entries, so that no error is reported once for each kind of data set."""
    errors: list[ErrorDetails] = []
    for key in ("datasets", "test_datasets"):
        for position, entry in enumerate(_items(values.get(key))):
            model = dataset_model(values, entry if isinstance(entry, dict) else {})
            values[key][position] = model.model_construct()
            try:
                if not isinstance(entry, dict):
                    raise TypeError("it is no mapping")
                values[key][position] = model.model_validate(entry)
            except ValidationError as error:
                errors += [{**details, "loc": (key, position, *details["loc"])} for details in error.errors()]
            except STUMBLES as error:
                message = f"cannot be read as a data set: {error}"
                errors.append({"type": "data_set", "loc": (key, position), "msg": message, "input": entry})
    return errors


def _refusals(schema: type[BaseModel], values: dict[str, Any]) -> Iterator[tuple[str | None, Exception]]:
    """The errors of the schema's own checks by their names, and one ValidationError for all fields with bad values.

    The first check that fails ends pydantic's validation; so that check is switched off and validation starts again.
    Checks that run on the finished object are only reached when all fields are right.
    """
    stumbled = None
    while True:
        try:
            schema.model_validate(copy.deepcopy(values))
            break
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"] or "ctx" not in first:
                yield None, error
                return  # the values that a check stumbled over are among these
            cause: Exception = first["ctx"]["error"]
        except (*REFUSALS, *STUMBLES) as error:
            cause = error
        field, check = _origin(schema, cause)
        if isinstance(cause, STUMBLES):
            stumbled = cause
        else:
            yield check, cause
        if check is not None:
            schema = _without(schema, check)
        elif field in values:
            del values[field]
        else:
            break
    if stumbled is not None:
        yield None, stumbled


def _origin(schema: type[BaseModel], error: Exception) -> tuple[str | None, str | None]:
    """The field, or the check of the whole model, whose validator raised the error."""
    decorators = schema.__pydantic_decorators__
    checks = {_code(decorator.func): name for name, decorator in decorators.model_validators.items()}
    fields = {_code(decorator.func): decorator.info.fields[0] for decorator in decorators.field_validators.values()}
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code in checks or code in fields:
            return fields.get(code), checks.get(code)
        trace = trace.tb_next
    return None, None


def _code(function: Any) -> CodeType:
    code: CodeType = getattr(function, "__func__", function).__code__
    return code


def _without(schema: type[BaseModel], check: str) -> type[BaseModel]:
    """The same schema with one of its checks switched off."""

    def accept(values: Any) -> Any:
        return values

    def accept_before(cls: Any, values: Any) -> Any:
        return values

    if schema.__pydantic_decorators__.model_validators[check].info.mode == "before":
        passing: Any = model_validator(mode="before")(classmethod(accept_before))  # type: ignore[arg-type]
    else:
        passing = model_validator(mode="after")(accept)
    return create_model(schema.__name__, __base__=schema, __validators__={check: passing})


def _value_faults(document: Document, errors: list[ErrorDetails]) -> list[Fault]:
    """One fault for each key with a bad value; what the members of a union say is joined."""
    messages: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for details in errors:
        if details["type"] == "extra_forbidden":
            continue  # reported as an unknown key
        key, message = (
            key_path(document.values, details["loc"]),
            _one_line(details["msg"].removeprefix("Value error, ")),
        )
        if details["type"] == "missing":
            message = "this key is required"
        else:
            if key not in document.lines:
                key = key.rpartition(".")[0]  # the last part is no key but the name of a union's member
            if not isinstance(details["input"], dict | list | BaseModel):
                shown[key] = f" (given: {details['input']!r})"
        messages.setdefault(key, [])
        if message not in messages[key]:
            messages[key].append(message)
    deepest = [key for key in messages if not any(other.startswith(f"{key}.") for other in messages)]
    return [document.fault(key, _joined(messages[key]) + shown.get(key, "")) for key in deepest]


def _joined(messages: list[str]) -> str:
    first, *others = messages
    return ", or ".join([first[:1].lower() + first[1:], *(text.removeprefix("Input should be ") for text in others)])


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _named_key(document: Document, message: str) -> str:
    """The first key of the file that a message names, for messages about several keys at once."""
    words = re.findall(r"\w+", message)
    return next((word for word in words if word in document.values), "")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
