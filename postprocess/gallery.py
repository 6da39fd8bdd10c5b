"""The registry of rules -> docs/rules.md: what each does and why, with its own examples, and how recipes use them.

    python -m postprocess.gallery           # write the page
    python -m postprocess.gallery --check   # exit with 1 if it is not up to date

The words that are not a rule's own are in `templates/rules.md.j2`.
"""

import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

import postprocess.rules  # noqa: F401  (registers them)
from oneday.code import ROOT
from oneday.console import run_command, typer_main
from oneday.files import atomic_write
from oneday.page import load_template
from postprocess.chain import Step, step
from postprocess.explain import visible
from postprocess.rule import RULES, Example, Rule, one_line

PAGE = ROOT / "docs/rules.md"
TEMPLATE = Path(__file__).parent / "templates/rules.md.j2"
COMMAND = "python -m postprocess.gallery"


def page() -> str:
    """The whole page, as Markdown for GitHub."""
    functions = (about, as_step, ends, kind, result, takes_parameters)
    template = load_template(TEMPLATE, (code, prose, quoted), functions, html=False)  # see code and prose
    return template.render(families=families(RULES.values()))


def families(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """The rules by the module that they are in; modules by name, the rules of each in the order of its text."""
    found: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda rule: rule.family):
        found.setdefault(rule.family, []).append(rule)
    return found


def about(family: str) -> str:
    """The docstring of a family's module."""
    return inspect.getdoc(sys.modules[f"postprocess.rules.{family}"]) or ""


def kind(rule: Rule) -> str:
    """Whether a rule cuts or rewrites, in words."""
    return "rewrites" if rule.rewrites else "cuts"


def takes_parameters(rule: Rule) -> bool:
    """Whether there is something to set."""
    return bool(rule.parameters.model_fields)


def as_step(rule: Rule, example: Example) -> Step:
    """The rule with the example's parameters."""
    return step(rule.name, **example.parameters)


def ends(rule: Rule) -> list[str]:
    """The strings at which a generation may end, of all examples, or where they come from."""
    found = [as_step(rule, example).stops for example in rule.examples]
    if takes_parameters(rule) and any(found):
        return ["strings that follow from its parameters, such as " + code(one_line(list(next(filter(None, found)))))]
    return list(dict.fromkeys(code(repr(stop)) for stops in found for stop in stops))


def result(example: Example) -> str:
    """What becomes of an example's text, for a cell."""
    return "stays as it is" if example.output == example.text else quoted(example.output)


def quoted(text: str) -> str:
    """A text with all of it to be seen, for a cell."""
    return code(visible(text))


def code(value: object) -> str:
    """A code span that stands in a cell: fenced by more backticks than are in it, its pipes escaped."""
    text = str(value)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    padded = f" {text} " if text.startswith("`") or text.endswith("`") else text
    return f"{fence}{cell(padded)}{fence}"


def prose(text: str) -> str:
    """A docstring's words with what Markdown would take for its own escaped, all but code spans."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<|])", r"\\\1", part) for part in parts)


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def check(path: Path) -> None:
    """ValueError unless the page in the file is that of today's rules."""
    if not path.is_file() or path.read_bytes() != page().encode():
        command = COMMAND if path == PAGE else f"{COMMAND} --out {path}"
        raise ValueError(f"{path} is not up to date with the rules; write it anew: {command}")


def main(argv: list[str] | None = None) -> int:
    """The command line."""

    def command(
        check_only: Annotated[
            bool, typer.Option("--check", help="Write nothing; exit with 1 if the page is not up to date.")
        ] = False,
        out: Annotated[Path, typer.Option(help="The page.", show_default=False)] = PAGE,
    ) -> int:
        def work() -> None:
            if out.is_dir():
                raise ValueError(f"--out {out} is a folder; name the page's file, such as {out / PAGE.name}")
            if check_only:
                check(out)
                print(f"{out} is up to date")
                return
            with atomic_write(out) as file:
                file.write(page())
            print(f"wrote {out}: {len(RULES)} rules")

        return run_command(work)

    return typer_main(command, "Write docs/rules.md, the page of all rules, from the rules' own examples.", argv)


if __name__ == "__main__":
    sys.exit(main())
