import random

import numpy as np
import pytest

from eval.config import Bootstrap
from eval.ranking.challenge import CHALLENGE
from eval.ranking.ranking import rank, rank_win_rates
from eval.ranking.ranking_table import ranking_table
from eval.ranking.scenario import Entry, MetricRuns, Scenario, ScenarioMetric

BOOTSTRAP = Bootstrap(resamples=400, confidence=0.9, seed=3)
ONE = (Scenario("quiz", None, (ScenarioMetric("EM"),)),)
TWO = (*ONE, Scenario("maze", None, (ScenarioMetric("steps", higher_is_better=False),)))


def entry(name: str, **values: float | None) -> Entry:
    """An entry with values of quiz EM and maze steps."""
    metrics = {"quiz": "EM", "maze": "steps"}
    return Entry(name, {scenario: {metrics[scenario]: value} for scenario, value in values.items()})


def answered(name: str, answers: dict[str, float], run: str = "quiz") -> Entry:
    """An entry with a score of each instance of one run of the quiz."""
    mean = sum(answers.values()) / len(answers)
    runs = {"quiz": {"EM": MetricRuns((run,), (run,))}}
    return Entry(name, {"quiz": {"EM": mean}}, {"quiz": {"EM": {run: answers}}}, runs)


def answers(rights: int, rows: int) -> dict[str, float]:
    return {f"i{row}": float(row < rights) for row in range(rows)}


def test_scenarios_of_no_stage_give_the_mean_win_rate_alone() -> None:
    ranking = rank([entry("a", quiz=0.5, maze=9.0), entry("b", quiz=0.4, maze=3.0)], TWO)
    assert ranking.score == "mean_win_rate"
    assert [(e.name, e.mean_win_rate, e.open, e.full) for e in ranking.entries] == [
        ("a", 0.25, None, None),
        ("b", 0.25, None, None),
    ]
    assert [e.rank for e in ranking.entries] == [1, 1]


def test_a_metric_that_is_better_when_lower_is_in_no_plain_mean() -> None:
    ranking = rank([entry("a", quiz=0.5, maze=9.0), entry("b", quiz=0.4, maze=3.0)], TWO)
    plain = ranking.entries[0].plain
    assert plain is not None
    assert (plain.scenarios, plain.overall) == ({"quiz": 0.5}, 0.5)


def test_a_missing_scenario_is_worst_and_told_and_leaves_no_plain_mean() -> None:
    ranking = rank([entry("a", quiz=0.5), entry("b", quiz=0.4, maze=3.0)], TWO)
    last = next(e for e in ranking.entries if e.name == "a")
    assert last.win_rates == {"quiz": 0.5, "maze": 0.0}
    assert last.nulls == {"maze": ["steps"]}
    assert "* a has no value of maze: that counts as worst." in ranking_table(ranking)
    note = "NOT COMPARABLE: a was not evaluated in 1 of the 2 scenarios, maze, and counts as worst there"
    assert ranking.notes[0] == note
    partly = rank([entry("a", maze=2.0), entry("b", quiz=0.4, maze=3.0)], TWO).entries
    assert next(e.plain.overall for e in partly if e.name == "a" and e.plain is not None) is None


def test_what_no_entry_has_is_left_out_and_told() -> None:
    entries = [Entry(name, {"MMLU": {"EM": value}}) for name, value in (("a", 0.5), ("b", 0.6))]
    ranking = rank(entries, CHALLENGE)
    assert [scenario.name for scenario in ranking.scenarios] == ["MMLU"]
    assert (ranking.score, ranking.entries[0].hidden, ranking.entries[0].full) == ("open", None, None)
    assert ranking.notes == [
        "no entry has TruthfulQA, BIG-bench, GSM8K, BBQ, sam_sum, corr2cause, MATH, ethics: left out, "
        "so the scores are not to be compared with the challenge's",
        "no entry has EM (Robustness), EM (Fairness) of MMLU: left out of its win rate",
    ]


def test_uneven_runs_and_unused_ones_are_told() -> None:
    both, last = ("quiz:x", "quiz:y"), ("quiz:y",)
    one = Entry("a", {"quiz": {"EM": 0.5}}, runs={"quiz": {"EM": MetricRuns(both, both)}}, unused=("maze",))
    two = Entry("b", {"quiz": {"EM": 0.4}}, runs={"quiz": {"EM": MetricRuns(last, last)}})
    assert rank([one, two], ONE).notes == [
        "quiz EM of b is a mean over 1 of 2 runs, without a value of quiz:x",
        "runs of a that are of none of the scenarios count nowhere, 1 in all: maze",
    ]


