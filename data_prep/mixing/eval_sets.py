"""The evaluation sets that a recipe names -> the texts that must not be trained on.

Three kinds: the held-out rows of the stage collect, named fields of any data set, and what crfm-helm wrote of its runs
(`instances.json` is made by `helm-summarize`, `input_instances.json` by `helm-run --cache-instances`). Only questions
are read of HELM: a reference is mostly a word or two, and added to its question it would make that harder to find.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_prep.mixing.config import EvalSet, HeldOutSet, HelmSet, Mix, TableSet, eval_set_name
from data_prep.mixing.decontaminate import EvalRow
from data_prep.sources.chunks import plan_chunks, read_chunk
from data_prep.sources.data_set import fingerprint, require_columns, resolve, told_of
from data_prep.sources.example_source import Drop, Row
from oneday.files import iterate_jsonl, sha256_file, sha256_json
from oneday.records import HeldOut
from oneday.run_paths import stage_input

HELD_OUT = "01_collect/held_out.jsonl"
EVAL_SETS, COMPETITION_ROWS = "mix.decontaminate.eval_sets", "mix.competition_rows"
HELM_FILES = ("instances.json", "input_instances.json")


@dataclass(frozen=True)
class Compared:
    """The rows with which those of a mix are compared: word by word, and as whole inputs."""

    eval_rows: list[EvalRow]
    competition_rows: list[EvalRow]


def read_compared(mix: Mix, run_dir: Path, work: Path) -> Compared:
    """All sets that a recipe names; errors as of `read_eval_sets`."""
    return Compared(
        read_eval_sets(mix.eval_sets, run_dir, work),
        read_eval_sets(mix.competition_rows, run_dir, work, COMPETITION_ROWS),
    )


def read_eval_sets(sets: Sequence[EvalSet], run_dir: Path, work: Path, place: str = EVAL_SETS) -> list[EvalRow]:
    """The rows of all sets, in their order. What is on a hub is downloaded into `work`.

    FileNotFoundError or ValueError names the `place` in the recipe and the set, and says what is wrong and what to do;
    a set without any text is wrong.
    """
    rows: list[EvalRow] = []
    for eval_set in sets:
        name = eval_set_name(eval_set)
        with _named(eval_set, place):
            own = [EvalRow(name, id_, _encodable(text)) for id_, text in _texts(eval_set, run_dir, work)]
            if not any(row.text.strip() for row in own):
                raise ValueError("there is no text in it; remove the set, or name one that has rows")
        rows += own
    return rows


def eval_set_fingerprints(sets: Sequence[EvalSet], place: str = EVAL_SETS) -> dict[str, Any]:
    """What the data of each set is: a hash over its files, or a hub's id and revision. Nothing is downloaded.

    What an earlier stage wrote, as the held-out rows, is not among them: it is an input of the stage. Raises as
    `read_eval_sets` does.
    """
    prints: dict[str, Any] = {}
    for eval_set in sets:
        with _named(eval_set, place):
            if isinstance(eval_set, TableSet):
                if stage_input(eval_set.path) is not None:
                    continue
                prints[eval_set.name] = fingerprint(eval_set.data_set())
            elif isinstance(eval_set, HelmSet):
                root, files = _helm_files(eval_set)
                hashes = [(ascii(path.relative_to(root).as_posix()), sha256_file(path)) for path in files]
                prints[eval_set.name] = {"files": len(files), "sha256": sha256_json(hashes)}
    return prints


def _named(eval_set: EvalSet, place: str) -> AbstractContextManager[None]:
    return told_of(f"{place}: {eval_set_name(eval_set)}")


def _texts(eval_set: EvalSet, run_dir: Path, work: Path) -> Iterator[tuple[str, str]]:
    """The id and the text of each row."""
    if isinstance(eval_set, HeldOutSet):
        return ((f"{row.task}/{row.id}", row.input) for row in iterate_jsonl(run_dir / HELD_OUT, HeldOut))
    if isinstance(eval_set, HelmSet):
        return _helm_texts(eval_set)
    return _table_texts(eval_set, run_dir, work / "downloads")


def _encodable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which is no Unicode text."""
    return text.encode(errors="replace").decode()


