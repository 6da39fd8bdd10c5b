"""Exact two-sided sign test: can so many rows be better, and so many worse, if either is as likely for each?

A bootstrap interval is too narrow where few rows differ: of four that all get better it never reaches 0.
"""

from functools import cache
from itertools import count

DECIMALS = 12  # 1 - 0.95 is not quite 0.05


@cache
def sign_test(better: int, worse: int) -> float:
    """The p-value; rows that are neither better nor worse are left out. 1 where no row differs."""
    rows = better + worse
    term = tail = 1  # the ways to choose 0 of the rows, then those to choose 0 to k of them
    for chosen in range(min(better, worse)):
        term = term * (rows - chosen) // (chosen + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << rows))


def shown(better: int, worse: int, confidence: float) -> bool:
    """Whether the test tells better from worse at that confidence."""
    return sign_test(better, worse) <= round(1 - confidence, DECIMALS)


def fewest_rows(confidence: float) -> int:
    """How many rows must differ, all to one side, for the test to tell; 6 at 95 %."""
    return next(rows for rows in count(1) if shown(rows, 0, confidence))
