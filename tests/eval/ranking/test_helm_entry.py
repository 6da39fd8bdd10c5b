import json
from pathlib import Path

import pytest

from eval.config import Bootstrap
from eval.ranking.challenge import CHALLENGE
from eval.ranking.helm_entry import helm_scenarios, read_helm_entry, suite_folder
from eval.ranking.helm_stats import scenario_of, without_model
from eval.ranking.ranking import rank
from eval.ranking.scenario import HelmSource, MetricRuns, Scenario, ScenarioMetric
from tests.eval.ranking.written_runs import stat, write_run

QUICKSTART = Path(__file__).parents[3] / "runs/quickstart/helm/smoke/tuned"
MMLU = "mmlu:subject={},method=multiple_choice_joint,model=neurips_local"


def test_subjects_of_mmlu_are_averaged_each_counting_the_same(tmp_path: Path) -> None:
    write_run(tmp_path, MMLU.format("anatomy"), {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0})
    write_run(tmp_path, MMLU.format("virology"), {"a": 1.0})
    entry = read_helm_entry(tmp_path, "mine")
    assert entry.values == {"MMLU": {"EM": 0.75}}
    titles = tuple(f"mmlu:subject={s},method=multiple_choice_joint" for s in ("anatomy", "virology"))
    assert entry.runs["MMLU"]["EM"] == MetricRuns(titles, titles)


def test_the_same_scores_in_another_order_of_subjects_tie(tmp_path: Path) -> None:
    for name, rights in (("a", (1, 2, 3)), ("b", (3, 2, 1))):
        for subject, right in zip("xyz", rights, strict=True):
            answers = {f"i{row}": float(row < right) for row in range(10)}
            write_run(tmp_path / name, MMLU.format(subject), answers)
    ranking = rank([read_helm_entry(tmp_path / name, name) for name in "ab"], CHALLENGE)
    assert [(entry.rank, entry.win_rates["MMLU"]) for entry in ranking.entries] == [(1, 0.25), (1, 0.25)]


def test_a_run_without_the_metric_is_in_no_mean_and_told(tmp_path: Path) -> None:
    for name in "ab":
        write_run(tmp_path / name, MMLU.format("anatomy"), {"i": 1.0, "j": 0.0})
        write_run(tmp_path / name, MMLU.format("virology"), {"i": 0.0} if name == "a" else {})
    entries = [read_helm_entry(tmp_path / name, name) for name in "ab"]
    assert [entry.values for entry in entries] == [{"MMLU": {"EM": 0.25}}, {"MMLU": {"EM": 0.5}}]
    ranking = rank(entries, CHALLENGE, Bootstrap(resamples=200, confidence=0.9, seed=0))
    assert (
        "MMLU EM of b is a mean over 1 of 2 runs, "
        "without a value of mmlu:subject=virology,method=multiple_choice_joint" in ranking.notes
    )
    assert ranking.stability is not None
    assert ranking.stability.over == "scenarios"


def test_augmented_and_plain_runs_of_a_scenario_are_an_error_that_names_them(tmp_path: Path) -> None:
    write_run(tmp_path, "mmlu:subject=x,model=m", {"a": 0.0})
    write_run(tmp_path, "mmlu:subject=x,model=m,data_augmentation=canonical", {"a": 1.0})
    message = (
        r"MMLU has runs of two kinds, which no mean is to mix: "
        r"augmented \(mmlu:subject=x,data_augmentation=canonical\) and plain \(mmlu:subject=x\)"
    )
    with pytest.raises(ValueError, match=message):
        read_helm_entry(tmp_path, "mine")


def test_all_subjects_beside_single_ones_are_an_error_that_names_them(tmp_path: Path) -> None:
    write_run(tmp_path, "bbq:subject=all,model=m", {"a": 1.0}, "quasi_exact_match")
    write_run(tmp_path, "bbq:subject=Age,model=m", {"a": 0.0}, "quasi_exact_match")
    message = r"all subjects at once \(bbq:subject=all\) and single subjects \(bbq:subject=Age\)"
    with pytest.raises(ValueError, match=message):
        read_helm_entry(tmp_path, "mine")


