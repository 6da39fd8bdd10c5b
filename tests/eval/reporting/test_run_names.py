"""What compared runs are called: told apart on the page and in the plots, whatever their folders."""

from pathlib import Path

import pytest

from eval.reporting.run_names import MOST_RUNS, check_run_folders, cut_middle, names_in_plots, run_names


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/one", "runs/two"], ["one", "two"]),
        (["a/toy", "b/toy"], ["a", "b"]),
        (["a/toy", "b/toy", "other"], ["a/toy", "b/toy", "other"]),
        (["a/x/toy", "b/x/toy", "b/y/toy"], ["a/x", "b/x", "y"]),
        (["/toy", "/x/toy"], ["/", "x"]),
        (["alone"], ["alone"]),
    ],
)
def test_a_run_goes_by_what_tells_its_folder_apart(folders: list[str], names: list[str]) -> None:
    assert run_names([Path(folder) for folder in folders]) == names


def test_long_names_lose_their_middle_and_stay_apart() -> None:
    names = ["experiments-of-november-learning-rate-1", "experiments-of-november-learning-rate-2"]
    assert names_in_plots(names) == [
        "experiments\N{HORIZONTAL ELLIPSIS}rning-rate-1",
        "experiments\N{HORIZONTAL ELLIPSIS}rning-rate-2",
    ]
    alike = names_in_plots([f"{'a' * 30}{number}{'b' * 30}" for number in range(3)])
    assert len(set(alike)) == 3 and {len(name) for name in alike} == {24} and alike[0].startswith("1 a")
    assert cut_middle("short", 5) == "short" and cut_middle("longer", 5) == "lo\N{HORIZONTAL ELLIPSIS}er"


def test_more_runs_than_colours_and_a_run_named_twice_are_refused(tmp_path: Path) -> None:
    check_run_folders([Path(f"run{number}") for number in range(MOST_RUNS)])
    with pytest.raises(ValueError, match="7 runs are named; one page compares at most 6"):
        check_run_folders([Path(f"run{number}") for number in range(MOST_RUNS + 1)])
    with pytest.raises(ValueError, match="toy is named twice"):
        check_run_folders([tmp_path / "toy", tmp_path / "other", tmp_path / "other/../toy"])
