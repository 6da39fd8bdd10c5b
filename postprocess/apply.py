"""The rules of a rules.yaml on one field of any JSON Lines -> the same lines, that field cleaned.

    python -m postprocess.apply recipes/quickstart runs/quickstart/07_generate/tuned_zero_shot.jsonl --out clean.jsonl

Every other field and the order of the fields stay; numbers are read and written in double precision. Reads a line at
a time, so the file may be of any length. With --explain it prints what each rule changes, and in how many texts.
"""

import json
import math
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from oneday.config import ConfigError, Fault, load_config
from oneday.console import progress, run_command, typer_main
from oneday.files import atomic_write, read_lines
from postprocess.cases import DEFAULT, RULES_FILE, Case, RuleSet
from postprocess.explain import Counts, Explanation

HELP = """Clean one field of JSON Lines by rules.

RULES is a rules.yaml, or a recipe folder with one. FILE is any JSON Lines; - is standard input.

Which case of the rules a line gets: that of its field `task`, if it has one; else the first whose matchers fit its
field `few_shot_prompt`; with neither field the default. --task-field and --prompt-field name another field, and then
that one alone decides; --case takes one case for all.

Blank lines are left out. Whole lines go to standard output as they are read, so those before a wrong line are there;
--out has all lines or is not written, and replaces what was there.
"""
STDIN = "-"
TASK_FIELD, PROMPT_FIELD = "task", "few_shot_prompt"
WAYS = "--case, --task-field and --prompt-field: give one of them at most"
Row = dict[str, Any]
Chooser = Callable[[Row], Case]


@dataclass(frozen=True)
class Cleaned:
    """A line after the rules: its object with the cleaned text, its case, and each text on the way.

    `texts` is the raw text and then that after each rule of the case.
    """

    number: int
    row: Row
    case: Case
    texts: tuple[str, ...]

    @property
    def line(self) -> str:
        """The object as JSON in one line. A lone surrogate, which UTF-8 does not have, makes all of it ASCII."""
        line = json.dumps(self.row, ensure_ascii=False, separators=(",", ":"))
        try:
            line.encode()
        except UnicodeEncodeError:
            return json.dumps(self.row, separators=(",", ":"))
        return line


def clean(lines: Iterable[tuple[int, bytes]], source: str, field: str, choose: Chooser) -> Iterator[Cleaned]:
    """Each object of the lines, its field cleaned by the rules of its case.

    ValueError names the source and the line of the first that is no JSON object or lacks the field.
    """
    for number, line in lines:
        if line.isspace():
            continue
        try:
            row = parse(line)
            case = choose(row)
            texts = [text_of(row, field, "--field")]
            for each in case.rules:
                texts.append(each.apply(texts[-1]))
        except ValueError as error:
            raise ValueError(f"{source}:{number}: {error}") from error
        row[field] = texts[-1]
        yield Cleaned(number, row, case, tuple(texts))


