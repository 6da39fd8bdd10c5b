"""What rules change, for people to read: each text before and after each rule, and how many texts each rule changed."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import typer

from postprocess.cases import Case


@dataclass
class Counts:
    """How many texts each case had, and how many of them each of its rules changed."""

    cases: dict[str, Case] = field(default_factory=dict)
    texts: Counter[str] = field(default_factory=Counter)
    changed: Counter[tuple[str, int]] = field(default_factory=Counter)
    changed_texts: int = 0

    def add(self, case: Case, texts: Sequence[str]) -> None:
        """Count a text of the case; `texts` are it and what is left after each rule."""
        self.cases.setdefault(case.name, case)
        self.texts[case.name] += 1
        self.changed_texts += texts[0] != texts[-1]
        for position in changes(texts):
            self.changed[case.name, position] += 1

    def summary(self) -> str:
        """The counts in one line: `texts: 600, changed: 12 (2.0 %), cases: options 400, default 200`."""
        total = self.texts.total()
        told = f"texts: {total:,}, changed: {self.changed_texts:,}"
        if not total:
            return told
        cases = ", ".join(f"{name} {count:,}" for name, count in self.texts.most_common())
        return f"{told} ({100 * self.changed_texts / total:.1f} %), cases: {cases}"

    def table(self) -> str:
        """A row for each rule of each case that had a text, in the order in which they ran."""
        rows = [("case", "rule", "texts seen", "changed", "share")]
        for name, case in self.cases.items():
            seen = self.texts[name]
            for position, step in enumerate(case.rules):
                changed = self.changed[name, position]
                rows.append((name, str(step), f"{seen:,}", f"{changed:,}", f"{100 * changed / seen:.1f} %"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


class Explanation:
    """Prints the changed texts, a block each; in colour where standard output is a terminal."""

    def tell(self, number: int, identity: object, case: Case, texts: Sequence[str]) -> None:
        """Print what the rules of the case made of the text in line `number`; nothing if they left it as it is."""
        changed = changes(texts)
        if not changed:
            return
        named = f" (id {identity!r})" if isinstance(identity, str | int) else ""
        blocks = [f"line {number}{named}, case {case.name}"]
        for position in changed:
            blocks.append(typer.style(f"  {case.rules[position]}", bold=True))
            blocks.append(typer.style(f"    - {visible(texts[position])}", fg="red"))
            blocks.append(typer.style(f"    + {visible(texts[position + 1])}", fg="green"))
        typer.echo("\n".join(blocks) + "\n")


def changes(texts: Sequence[str]) -> list[int]:
    """The positions of the rules that changed the text: `texts` are it and what is left after each rule."""
    return [position for position in range(len(texts) - 1) if texts[position] != texts[position + 1]]


def visible(text: str) -> str:
    """A text as Python writes it; the marks of decomposed letters, which look like composed ones, are escaped too."""
    if unicodedata.is_normalized("NFC", text):
        return repr(text)
    return "".join(ascii(each)[1:-1] if unicodedata.combining(each) else each for each in repr(text))
