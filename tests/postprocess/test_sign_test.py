"""The exact sign test, against values worked out by hand."""

import pytest

from postprocess.sign_test import fewest_rows, shown, sign_test


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [(0, 0, 1), (1, 0, 1), (4, 0, 1 / 8), (6, 0, 1 / 32), (0, 6, 1 / 32), (3, 3, 1), (5, 1, 2 * 7 / 64)],
)
def test_the_p_value_is_that_worked_out_by_hand(better: int, worse: int, p: float) -> None:
    assert sign_test(better, worse) == p


def test_thousands_of_rows_are_no_trouble() -> None:
    assert sign_test(3000, 2000) < 1e-40
    assert sign_test(2500, 2500) == 1


def test_six_rows_at_least_must_differ_at_95_percent() -> None:
    assert fewest_rows(0.95) == 6
    assert fewest_rows(0.9375) == 5  # 2 / 2**5, not less
    assert shown(6, 0, 0.95) and not shown(5, 0, 0.95) and not shown(7, 1, 0.95)
