"""The published ranks of the 4090 track's finalists, reproduced.

finalists.json is 4090_full_ranks.json of Upaya07/NeurIPS-llm-efficiency-challenge at commit
2d43003e6ce0d792fe90600d5e39b856b2cd895c: metrics, win rates and scores of each, in the order of their ranks.
`python -m eval.rank --table tests/eval/ranking/finalists.json` ranks them anew.
"""

import json
from pathlib import Path

import pytest

from eval.rank import main
from eval.ranking.challenge import CHALLENGE
from eval.ranking.ranking import rank, rank_win_rates
from eval.ranking.records import Ranking
from eval.ranking.table_entries import read_table

PATH = Path(__file__).parent / "finalists.json"
FINALISTS: dict[str, dict[str, float]] = dict(json.loads(PATH.read_text()))
NAMES = list(FINALISTS)


def published(heading: str) -> list[float]:
    return [FINALISTS[name][heading] for name in NAMES]


@pytest.fixture(scope="module")
def ranking() -> Ranking:
    return rank(read_table(PATH, CHALLENGE).entries())


def test_every_published_win_rate_comes_out(ranking: Ranking) -> None:
    for scenario in CHALLENGE:
        own = {entry.name: entry.win_rates[scenario.name] for entry in ranking.entries}
        column = published(f"{scenario.name} Mean Win Rate")
        assert [own[name] for name in NAMES] == pytest.approx(column, rel=1e-12), scenario.name


@pytest.mark.parametrize("score", ["open", "hidden", "full"])
def test_every_published_score_comes_out(ranking: Ranking, score: str) -> None:
    own = {entry.name: getattr(entry, score) for entry in ranking.entries}
    assert [own[name] for name in NAMES] == pytest.approx(published(f"Score_{score}"), rel=1e-9, abs=0)


def test_the_order_is_the_published_one(ranking: Ranking) -> None:
    assert [(entry.name, entry.rank) for entry in ranking.entries] == [(n, i) for i, n in enumerate(NAMES, start=1)]


def test_the_winner_wins_from_its_published_win_rates_too() -> None:
    rates = {name: {s.name: own[f"{s.name} Mean Win Rate"] for s in CHALLENGE} for name, own in FINALISTS.items()}
    winner = rank_win_rates(rates).entries[0]
    assert winner.name == "akjindal53244"
    assert (winner.open, winner.hidden, winner.full) == pytest.approx((0.5161147, 0.6098909, 0.5786322), abs=5e-8)


def test_the_winners_nine_win_rates_alone_give_its_published_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = FINALISTS["akjindal53244"]
    rows = [f"Birbal,{s.name},{own[f'{s.name} Mean Win Rate']}" for s in CHALLENGE]
    table, out = tmp_path / "win_rates.csv", tmp_path / "ranking.json"
    table.write_text("\n".join(["entry,scenario,win_rate", *rows]))
    assert main(["--table", str(table), "--json", str(out)]) == 0
    assert "Note: Birbal is alone here: its scores count, its rank says nothing." in capsys.readouterr().out
    (birbal,) = Ranking.model_validate_json(out.read_text()).entries
    assert (birbal.open, birbal.hidden, birbal.full) == pytest.approx((0.5161147, 0.6098909, 0.5786322), abs=5e-8)


def test_the_published_file_can_be_ranked_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", str(PATH), "--resamples", "100"]) == 0
    assert "| 1    | akjindal53244 " in capsys.readouterr().out


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
    assert plain.open == pytest.approx(sum(FINALISTS[NAMES[0]][head] for head in heads) / 5)


def test_without_the_eighth_the_third_and_fourth_change_places(ranking: Ranking) -> None:
    assert ranking.left_out is not None
    without = next(each for each in ranking.left_out if each.absent == "teja1729")
    assert without.swapped == [("quyanh2005", "agoncharenko1992")]
    assert without.ranks["agoncharenko1992"] == 3
