import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eval.ranking.win_rates import SMALLEST, geometric_mean, ranks, scores, win_rates

VALUES = st.lists(st.one_of(st.integers(-4, 4).map(float), st.just(np.nan)), min_size=2, max_size=8)


def test_the_best_of_n_wins_against_n_minus_one_of_n_rows() -> None:
    assert win_rates(np.array([0.3, 0.1, 0.9, 0.2]), True).tolist() == [0.5, 0.0, 0.75, 0.25]


def test_tied_entries_get_those_below_and_one_share_of_the_tie() -> None:
    assert win_rates(np.array([0.5, 0.5, 0.1, 0.9]), True).tolist() == [1.5 / 4, 1.5 / 4, 0.0, 0.75]
    thirds = win_rates(np.array([0.5, 0.5, 0.5]), True)
    assert thirds.tolist() == [1 / 9, 1 / 9, 1 / 9]


def test_nulls_are_worst_in_either_direction_and_tie_with_each_other() -> None:
    values = np.array([np.nan, 0.2, np.nan, 0.7])
    assert win_rates(values, True).tolist() == [0.5 / 4, 0.5, 0.5 / 4, 0.75]
    assert win_rates(values, False).tolist() == [0.5 / 4, 0.75, 0.5 / 4, 0.5]


def test_a_single_null_wins_nothing() -> None:
    assert win_rates(np.array([np.nan, 0.0]), True).tolist() == [0.0, 0.5]


@given(VALUES, st.booleans())
def test_win_rates_lie_between_zero_and_the_best_of_n(values: list[float], higher: bool) -> None:
    rates = win_rates(np.array(values), higher)
    assert (rates >= 0).all()
    assert (rates <= (len(values) - 1) / len(values)).all()


@given(VALUES, st.booleans())
def test_only_the_order_of_the_values_counts(values: list[float], higher: bool) -> None:
    column = np.array(values)
    assert (win_rates(column**3 * 7 - 1, higher) == win_rates(column, higher)).all()
    assert (win_rates(-column, not higher) == win_rates(column, higher)).all()


@given(st.data(), VALUES)
def test_permuted_entries_have_permuted_win_rates(data: st.DataObject, values: list[float]) -> None:
    order = data.draw(st.permutations(range(len(values))))
    column = np.array(values)
    assert (win_rates(column[order], True) == win_rates(column, True)[order]).all()


def test_a_leading_axis_is_one_of_independent_resamples() -> None:
    values = np.array([[0.1, 0.2, np.nan], [0.3, 0.3, 0.1]])
    assert (win_rates(values, True) == np.stack([win_rates(row, True) for row in values])).all()


def test_a_zero_in_a_geometric_mean_counts_as_the_smallest_double() -> None:
    rates = np.array([[0.0, 0.5], [0.25, 0.5]])
    assert np.allclose(geometric_mean(rates), [np.sqrt(0.25) * np.sqrt(SMALLEST), 0.5], rtol=1e-9, atol=0)


def test_the_full_score_is_a_third_open_and_two_thirds_hidden() -> None:
    found = scores(np.array([[0.2, 0.4], [0.5, 0.1]]), ["open", "hidden"])
    assert found.full is not None
    assert found.deciding == "full"
    assert np.allclose(found.full, [0.2 / 3 + 1.0 / 3, 0.4 / 3 + 0.2 / 3])


def test_without_a_stage_there_is_no_full_score_and_the_other_stage_decides() -> None:
    rates = np.array([[0.2, 0.4], [0.5, 0.1]])
    one = scores(rates, ["hidden", "hidden"])
    assert (one.open, one.full, one.deciding) == (None, None, "hidden")
    none = scores(rates, [None, None])
    assert (none.hidden, none.deciding) == (None, "mean_win_rate")
    assert np.allclose(none.decisive, [0.35, 0.25])


def test_the_same_win_rates_in_another_order_of_scenarios_tie() -> None:
    chance = np.random.default_rng(0)
    for _ in range(50):
        rates = chance.integers(0, 9, size=9) / 8 * 0.7
        columns = np.stack([rates, chance.permutation(rates)], axis=1)
        found = scores(columns, ["open"] * 9)
        assert ranks(found.decisive).tolist() == [1, 1]
        assert ranks(found.mean_win_rate).tolist() == [1, 1]


def test_tiny_scores_keep_their_order() -> None:
    found = scores(np.array([[0.0, 0.0, 0.0], [0.5, 0.25, 0.0]]), ["open", "open"])
    assert ranks(found.decisive).tolist() == [1, 2, 3]


def test_equal_scores_share_a_rank_and_the_next_is_skipped() -> None:
    assert ranks(np.array([0.5, 0.7, 0.5, 0.1])).tolist() == [2, 1, 2, 4]
