"""The published ranks of the 4090 track's finalists, reproduced; finalists.json says where they are from."""

import json
from pathlib import Path

import pytest

from eval.ranking.challenge import CHALLENGE
from eval.ranking.ranking import rank, rank_win_rates
from eval.ranking.records import Ranking
from eval.ranking.table_entries import read_table

FINALISTS = json.loads((Path(__file__).parent / "finalists.json").read_text())
NAMES: list[str] = FINALISTS["entries"]


def published_layout() -> list[tuple[str, dict[str, float | None]]]:
    return [(name, {head: column[i] for head, column in FINALISTS["metrics"].items()}) for i, name in enumerate(NAMES)]


@pytest.fixture
def ranking(tmp_path: Path) -> Ranking:
    path = tmp_path / "ranks.json"
    path.write_text(json.dumps(published_layout()))
    return rank(read_table(path, CHALLENGE).entries())


def test_every_published_win_rate_comes_out(ranking: Ranking) -> None:
    for scenario, column in FINALISTS["win_rates"].items():
        own = {entry.name: entry.win_rates[scenario] for entry in ranking.entries}
        assert [own[name] for name in NAMES] == pytest.approx(column, rel=1e-12), scenario


@pytest.mark.parametrize("score", ["open", "hidden", "full"])
def test_every_published_score_comes_out(ranking: Ranking, score: str) -> None:
    own = {entry.name: getattr(entry, score) for entry in ranking.entries}
    assert [own[name] for name in NAMES] == pytest.approx(FINALISTS["scores"][score], rel=1e-9, abs=0)


def test_the_order_is_the_published_one(ranking: Ranking) -> None:
    assert [(entry.name, entry.rank) for entry in ranking.entries] == [(n, i) for i, n in enumerate(NAMES, start=1)]


def test_the_winner_wins_from_its_published_win_rates_too() -> None:
    rates = {
        name: {scenario: column[i] for scenario, column in FINALISTS["win_rates"].items()}
        for i, name in enumerate(NAMES)
    }
    winner = rank_win_rates(rates).entries[0]
    assert winner.name == "akjindal53244"
    assert (winner.open, winner.hidden, winner.full) == pytest.approx((0.5161147, 0.6098909, 0.5786322), abs=5e-8)


def test_the_metrics_of_each_scenario_are_as_many_as_the_published() -> None:
    assert {scenario.name: len(scenario.metrics) for scenario in CHALLENGE} == {
        **dict.fromkeys(("MMLU", "TruthfulQA"), 3),
        **dict.fromkeys(("BIG-bench", "GSM8K", "BBQ", "corr2cause", "MATH"), 1),
        "sam_sum": 5,
        "ethics": 15,
    }


def test_a_null_is_told_and_is_no_value_of_a_plain_mean(ranking: Ranking) -> None:
    nulls = {entry.name: entry.nulls for entry in ranking.entries if entry.nulls}
    assert set(nulls) == {"mrigankraman", "tvergho", "matthewdouglas"}
    assert nulls["tvergho"] == {"sam_sum": ["Stereotypes (race)"]}


def test_plain_means_are_of_main_metrics_alone(ranking: Ranking) -> None:
    plain = ranking.entries[0].plain
    assert plain is not None
    assert plain.scenarios["MMLU"] == 0.629344478816052
    assert plain.scenarios["ethics"] == pytest.approx((0.68 + 0.41 + 0.895 + 0.63 + 0.72) / 5)
    heads = [f"{name} - EM" for name in ("MMLU", "TruthfulQA", "BIG-bench", "GSM8K", "BBQ")]
    assert plain.open == pytest.approx(sum(FINALISTS["metrics"][head][0] for head in heads) / 5)


def test_without_the_eighth_the_third_and_fourth_change_places(ranking: Ranking) -> None:
    assert ranking.left_out is not None
    without = next(each for each in ranking.left_out if each.absent == "teja1729")
    assert without.swapped == [("quyanh2005", "agoncharenko1992")]
    assert without.ranks["agoncharenko1992"] == 3