def test_permuted_entries_have_the_same_scores() -> None:
    chance = random.Random(1)
    entries = [entry(f"e{i}", quiz=chance.random(), maze=chance.random()) for i in range(6)]
    shuffled = chance.sample(entries, len(entries))
    first = {e.name: (e.rank, e.mean_win_rate) for e in rank(entries, TWO).entries}
    assert {e.name: (e.rank, e.mean_win_rate) for e in rank(shuffled, TWO).entries} == first


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "at least two entries to compare; there is none"),
        ([entry("a", quiz=0.5)], "there is a alone"),
        ([entry("a", quiz=0.5), entry("a", quiz=0.6)], "several entries are called a; name them apart"),
        ([entry("a"), entry("b", quiz=None)], "no entry has a value of any of the scenarios quiz"),
        (
            [entry("a", quiz=0.5), entry("b"), entry("c", quiz=0.1)],
            "a and b have no scenario in common, so nothing compares them: a has quiz; b has none",
        ),
    ],
)
def test_what_cannot_be_ranked_is_an_error(entries: list[Entry], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank(entries, ONE)


def test_win_rates_alone_give_no_plain_means_and_no_leaving_out() -> None:
    ranking = rank_win_rates({"a": {"quiz": 0.5}, "b": {"quiz": 0.0}, "c": {"quiz": 0.25}}, ONE, BOOTSTRAP)
    assert [e.name for e in ranking.entries] == ["a", "c", "b"]
    assert (ranking.entries[0].plain, ranking.left_out) == (None, None)
    assert "plain" not in ranking_table(ranking).lower()


def test_win_rates_of_different_scenarios_are_an_error() -> None:
    with pytest.raises(ValueError, match="b lacks maze"):
        rank_win_rates({"a": {"quiz": 0.5, "maze": 0.1}, "b": {"quiz": 0.0}}, TWO)
    with pytest.raises(ValueError, match="there is none"):
        rank_win_rates({"a": {"other": 0.5}, "b": {"other": 0.0}}, TWO)


def test_entries_with_the_same_answers_tie_in_every_resample() -> None:
    ranking = rank([answered(name, answers(5, 12)) for name in "ab"], ONE, BOOTSTRAP)
    assert ranking.stability is not None
    assert ranking.stability.over == "instances"
    for own in ranking.stability.entries.values():
        assert own.rank_shares == [1.0, 0.0]
        assert list(own.better_than.values()) == [0.5]


def test_an_entry_right_wherever_the_other_is_never_falls_behind_it() -> None:
    ranking = rank([answered("less", answers(20, 60)), answered("more", answers(30, 60))], ONE, BOOTSTRAP)
    assert ranking.stability is not None
    more = ranking.stability.entries["more"]
    assert (more.rank_low, more.rank_high, more.better_than) == (1, 1, {"less": 1.0})
    assert ranking.stability.entries["less"].rank_shares[1] == 1.0


def test_the_share_of_resamples_ahead_is_that_of_a_paired_bootstrap() -> None:
    chance = random.Random(5)
    first = {f"i{i}": float(chance.random() < 0.6) for i in range(40)}
    second = {f"i{i}": float(chance.random() < 0.5) for i in range(40)}
    config = Bootstrap(resamples=4000, confidence=0.95, seed=0)
    ranking = rank([answered("a", first), answered("b", second)], ONE, config)
    assert ranking.stability is not None
    difference = np.array([first[i] - second[i] for i in first])
    drawn = np.random.default_rng(11).choice(difference, size=(4000, 40)).mean(axis=1)
    expected = (drawn > 1e-9).mean() + (abs(drawn) <= 1e-9).mean() / 2
    assert ranking.stability.entries["a"].better_than["b"] == pytest.approx(expected, abs=0.03)


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others() -> None:
    chance = random.Random(2)
    entries = [answered(n, {f"i{i}": chance.random() for i in range(30)}) for n in "abc"]
    same = [rank(entries, ONE, BOOTSTRAP).stability for _ in range(2)]
    assert same[0] == same[1]
    assert rank(entries, ONE, BOOTSTRAP.model_copy(update={"seed": 4})).stability != same[0]


def test_a_metric_of_the_whole_set_alone_is_not_resampled_and_told() -> None:
    scenarios = (Scenario("quiz", None, (ScenarioMetric("EM"), ScenarioMetric("bias", False, main=False))),)
    entries = []
    for name, bias in (("a", 0.1), ("b", 0.2)):
        base = answered(name, answers(5, 12))
        entries.append(Entry(name, {"quiz": {"EM": 5 / 12, "bias": bias}}, base.instances, base.runs))
    ranking = rank(entries, scenarios, BOOTSTRAP)
    assert ranking.stability is not None
    assert ranking.stability.fixed == {"quiz": ["bias"]}
    assert ranking.stability.entries["a"].rank_shares == [1.0, 0.0]
    assert "Not resampled, as fewer than two entries have them by instance: quiz: bias." in ranking_table(ranking)


def test_a_metric_that_one_entry_alone_has_by_instance_is_not_resampled_and_told() -> None:
    scenarios = (Scenario("quiz", None, (ScenarioMetric("EM"), ScenarioMetric("F1"))),)
    one, two = (answered(name, answers(5, 12)) for name in "ab")
    both = {"quiz": {"EM": one.instances["quiz"]["EM"], "F1": one.instances["quiz"]["EM"]}}
    ranking = rank([Entry("a", {"quiz": {"EM": 5 / 12, "F1": 0.3}}, both), two], scenarios, BOOTSTRAP)
    assert ranking.stability is not None
    assert (ranking.stability.over, ranking.stability.fixed) == ("instances", {"quiz": ["F1"]})
    known_too = Entry("b", {"quiz": {"EM": 5 / 12, "F1": 0.2}}, two.instances)
    ranking = rank([Entry("a", {"quiz": {"EM": 5 / 12, "F1": 0.3}}, both), known_too], scenarios, BOOTSTRAP)
    assert ranking.stability is not None
    assert ranking.stability.over == "scenarios"
    assert "b has a value of quiz F1 that is not known by instance, as it is in a" in ranking.notes[-1]


def test_different_instances_are_told_and_scenarios_resampled_instead() -> None:
    ranking = rank([answered("a", answers(5, 12)), answered("b", answers(5, 13))], ONE, BOOTSTRAP)
    assert ranking.stability is not None
    assert ranking.stability.over == "scenarios"
    assert ranking.notes == [
        "resampled over scenarios, not over instances: a and b have quiz EM of different instances of quiz, such as i12"
    ]


def test_different_runs_are_no_pairs() -> None:
    entries = [answered("a", answers(5, 12), "quiz:x"), answered("b", answers(5, 12), "quiz:y")]
    ranking = rank(entries, ONE, BOOTSTRAP)
    assert ranking.stability is not None
    assert ranking.stability.over == "scenarios"
    assert ranking.notes == [
        "quiz EM of a is a mean over 1 of 2 runs, without a value of quiz:y",
        "quiz EM of b is a mean over 1 of 2 runs, without a value of quiz:x",
        "resampled over scenarios, not over instances: a and b have quiz EM of different runs, such as quiz:x",
    ]


def test_without_any_instances_scenarios_are_resampled() -> None:
    ranking = rank([entry("a", quiz=0.5), entry("b", quiz=0.4)], ONE, BOOTSTRAP)
    assert "no two entries have a value that is known by instance" in ranking.notes[0]


def test_an_entry_without_instances_among_others_with_them_is_told() -> None:
    ranking = rank([answered("a", answers(5, 12)), entry("b", quiz=0.4)], ONE, BOOTSTRAP)
    assert "no two entries have a value that is known by instance" in ranking.notes[0]
    ranking = rank([*(answered(name, answers(5, 12)) for name in "ac"), entry("b", quiz=0.4)], ONE, BOOTSTRAP)
    assert "b has a value of quiz EM that is not known by instance, as it is in a" in ranking.notes[0]


def test_resampled_scenarios_stay_within_their_stage() -> None:
    rates = {"a": {"MMLU": 0.5, "MATH": 0.0}, "b": {"MMLU": 0.0, "MATH": 0.5}}
    ranking = rank_win_rates(rates, CHALLENGE, BOOTSTRAP)
    assert ranking.stability is not None
    interval = ranking.stability.entries["b"].scores["hidden"]
    assert (interval.low, interval.high) == pytest.approx((0.5, 0.5))


def test_two_entries_are_never_left_out() -> None:
    assert rank([entry("a", quiz=0.5), entry("b", quiz=0.4)], ONE).left_out is None


def test_a_name_with_a_bar_keeps_the_table_whole() -> None:
    assert "| a\\|b " in ranking_table(rank([entry("a|b", quiz=0.5), entry("c", quiz=0.4)], ONE))
