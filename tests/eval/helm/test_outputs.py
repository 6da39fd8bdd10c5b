"""Reading what HELM writes of a run."""

from pathlib import Path

import pytest

from eval.helm.outputs import read_run
from oneday.stage import StageError
from tests.eval.helm.recorded import generated, state, stats, write_run


def test_a_run_is_read_with_the_mean_of_a_metric(tmp_path: Path) -> None:
    output = read_run(write_run(tmp_path / "run", *generated()))
    assert output.name == "run" and len(output.states) == 2
    assert output.states[0].completion.text == " A man"
    assert output.mean("exact_match") == 0.5
    assert output.mean("f1_set_match") is None


def test_a_perturbed_metric_and_one_without_values_are_left_out(tmp_path: Path) -> None:
    row = stats(0, exact_match=(1.0, 1), training_co2_cost=(0.0, 0))
    row["stats"].insert(0, {"name": {"name": "exact_match", "perturbation": {"name": "typos"}}, "sum": 0.0, "count": 1})
    output = read_run(write_run(tmp_path / "run", [], [row]))
    assert output.mean("exact_match") == 1
    assert output.mean("training_co2_cost") is None


def test_a_run_that_helm_did_not_finish_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"scenario_state\.json is absent: HELM did not finish"):
        read_run(tmp_path)


def test_an_answer_without_a_logprob_is_told(tmp_path: Path) -> None:
    broken = state(0, None, [(" A", -0.5)])
    del broken["result"]["completions"][0]["logprob"]  # HELM leaves out what is null
    with pytest.raises(ValueError, match=r"scenario_state\.json is damaged: .*logprob: Field required"):
        read_run(write_run(tmp_path / "run", [broken], []))