def _table_texts(table: TableSet, run_dir: Path, work: Path) -> Iterator[tuple[str, str]]:
    files = resolve(table.data_set(), work, run_dir).files
    require_columns([_column(field) for field in table.fields], files)
    for chunk in plan_chunks(files):
        for place, row in read_chunk(chunk):
            if isinstance(row, Drop):
                raise ValueError(f"{chunk.path}: row {place} cannot be read ({row.reason}); mend the file")
            values = [_value(row, field, f"{chunk.path}: row {place}") for field in table.fields]
            id_ = row.get("id")
            yield str(id_) if isinstance(id_, str | int) else place, " ".join(filter(None, values))


def _column(field: str) -> str | tuple[str, str]:
    """The column that a field is in: of its own name, or, for `choices.text`, also `choices`."""
    return (field, field.partition(".")[0]) if "." in field else field


def _value(row: Row, field: str, place: str) -> str:
    """The text of a field of a row; nothing if it is absent or null."""
    if field in row:
        return _joined(row[field], field, place)
    column, _, inner = field.partition(".")
    return _joined(_inner(row.get(column), inner, place), field, place)


def _inner(value: Any, path: str, place: str) -> Any:
    """What lies at a dotted path below a value; of a list, what lies there below each item."""
    if not path or value is None:
        return value
    if isinstance(value, list):
        return [_inner(item, path, place) for item in value]
    key, _, rest = path.partition(".")
    if not isinstance(value, dict) or key not in value:
        found = f"the keys {', '.join(value)}" if isinstance(value, dict) else f"no keys, but {value!r:.40}"
        raise ValueError(f"{place}: there is no {key!r}; found: {found}; change fields")
    return _inner(value[key], rest, place)


def _joined(value: Any, field: str, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        keys = list(value)
        raise ValueError(f"{place}: {field} has the keys {', '.join(keys)}; name one of them: {field}.{keys[0]}")
    if isinstance(value, list):
        return " ".join(_joined(item, field, place) for item in value)
    return str(value)


def _helm_files(helm: HelmSet) -> tuple[Path, list[Path]]:
    """The folder and the files with instances in it."""
    root = Path(helm.path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"there is no folder {root}; name HELM's output folder, such as benchmark_output/runs/s1"
        )
    files = sorted(path for name in HELM_FILES for path in root.rglob(name))
    if not files:
        hint = "; there are runs, so make it by helm-summarize" if any(root.rglob("scenario_state.json")) else ""
        raise FileNotFoundError(f"there is no {HELM_FILES[0]} below {root}{hint}")
    return root, files


def _helm_texts(helm: HelmSet) -> Iterator[tuple[str, str]]:
    """Each question once: runs of several models have the same ones."""
    root, files = _helm_files(helm)
    seen: set[str] = set()
    for path in files:
        for id_, text in _instances(path):
            if text not in seen:
                seen.add(text)
                yield f"{path.parent.relative_to(root).as_posix()}/{id_}", text


def _instances(path: Path) -> list[tuple[str, str]]:
    """Id and text of what a run asks, examples for the prompt (split train) left out.

    Of an instance and its perturbations, which have one id, the instance itself is taken, or else the first one.
    """
    try:
        found = orjson.loads(path.read_bytes())
        asked = [(number, one) for number, one in enumerate(found) if one.get("split") != "train"]
        asked.sort(key=lambda pair: pair[1].get("perturbation") is not None)
        texts: dict[tuple[str, int], tuple[int, str]] = {}
        for number, one in asked:
            id_ = one.get("id")
            key = (f"id{number}", number) if id_ is None else (str(id_), -1)
            texts.setdefault(key, (number, _question(one["input"])))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no list of HELM instances ({error!r}); run helm-summarize again") from error
    if not texts:
        raise ValueError(f"{path} has no instance that is not of the split train; remove the file or run HELM again")
    return [(id_, text) for (id_, _), (_, text) in sorted(texts.items(), key=lambda item: item[1][0])]


def _question(instance_input: Any) -> str:
    """The text of an instance, or that of its chat messages, if it has any."""
    messages = instance_input.get("messages")
    text = instance_input["text"] if not messages else " ".join(message["content"] for message in messages)
    if not isinstance(text, str):
        raise TypeError(f"the text is {text!r:.40}")
    return text
