"""`perturb`: examples -> the same examples with their input changed, by HELM in its own environment.

Changed is the row's `input`, or the whole prompt of a row that names none. Perturbations that HELM applies to
references as well change a row's options or answers. HELM seeds its randomness by an instance's id, here the row's:
rows with HELM's ids get HELM's texts.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from eval.examples.row import ExampleRow
from eval.helm.running import HelmEnvironment, helm_variables
from eval.perturbing.perturbations import Ready
from oneday.stage import StageError

WORKER = Path(__file__).with_name("helm_worker.py")
SECONDS = 1800.0  # after which HELM's process is ended; 1,000 rows take it seconds
TAIL = 15  # lines of its errors that are shown


class Texts(BaseModel):
    """An instance's texts as HELM changed them."""

    input: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """A row under one perturbation. `position` is that of the original; `input` is the changed text alone.

    `options_kept`: HELM makes two of the options the same, so they stay as they were.
    """

    perturbation: str
    position: int
    row: ExampleRow
    input: str
    options_kept: bool


@dataclass(frozen=True)
class Perturbed:
    """The variants of rows, row by row, and the version of HELM that made them."""

    variants: list[Variant]
    helm: str


def perturb(rows: Sequence[ExampleRow], ready: Sequence[Ready], environment: HelmEnvironment) -> Perturbed:
    """Each row under each perturbation that changes its input.

    FileNotFoundError, with what makes it, without HELM's environment; StageError if HELM fails.
    """
    python = environment.command("python")
    with tempfile.TemporaryDirectory() as work:
        request, result = Path(work, "request.jsonl"), Path(work, "result.jsonl")
        request.write_text(_request(rows, ready), encoding="utf-8")
        _run([str(python), "-I", str(WORKER), str(request), str(result)], Path(work))
        with result.open(encoding="utf-8") as lines:
            version = TypeAdapter(dict[str, str]).validate_json(next(lines))["version"]
            by_name = TypeAdapter(dict[str, Texts])
            texts = [by_name.validate_json(line) for line in lines]
    variants = [
        variant_of(position, row, name, changed)
        for position, (row, own) in enumerate(zip(rows, texts, strict=True))
        for name, changed in own.items()
    ]
    return Perturbed(variants, version)


def _request(rows: Sequence[ExampleRow], ready: Sequence[Ready]) -> str:
    """What the worker reads."""
    specs = {
        each.perturbation.name: {"class_name": each.perturbation.helm_class, "args": dict(each.arguments)}
        for each in ready
    }
    instances = [{"id": row.id, "input": input_of(row), "references": row.options or row.references} for row in rows]
    return "".join(json.dumps(line) + "\n" for line in (specs, *instances))


def _run(command: Sequence[str], work: Path) -> None:
    """Run HELM's process in `work`, where HELM makes folders."""
    try:
        done = subprocess.run(
            command, cwd=work, env=helm_variables("", work), capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise StageError(f"HELM's perturbations were ended after {SECONDS:.0f} s; give fewer rows") from error
    if done.returncode != 0:
        end = "\n".join(done.stderr.splitlines()[-TAIL:])
        raise StageError(f"HELM's perturbations ended with exit code {done.returncode}; the end of its errors:\n{end}")


def input_of(row: ExampleRow) -> str:
    """The text that is perturbed."""
    return row.input or row.prompt


def variant_of(position: int, row: ExampleRow, name: str, changed: Texts) -> Variant:
    """The row with the changed texts where its own stood; an option changes in a list behind the input as well."""
    texts = row.options or row.references
    collapsed = bool(row.options) and len(set(changed.references)) < len(texts)
    renamed = dict(zip(texts, texts if collapsed else changed.references, strict=True))
    start = row.input_start
    rest = row.prompt[start + len(input_of(row)) :]
    fields = row.model_dump() | {
        "id": f"{row.id}~{name}",
        "prompt": row.prompt[:start] + changed.input + _listed(rest, renamed if row.options else {}),
        "input": changed.input if row.input else "",
        "options": tuple(renamed[option] for option in row.options),
        "references": tuple(renamed[reference] for reference in row.references),
    }
    return Variant(name, position, ExampleRow.model_validate(fields), changed.input, collapsed)


def _listed(text: str, renamed: dict[str, str]) -> str:
    """The text behind the input with each line that ends in a renamed option changed, as the list of options is."""
    lines = text.split("\n")
    for place, line in enumerate(lines):
        ends = [option for option in renamed if line == option or line.endswith(f" {option}")]
        if ends:
            option = max(ends, key=len)
            lines[place] = line[: len(line) - len(option)] + renamed[option]
    return "\n".join(lines)