def test_robustness_and_fairness_are_the_worst_of_an_instances_variants(tmp_path: Path) -> None:
    perturbed = {"typos": {"a": 0.0, "b": 1.0}, "dialect": {"b": 0.0}}
    write_run(tmp_path, MMLU.format("anatomy"), {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0}, perturbed=perturbed)
    entry = read_helm_entry(tmp_path, "mine")
    assert entry.values["MMLU"] == {"EM": 0.75, "EM (Robustness)": 0.5, "EM (Fairness)": 0.5}
    title = "mmlu:subject=anatomy,method=multiple_choice_joint"
    assert entry.instances["MMLU"]["EM"][title] == {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0}
    assert entry.instances["MMLU"]["EM (Robustness)"][title] == {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0}
    assert entry.instances["MMLU"]["EM (Fairness)"][title] == {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}


def test_the_test_split_counts_where_there_is_one_else_the_validation_split(tmp_path: Path) -> None:
    valid = stat("exact_match", [0.9], "valid")
    write_run(tmp_path, MMLU.format("anatomy"), {"a": 1.0, "b": 0.0}, more=[valid])
    write_run(tmp_path, "truthful_qa:task=mc_single,model=neurips_local", {"a": 1.0}, split="valid")
    assert read_helm_entry(tmp_path, "mine").values == {"MMLU": {"EM": 0.5}, "TruthfulQA": {"EM": 1.0}}


def test_every_scenario_of_the_challenge_is_found_by_its_run(tmp_path: Path) -> None:
    bias = "bias_metric:mode=representation,demographic_category=race"
    write_run(tmp_path, "big_bench:task=emoji_movie,subtask=,model=m", {"a": 0.1})
    write_run(tmp_path, "gsm:model=m", {"a": 0.2}, "exact_match_indicator")
    write_run(tmp_path, "bbq:subject=Age,model=m", {"a": 0.3}, "quasi_exact_match")
    write_run(tmp_path, "sam_sum:model=m", {"a": 0.4}, "rouge_2", more=[stat(bias, [0.6])])
    write_run(tmp_path, "corr2cause:model=m,max_train_instances=1", {"a": 0.5})
    write_run(tmp_path, "math:subject=algebra,level=1,use_official_examples=True,model=m", {"a": 0.9}, "math_equiv")
    chain = "math:subject=algebra,level=1,use_official_examples=False,use_chain_of_thought=True,model=m"
    write_run(tmp_path, chain, {"a": 0.7}, "math_equiv_chain_of_thought")
    write_run(tmp_path, "ethics_justice:model=m", {"a": 0.8})
    write_run(tmp_path, "ethics_virtue:model=m", {"a": 0.6})
    entry = read_helm_entry(tmp_path, "mine")
    assert entry.values == {
        "BIG-bench": {"EM": 0.1},
        "GSM8K": {"EM": 0.2},
        "BBQ": {"EM": 0.3},
        "sam_sum": {"ROUGE-2": 0.4, "Representation (race)": 0.6},
        "corr2cause": {"EM": 0.5},
        "MATH": {"Equivalent (chain of thought)": 0.7},
        "ethics": {"justice EM": 0.8, "virtue EM": 0.6},
    }
    assert entry.unused == ("math:subject=algebra,level=1,use_official_examples=True",)
    assert "Representation (race)" not in entry.instances["sam_sum"]


def test_a_statistic_without_a_value_is_a_null(tmp_path: Path) -> None:
    race, gender = (
        f"bias_metric:mode=associations,demographic_category={category},target_category=profession"
        for category in ("race", "gender")
    )
    more = [stat(race, []), stat(gender, [float("nan")])]
    write_run(tmp_path, "sam_sum:model=m", {"a": 0.4}, "rouge_2", more=more)
    assert read_helm_entry(tmp_path, "mine").values == {"sam_sum": {"ROUGE-2": 0.4}}


