"""The names of compared runs: by the parts of their folders' paths that tell them apart, and cut for the plots."""

from collections.abc import Sequence
from pathlib import Path

from oneday.svg_plot import LONGEST_NAME, SERIES

MOST_RUNS = len(SERIES)  # one colour and mark each


def check_run_folders(folders: Sequence[Path]) -> None:
    """ValueError if there are more than a page can tell apart, or if one is named twice."""
    if len(folders) > MOST_RUNS:
        raise ValueError(f"{len(folders)} runs are named; one page compares at most {MOST_RUNS}, a colour each")
    whole = [folder.resolve() for folder in folders]
    if twice := [folder for folder in whole if whole.count(folder) > 1]:
        raise ValueError(f"{twice[0]} is named twice; name each run once")


def run_names(folders: Sequence[Path]) -> list[str]:
    """Each folder's name, with as many of the parts before it as tell it apart; what all end with is left out."""
    paths = [folder.resolve().parts for folder in folders]
    while len(paths) > 1 and len({path[-1] for path in paths}) == 1:
        paths = [path[:-1] for path in paths]
    return ["/".join(_own_end(path, [other for other in paths if other != path])) for path in paths]


def _own_end(path: Sequence[str], others: Sequence[Sequence[str]]) -> Sequence[str]:
    """The shortest end of a path that no other path has."""
    for length in range(1, len(path) + 1):
        if all(tuple(other[-length:]) != tuple(path[-length:]) for other in others):
            return path[-length:]
    return path


def names_in_plots(names: Sequence[str]) -> list[str]:
    """The names, long ones without their middle; with a number in front where two would be the same."""
    cut = [cut_middle(name, LONGEST_NAME) for name in names]
    if len(set(cut)) == len(cut):
        return cut
    return [f"{number} {cut_middle(name, LONGEST_NAME - 2)}" for number, name in enumerate(names, start=1)]


def cut_middle(name: str, longest: int) -> str:
    """The name, its middle replaced by an ellipsis if it has more than `longest` characters."""
    if len(name) <= longest:
        return name
    kept = longest - 1
    return f"{name[: kept // 2]}\N{HORIZONTAL ELLIPSIS}{name[kept // 2 - kept :]}"