def parse(line: bytes) -> Row:
    """The JSON object in a line. ValueError says what is there instead."""
    try:
        row = json.loads(line.decode("utf-8-sig").rstrip(), parse_float=finite, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8: byte {error.start + 1} of the line is {error.object[error.start]:#04x}"
        ) from error
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep to read") from error
    if not isinstance(row, dict):
        raise ValueError(f"not a JSON object but {kind_of(row)}")
    return row


def finite(number: str) -> float:
    """The number. ValueError for one that is too large, as it could not be written again."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the number {number} is beyond double precision, which ends at 1.8e308; write it as a text")
    return value


def no_constant(name: str) -> float:
    """ValueError: NaN and Infinity, which Python reads and writes, are no JSON."""
    raise ValueError(f"not JSON: {name}; write null in its place")


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def text_of(row: Mapping[str, Any], field: str, option: str) -> str:
    """The text in a field. ValueError names the fields that there are, and the option that names another."""
    if field not in row:
        raise ValueError(f"no field '{field}' (there are: {', '.join(row)}); name another with {option}")
    if not isinstance(row[field], str):
        raise ValueError(f"field '{field}' is not a text but {kind_of(row[field])}; name another with {option}")
    return str(row[field])


def chooser(rules: RuleSet, case: Case | None, task_field: str | None, prompt_field: str | None) -> Chooser:
    """What picks the case of a row: `case` for all, the field that is named, or the usual fields if there."""
    if case is not None:
        return lambda row: case
    if task_field is not None:
        return lambda row: rules.for_task(text_of(row, task_field, "--task-field"))
    if prompt_field is not None:
        return lambda row: rules.for_prompt(text_of(row, prompt_field, "--prompt-field"))
    default = rules.case_called(DEFAULT)

    def by_usual_fields(row: Row) -> Case:
        if TASK_FIELD in row:
            return rules.for_task(text_of(row, TASK_FIELD, "--task-field"))
        if PROMPT_FIELD in row:
            return rules.for_prompt(text_of(row, PROMPT_FIELD, "--prompt-field"))
        return default

    return by_usual_fields


def load_rules(path: Path) -> tuple[Path, RuleSet]:
    """The rules' file, which may be in a recipe folder, and its content. ConfigError with all faults."""
    file = path / RULES_FILE if path.is_dir() else path
    return file, load_config(file, RuleSet)


def case_named(file: Path, rules: RuleSet, name: str | None) -> Case | None:
    """The case of that name, if one is given. ConfigError names the nearest that there is."""
    if name is None:
        return None
    names = [case.name for case in rules.cases] + [DEFAULT]
    if name not in names:
        nearest = get_close_matches(name, names, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(names)}"
        raise ConfigError([Fault(file, "cases", f"there is no case {name} (--case); {hint}")])
    return rules.case_called(name)


def check_out(out: Path, source: str, rules: Path) -> None:
    """ValueError if writing to `out` would replace what is read."""
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; name the file to write, such as {out / 'clean.jsonl'}")
    for read in [rules] if source == STDIN else [rules, Path(source)]:
        if out.exists() and read.exists() and out.samefile(read):
            raise ValueError(f"--out {out} is the file that is read; name another")


def run(
    source: str, field: str, choose: Chooser, out: Path | None, explanation: Explanation | None, counts: Counts
) -> None:
    """Write the cleaned lines to `out`; to standard output without one, or there the explanation if one is asked for.

    ValueError for a line that is wrong; `out` is then as it was.
    """
    lines = enumerate(sys.stdin.buffer, start=1) if source == STDIN else read_lines(Path(source))
    name = "standard input" if source == STDIN else source
    silent = sys.stdout.isatty() and (out is None or explanation is not None)  # the lines fill the terminal
    with atomic_write(out) if out else nullcontext() as file, _bar(source, silent) as count:
        target: TextIO | None = file or (None if explanation else sys.stdout)
        for cleaned in clean(_counted(lines, count), name, field, choose):
            counts.add(cleaned.case, cleaned.texts)
            if explanation is not None:
                explanation.tell(cleaned.number, cleaned.row.get("id"), cleaned.case, cleaned.texts)
            if target is not None:
                target.write(f"{cleaned.line}\n")


@contextmanager
def as_filters_end() -> Iterator[None]:
    """End by SIGPIPE, as cat does, when what reads the output (`| head`) has closed it; files are put away first."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)


def _counted(lines: Iterable[tuple[int, bytes]], count: Callable[[int], object]) -> Iterator[tuple[int, bytes]]:
    for number, line in lines:
        yield number, line
        count(len(line))


@contextmanager
def _bar(source: str, silent: bool) -> Iterator[Callable[[int], object]]:
    """What counts bytes on a progress bar, if standard error is a terminal."""
    if silent or not sys.stderr.isatty():
        yield lambda size: None
        return
    with progress(0 if source == STDIN else Path(source).stat().st_size, "clean", "B") as bar:
        yield bar.update


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        rules: Annotated[Path, typer.Argument(help="A rules.yaml, or a recipe folder with one.")],
        file: Annotated[str, typer.Argument(help="JSON Lines; - is standard input.")],
        out: Annotated[Path | None, typer.Option(help="The file to write [default: standard output].")] = None,
        field: Annotated[str, typer.Option(help="The field that is cleaned.")] = "prediction",
        task_field: Annotated[str | None, typer.Option(help="The task's name, which decides the case.")] = None,
        prompt_field: Annotated[str | None, typer.Option(help="The prompt, which decides the case.")] = None,
        case: Annotated[str | None, typer.Option(help="Take this case's rules for all lines.")] = None,
        explain: Annotated[
            bool, typer.Option("--explain", help="Print what each rule changes; the lines only go to --out.")
        ] = False,
    ) -> int:
        if sum(given is not None for given in (case, task_field, prompt_field)) > 1:
            raise typer.BadParameter(WAYS)

        @as_filters_end()
        def work() -> None:
            rules_file, loaded = load_rules(rules)
            choose = chooser(loaded, case_named(rules_file, loaded, case), task_field, prompt_field)
            if out is not None:
                check_out(out, file, rules_file)
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(encoding="utf-8")
            counts = Counts()
            run(file, field, choose, out, Explanation() if explain else None, counts)
            if explain:
                print(counts.table())
            print(counts.summary(), file=sys.stderr)

        return run_command(work)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
