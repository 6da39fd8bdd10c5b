"""Task and group files of lm_eval, with their tag `!function` for Python beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from oneday.files import atomic_write

VERSION = 1  # of the tasks' form: raise it if the same answers would get other scores


class Function(str):
    """A function in a Python file beside the YAML, as `file.function`."""


class _Dumper(yaml.SafeDumper):
    """Writes a Function with its tag."""


_Dumper.add_representer(Function, lambda dumper, value: dumper.represent_scalar("!function", str(value)))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def mean_of(name: str) -> dict[str, Any]:
    """A metric that is the mean of its rows, higher is better."""
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def group(name: str, tasks: Sequence[str], means: Mapping[str, str]) -> dict[str, Any]:
    """A group with plain means over the tasks that have a metric. `means` says after which filter each one comes."""
    return {
        "group": name,
        "task": list(tasks),
        "aggregate_metric_list": [
            {"metric": metric, "aggregation": "mean", "weight_by_size": False, "filter_list": [filter_name]}
            for metric, filter_name in means.items()
        ],
        "metadata": {"version": VERSION},
    }


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write one task or group."""
    text = yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    with atomic_write(path) as file:
        file.write(text)
