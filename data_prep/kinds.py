"""Whether a task is scored by exact match or as generation: the list's word, else rules over its answers.

    python -m data_prep.kinds recipes/mistral-7b-birbal/data-200k.yaml [--data PATH] [--annotations FILE]

Prints how far the rules agree with annotations made by hand, and each task where they do not. The rules' numbers
are data.yaml's `collect.kind`. After Birbal's division: an answer that is one word or a label is matched exactly.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from data_prep.sources.config import KindRules
from oneday.records import Instance, Kind


@dataclass(frozen=True)
class Decision:
    """A task's kind, and what decided so, in words."""

    kind: Kind
    rule: str


def decide(rows: Sequence[Instance], listed: Kind | None, rules: KindRules) -> Decision:
    """The kind that the list names, else the kind that the rules derive. `rows` must not be empty."""
    return derive(rows, rules) if listed is None else Decision(listed, f"the list says {_spoken(listed)}")


def derive(rows: Sequence[Instance], rules: KindRules) -> Decision:
    """The kind by the first answers of a task's rows: few short labels, or short answers with few references each."""
    answers = [row.output[0] for row in rows]
    labels, number = len(set(answers)), len(answers)
    words = sum(len(answer.split()) for answer in answers) / number
    references = sum(len(row.output) for row in rows) / number
    found = f"{labels:,} labels over {number:,} rows, {words:.1f} words"
    if labels / number <= rules.max_label_share and words <= rules.max_label_words:
        return Decision("exact_match", f"{found}: exact match")
    found = f"{words:.1f} words an answer, {references:.1f} references"
    if words <= rules.max_answer_words and references <= rules.max_references:
        return Decision("exact_match", f"{found}: exact match")
    return Decision("generation", f"{found}, {labels:,} different over {number:,} rows: generation")


def _spoken(kind: Kind) -> str:
    return kind.replace("_", " ")


@dataclass(frozen=True)
class Agreement:
    """How far derived kinds agree with annotated ones. `differ` has a line a task."""

    compared: int
    differ: list[str]

    def __str__(self) -> str:
        agree = self.compared - len(self.differ)
        share = f" ({agree / self.compared:.1%})" if self.compared else ""
        return "\n".join([f"{agree} of {self.compared} annotated tasks agree{share}", *self.differ])


def compare(derived: Mapping[str, Decision], annotated: Mapping[str, Kind | None]) -> Agreement:
    """The agreement over the tasks that both name."""
    both = sorted(name for name in derived if annotated.get(name) is not None)
    differ = [
        f"{name}: annotated {annotated[name]}, but {derived[name].rule}"
        for name in both
        if derived[name].kind != annotated[name]
    ]
    return Agreement(len(both), differ)


def derive_all(path: str, revision: str | None, rules: KindRules, work: Path) -> dict[str, Decision]:
    """Name -> kind by the rules, of every readable task with usable rows at a path; one file in memory at a time."""
    from data_prep.sources.location import locate, open_tasks
    from data_prep.sources.natural_instructions import read_task
    from data_prep.sources.task_json import BrokenFile

    derived = {}
    for source in open_tasks(locate(path, revision), work, lambda name: True).tasks:
        try:
            rows = read_task(source.name, source.load()).rows
        except BrokenFile as error:
            print(f"{source.label}: {error}; left out", file=sys.stderr)
            continue
        if rows:
            derived[source.name] = derive(rows, rules)
    return derived


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    from oneday.console import RECIPE_HELP, run_command, typer_main
    from oneday.options import RecipeFolder

    def command(
        recipe: RecipeFolder,
        data: Annotated[str | None, typer.Option(help="Task files, instead of collect.path.")] = None,
        annotations: Annotated[Path | None, typer.Option(help="Table of kinds, instead of the recipe's list.")] = None,
    ) -> int:
        return run_command(_printer(recipe, data, annotations))

    return typer_main(command, f"Compare derived kinds of tasks with annotated ones.\n\n{RECIPE_HELP}", argv)


def _printer(recipe: Path, data: str | None, annotations: Path | None) -> Callable[[], None]:
    def work() -> None:
        from tempfile import TemporaryDirectory

        from data_prep.config import SampledDataConfig
        from data_prep.selection import read_list
        from oneday.config import load_config
        from oneday.recipe import find_data_file

        data_path = find_data_file(recipe)
        config = load_config(data_path, SampledDataConfig).collect
        if config.source != "natural_instructions":
            raise ValueError(f"{data_path}: collect.source is {config.source}, whose kinds are known")
        if annotations is None and config.tasks.list is None:
            raise ValueError("no annotations: name a table with --annotations")
        table = annotations or data_path.with_name(str(config.tasks.list))
        with TemporaryDirectory() as scratch:
            revision = config.revision if data is None else None
            derived = derive_all(data or config.path, revision, config.kind, Path(scratch))
            agreement = compare(derived, read_list(table))
            if not agreement.compared:
                raise ValueError(f"none of the {len(derived)} tasks at {data or config.path} is annotated in {table}")
            print(agreement)

    return work


if __name__ == "__main__":
    sys.exit(main())
