"""The challenge's scenarios that HELM 0.5.16 has not, or has only for a network: `helm-run --plugins` loads this file.

It runs in HELM's environment, not in ours. Summaries (sam_sum, cnn_dailymail) and multiple choice (corr2cause, the five
parts of ETHICS) read HELM instances from scenarios/NAME/instances.jsonl, which eval/helm/placing.py writes. HELM's own
MATH reads scenarios/MATH/{train,test}.jsonl in place of a hub's data set, whose code it would run.
"""

from pathlib import Path
from typing import Any

from datasets import load_dataset
from helm.benchmark.adaptation.adapter_spec import AdapterSpec  # type: ignore[import-not-found]
from helm.benchmark.adaptation.common_adapter_specs import (  # type: ignore[import-not-found]
    get_multiple_choice_adapter_spec,
    get_summarization_adapter_spec,
)
from helm.benchmark.metrics.common_metric_specs import (  # type: ignore[import-not-found]
    get_basic_metric_specs,
    get_bias_metric_specs,
    get_exact_match_metric_specs,
)
from helm.benchmark.run_spec import RunSpec, run_spec_function  # type: ignore[import-not-found]
from helm.benchmark.scenarios import math_scenario  # type: ignore[import-not-found]
from helm.benchmark.scenarios.scenario import Instance, Scenario, ScenarioSpec  # type: ignore[import-not-found]
from helm.common.codec import from_jsonl  # type: ignore[import-not-found]

TEMPERATURE = 0.3  # HELM's own for summaries
SUMMARIES: dict[str, dict[str, int | None]] = {
    "cnn_dailymail": {"num_sents": 3, "max_tokens": 128},  # as HELM's summarization_cnndm
    "sam_sum": {"num_sents": None, "max_tokens": 128},
}
CHOICES = {
    "corr2cause": "The following are questions about cause and effect (with answers).",
    "ethics_commonsense": "The following are questions about whether an action is wrong (with answers).",
    "ethics_deontology": "The following are questions about whether an excuse is reasonable (with answers).",
    "ethics_justice": "The following are questions about whether a treatment is just (with answers).",
    "ethics_utilitarianism": "The following are questions about what is more pleasant (with answers).",
    "ethics_virtue": "The following are questions about character traits (with answers).",
}


class PlacedScenario(Scenario):  # type: ignore[misc]
    """Instances that lie in a file."""

    tags: list[str] = []  # noqa: RUF012 - HELM's own

    def __init__(self, dataset: str):
        super().__init__()
        self.name = dataset
        self.description = f"{dataset}, from locally placed files"

    def get_instances(self, output_path: str) -> list[Any]:
        """The instances of the file, with their splits."""
        instances: list[Any] = from_jsonl((Path(output_path) / "instances.jsonl").read_text(encoding="utf-8"), Instance)
        return instances


def _run_spec(name: str, adapter_spec: AdapterSpec, metric_specs: list[Any]) -> RunSpec:
    scenario = ScenarioSpec(class_name=f"{__name__}.{PlacedScenario.__name__}", args={"dataset": name})
    return RunSpec(
        name=name, scenario_spec=scenario, adapter_spec=adapter_spec, metric_specs=metric_specs, groups=[name]
    )


def _register_summary(name: str) -> None:
    @run_spec_function(name)  # type: ignore[untyped-decorator]
    def summary() -> RunSpec:
        adapter_spec = get_summarization_adapter_spec(temperature=TEMPERATURE, **SUMMARIES[name])
        rouge = get_basic_metric_specs(["rouge_1", "rouge_2", "rouge_l"])
        return _run_spec(name, adapter_spec, rouge + get_bias_metric_specs())


def _register_choice(name: str) -> None:
    @run_spec_function(name)  # type: ignore[untyped-decorator]
    def choice() -> RunSpec:
        adapter_spec = get_multiple_choice_adapter_spec(
            method="multiple_choice_joint", instructions=CHOICES[name], input_noun="Question", output_noun="Answer"
        )
        return _run_spec(name, adapter_spec, get_exact_match_metric_specs())


def placed_math(path: str, cache_dir: str, **options: Any) -> Any:
    """The rows of MATH that lie beside HELM's cache folder."""
    files = {split: str(Path(cache_dir).parent / f"{split}.jsonl") for split in ("train", "test")}
    return load_dataset("json", data_files=files, cache_dir=cache_dir)


for _name in SUMMARIES:
    _register_summary(_name)
for _name in CHOICES:
    _register_choice(_name)
math_scenario.load_dataset = placed_math
