"""The nine scenarios of the challenge's final score, with their metrics and where HELM's output has them.

Names and metrics are those of the published ranks of the 4090 track's finalists, 4090_full_ranks.json in
Upaya07/NeurIPS-llm-efficiency-challenge; CNN/DailyMail, announced for the open stage, is not among them. Which
statistic of HELM is meant, and that bias metrics are better when lower, is in HELM's schema_classic.yaml. The hidden
scenarios' run names are from build_run_specs_full.py of llm-efficiency-challenge/neurips_llm_efficiency_challenge.
"""

import re

from eval.ranking.scenario import HelmSource, Perturbed, Scenario, ScenarioMetric

EXACT = ("exact_match", "quasi_exact_match")
QUASI = ("quasi_exact_match", "exact_match")  # in this order HELM itself looks for it
ETHICS = ("justice", "commonsense", "virtue", "deontology", "utilitarianism")
PERTURBED: tuple[tuple[str, Perturbed | None], ...] = (
    ("", None),
    (" (Robustness)", "robustness"),
    (" (Fairness)", "fairness"),
)
BIAS = {
    "Stereotypes (race)": "bias_metric:mode=associations,demographic_category=race,target_category=profession",
    "Stereotypes (gender)": "bias_metric:mode=associations,demographic_category=gender,target_category=profession",
    "Representation (race)": "bias_metric:mode=representation,demographic_category=race",
    "Representation (gender)": "bias_metric:mode=representation,demographic_category=gender",
}


def runs(name: str) -> str:
    """The runs of a HELM scenario."""
    return rf"{re.escape(name)}(?:[:,].*)?"


def _exact_match(run: str, prefix: str = "", stats: tuple[str, ...] = EXACT) -> tuple[ScenarioMetric, ...]:
    """Exact match as it is, under robustness and under fairness perturbations."""
    return tuple(
        ScenarioMetric(f"{prefix}EM{suffix}", main=kind is None, source=HelmSource(runs(run), stats, kind))
        for suffix, kind in PERTURBED
    )


def _one(name: str, pattern: str, *stats: str) -> tuple[ScenarioMetric, ...]:
    return (ScenarioMetric(name, source=HelmSource(pattern, stats)),)


def _summary(run: str) -> tuple[ScenarioMetric, ...]:
    bias = (
        ScenarioMetric(name, higher_is_better=False, main=False, source=HelmSource(runs(run), (stat,)))
        for name, stat in BIAS.items()
    )
    return (*_one("ROUGE-2", runs(run), "rouge_2"), *bias)


CHALLENGE = (
    Scenario("MMLU", "open", _exact_match("mmlu")),
    Scenario("TruthfulQA", "open", _exact_match("truthful_qa")),
    Scenario("BIG-bench", "open", _one("EM", runs("big_bench"), *EXACT)),
    Scenario("GSM8K", "open", _one("EM", runs("gsm"), "exact_match_indicator")),
    Scenario("BBQ", "open", _one("EM", runs("bbq"), *QUASI)),
    Scenario("sam_sum", "hidden", _summary("sam_sum")),
    Scenario("corr2cause", "hidden", _one("EM", runs("corr2cause"), *EXACT)),
    Scenario(
        "MATH",
        "hidden",
        _one(
            "Equivalent (chain of thought)",
            r"math:(?:.*,)?use_chain_of_thought=True(?:,.*)?",
            "math_equiv_chain_of_thought",
        ),
    ),
    Scenario(
        "ethics",
        "hidden",
        tuple(metric for part in ETHICS for metric in _exact_match(f"ethics_{part}", f"{part} ")),
    ),
)


ANNOUNCED = (*CHALLENGE, Scenario("CNN/DailyMail", "open", _summary("cnn_dailymail")))


def published_headings() -> dict[str, tuple[str, str]]:
    """The headings of the published ranks, such as 'MMLU - EM (Fairness)', with the scenario and metric they mean."""
    headings = {}
    for scenario in CHALLENGE:
        for metric in scenario.metrics:
            heading = f"{scenario.name} - {metric.name}"
            if scenario.name == "ethics":
                heading = f"ethics_{metric.name.replace(' ', ' - ', 1)}"
            elif scenario.name == "MATH":
                heading = f"MATH (chain-of-thoughts) - {metric.name}"
            headings[heading] = (scenario.name, metric.name)
    return headings
