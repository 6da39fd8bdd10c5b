"""What a trim gave: the report that is stored, and the table that is printed."""

from collections.abc import Mapping

from pydantic import BaseModel

from compress.trimming.counting import Measure, Measured


class TextsReport(BaseModel):
    """One language and split before and after. Fertility is tokens a word, words being what blanks separate.

    A round trip is a text that is the same after encoding and decoding. `lost_share` is that of the old tokens'
    occurrences whose token is gone; of texts that were only measured it is not known.
    """

    language: str
    split: str
    texts: int
    words: int
    bytes: int
    tokens_before: int
    tokens_after: int
    fertility_before: float
    fertility_after: float
    bytes_per_token_before: float
    bytes_per_token_after: float
    round_trip_before: float
    round_trip_after: float
    lost_share: float | None


class TrimReport(BaseModel):
    """The whole trim. `kept` counts tokens by the reason they stay, `dropped_added` dropped added tokens by theirs.

    Unreachable tokens are those of the vocabulary that no text can become; `rows_before` are the embedding's, which
    may be more than the tokens. Parameters are counted once where a tensor is shared.
    """

    fresh: bool
    tokens_before: int
    tokens_after: int
    rows_before: int
    parameters_before: int
    parameters_after: int
    parameters_saved: int
    unreachable_before: int
    unreachable_after: int
    occurrences: int
    occurrences_lost_share: float | None
    kept: dict[str, int]
    passed_over: int
    dropped_added: dict[str, int]
    dropped_added_tokens: list[str]
    texts: list[TextsReport]
    notes: list[str]


def texts_reports(before: Measured, after: Measured, lost: Mapping[str, float]) -> list[TextsReport]:
    """The languages and splits in the order of their names; `lost` is the share by language, of counted texts."""
    reports = []
    for group, old in sorted(before.groups.items()):
        language, split = group
        share = lost.get(language) if split == "count" else None
        reports.append(_texts_report(language, split, old, after.groups[group], share))
    return reports


def _texts_report(language: str, split: str, old: Measure, new: Measure, lost: float | None) -> TextsReport:
    return TextsReport(
        language=language,
        split=split,
        texts=old.texts,
        words=old.words,
        bytes=old.bytes,
        tokens_before=old.tokens,
        tokens_after=new.tokens,
        fertility_before=ratio(old.tokens, old.words),
        fertility_after=ratio(new.tokens, new.words),
        bytes_per_token_before=ratio(old.bytes, old.tokens),
        bytes_per_token_after=ratio(new.bytes, new.tokens),
        round_trip_before=ratio(old.whole, old.texts),
        round_trip_after=ratio(new.whole, new.texts),
        lost_share=lost,
    )


def ratio(part: float, whole: float) -> float:
    """The quotient; 0 of nothing."""
    return part / whole if whole else 0.0


HEADER = ("language", "split", "texts", "tokens/word", "after", "bytes/token", "after", "round trip", "after", "lost")


def table(report: TrimReport) -> str:
    """The report in some lines: sizes, what is kept and dropped, then each language before and after."""
    lines = [
        f"tokens       {report.tokens_before:>13,} -> {report.tokens_after:,}",
        f"parameters   {report.parameters_before:>13,} -> {report.parameters_after:,}"
        f" ({report.parameters_saved:,} saved)",
        f"unreachable  {report.unreachable_before:>13,} -> {report.unreachable_after:,}",
        f"kept         {', '.join(f'{count:,} {reason}' for reason, count in report.kept.items())}",
    ]
    if report.occurrences_lost_share is not None:
        share = report.occurrences_lost_share
        lines.append(f"lost         {share:.2%} of {report.occurrences:,} occurrences of the old tokens")
    for reason, count in report.dropped_added.items():
        lines.append(f"dropped      {count:,} added tokens: {reason}")
    lines += [f"note         {note}" for note in report.notes]
    return "\n".join([*lines, "", *_rows([HEADER, *map(_cells, report.texts)])])


def _cells(texts: TextsReport) -> tuple[str, ...]:
    return (
        texts.language,
        texts.split,
        f"{texts.texts:,}",
        f"{texts.fertility_before:.3f}",
        f"{texts.fertility_after:.3f}",
        f"{texts.bytes_per_token_before:.3f}",
        f"{texts.bytes_per_token_after:.3f}",
        f"{texts.round_trip_before:.2%}",
        f"{texts.round_trip_after:.2%}",
        "-" if texts.lost_share is None else f"{texts.lost_share:.2%}",
    )


def _rows(cells: list[tuple[str, ...]]) -> list[str]:
    """The rows of a table, names to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = (
        [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in cells
    )
    return ["| " + " | ".join(row) + " |" for row in aligned]