def test_entries_of_the_same_runs_are_resampled_by_instance_whatever_the_models_are_called(tmp_path: Path) -> None:
    for model, scores in (("base", {"a": 0.0, "b": 1.0}), ("tuned", {"a": 1.0, "b": 1.0})):
        write_run(tmp_path / model, f"mmlu:subject=anatomy,model={model}", scores)
    entries = [read_helm_entry(tmp_path / model, model) for model in ("base", "tuned")]
    ranking = rank(entries, CHALLENGE, Bootstrap(resamples=200, confidence=0.9, seed=0))
    assert ranking.stability is not None
    assert ranking.stability.over == "instances"
    assert ranking.entries[0].name == "tuned"


def test_other_scenarios_have_no_stage_and_the_metric_that_the_run_lists(tmp_path: Path) -> None:
    write_run(tmp_path, "dyck_language_np=3:model=m", {"a": 1.0}, "exact_match_indicator")
    assert helm_scenarios([tmp_path]) == (Scenario("dyck_language", None, (ScenarioMetric("exact_match_indicator"),)),)
    assert read_helm_entry(tmp_path, "mine").values == {"dyck_language": {"exact_match_indicator": 1.0}}


def test_own_scenarios_of_the_challenge_have_its_main_metric(tmp_path: Path) -> None:
    write_run(tmp_path, "cnn_dailymail:model=m", {"a": 0.9}, "rouge_1", more=[stat("rouge_2", [0.2])])
    write_run(tmp_path, "bbq:subject=Age,model=m", {"a": 0.1}, more=[stat("quasi_exact_match", [0.3])])
    scenarios = helm_scenarios([tmp_path], own=True)
    assert {scenario.name: scenario.metrics[0].name for scenario in scenarios} == {
        "bbq": "quasi_exact_match",
        "cnn_dailymail": "rouge_2",
    }
    assert read_helm_entry(tmp_path, "mine", scenarios).values["cnn_dailymail"] == {"rouge_2": 0.2}


def test_helms_schema_names_the_main_metric_and_its_direction(tmp_path: Path) -> None:
    write_run(
        tmp_path, "pile:subset=a,model=m", {"a": 1.0}, more=[stat("bits_per_byte", [0.7])], groups=["all", "pile"]
    )
    schema = {
        "metrics": [{"name": "bits_per_byte", "lower_is_better": True}, {"name": "exact_match"}],
        "run_groups": [
            {"name": "all", "environment": {"main_name": "exact_match"}},
            {"name": "pile", "environment": {"main_name": "bits_per_byte"}},
        ],
    }
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    assert helm_scenarios([tmp_path]) == (Scenario("pile", None, (ScenarioMetric("bits_per_byte", False),)),)


def test_own_scenarios_are_read_from_the_runs_that_their_source_matches(tmp_path: Path) -> None:
    write_run(tmp_path, "custom_mcqa,path=joint.jsonl:model=m", {"a": 1.0})
    write_run(tmp_path, "custom_mcqa,path=long.jsonl:model=m", {"a": 0.0})
    metric = ScenarioMetric("EM", source=HelmSource(r"custom_mcqa:path=joint\.jsonl", ("exact_match",)))
    entry = read_helm_entry(tmp_path, "mine", [Scenario("joint", None, (metric,))])
    assert (entry.values, entry.unused) == ({"joint": {"EM": 1.0}}, ("custom_mcqa:path=long.jsonl",))


@pytest.mark.parametrize(
    "above", ["", "runs/oneday", "benchmark_output/runs/oneday", "helm/tuned/benchmark_output/runs/s"]
)
def test_a_single_suite_is_found_below_a_run_folder(tmp_path: Path, above: str) -> None:
    suite = tmp_path / above
    write_run(suite, "gsm:model=m", {"a": 1.0})
    assert suite_folder(tmp_path) == suite


def test_the_link_to_the_latest_suite_is_no_second_one(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/one", "gsm:model=m", {"a": 1.0})
    (tmp_path / "runs/latest").symlink_to(tmp_path / "runs/one")
    assert suite_folder(tmp_path) == tmp_path / "runs/one"


def test_several_suites_are_an_error_that_names_them(tmp_path: Path) -> None:
    for suite in ("one", "two"):
        write_run(tmp_path / "runs" / suite, "gsm:model=m", {"a": 1.0})
    with pytest.raises(ValueError, match=r"has several suites of HELM; name one of them: .*/runs/one, .*/runs/two"):
        suite_folder(tmp_path)


def test_a_folder_without_runs_is_an_error_that_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no runs of HELM\. .*eval\.helm\.evaluate RECIPE"):
        read_helm_entry(tmp_path, "mine")
    with pytest.raises(ValueError, match="nowhere has no runs of HELM; there is no such folder"):
        read_helm_entry(tmp_path / "nowhere", "mine")


def test_an_unfinished_run_is_an_error(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "gsm:model=m", {"a": 1.0})
    (folder / "stats.json").unlink()
    message = (
        r"gsm:model=m lacks stats\.json: HELM did not finish this run\. .*eval\.helm\.evaluate RECIPE` or helm-run"
    )
    with pytest.raises(ValueError, match=message):
        read_helm_entry(tmp_path, "mine", CHALLENGE)


def test_a_run_that_is_an_empty_folder_yet_is_an_error_and_helms_cache_is_none(tmp_path: Path) -> None:
    suite = tmp_path / "benchmark_output/runs/suite"
    (suite / "mmlu:subject=y,model=m").mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"mmlu:subject=y,model=m lacks run_spec\.json, scenario\.json, .*per_instance"
    ):
        read_helm_entry(tmp_path, "mine")
    (suite / "mmlu:subject=y,model=m").rename(suite / "eval_cache")
    write_run(suite, "gsm:model=m", {"a": 1.0}, "exact_match_indicator")
    assert read_helm_entry(tmp_path, "mine").values == {"GSM8K": {"EM": 1.0}}


def test_the_same_run_of_two_models_is_an_error(tmp_path: Path) -> None:
    for model in ("one", "two"):
        write_run(tmp_path, f"gsm:model={model}", {"a": 1.0})
    with pytest.raises(ValueError, match="are the same run of two models; an entry has one"):
        read_helm_entry(tmp_path, "mine", CHALLENGE)


def test_a_run_without_a_named_metric_is_an_error(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "odd:model=m", {"a": 1.0})
    (folder / "run_spec.json").write_text(json.dumps({"name": "odd:model=m", "metric_specs": []}))
    with pytest.raises(ValueError, match=r"run_spec\.json lists no metric by name; give read_helm_entry the scenarios"):
        helm_scenarios([tmp_path])


@pytest.mark.parametrize(
    ("name", "title", "scenario"),
    [
        ("gsm:model=neurips_local", "gsm", "gsm"),
        ("dyck_language_np=3:model=m", "dyck_language_np=3", "dyck_language"),
        ("custom_mcqa,path=a.jsonl,method=x:model=m", "custom_mcqa:path=a.jsonl,method=x", "custom_mcqa"),
        ("mmlu:subject=a,model=m,data_augmentation=canonical", "mmlu:subject=a,data_augmentation=canonical", "mmlu"),
    ],
)
def test_a_runs_title_is_its_name_without_the_model(name: str, title: str, scenario: str) -> None:
    assert without_model(name) == title
    assert scenario_of(title) == scenario


@pytest.mark.slow  # after the HELM smoke, which the slow tests of CI follow
@pytest.mark.skipif(not QUICKSTART.is_dir(), reason="no finished HELM run of the quickstart is there")
def test_means_over_instances_are_what_the_real_helm_wrote() -> None:
    entry = read_helm_entry(QUICKSTART, "quickstart")
    assert {"custom_mcqa", "dyck_language", "simple_mcqa"} <= set(entry.values)
    for scenario, metrics in entry.values.items():
        for metric, value in metrics.items():
            runs = entry.instances[scenario][metric].values()
            means = [sum(own.values()) / len(own) for own in runs]
            assert sum(means) / len(means) == pytest.approx(value)
