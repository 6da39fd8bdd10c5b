"""The scenarios that HELM gets from us, in HELM's own environment."""

import json
import subprocess
from pathlib import Path

import pytest

from eval.helm.conf import RunEntry
from eval.helm.placing import place
from eval.helm.running import OUTPUT, PLUGIN, HelmEnvironment
from tests.eval.helm.test_conversions import jsonl

HELM = HelmEnvironment(Path(__file__).parents[3] / ".venv-helm")
SCRIPT = """
import json, sys
from helm.benchmark.config_registry import register_builtin_configs_from_helm_package
from helm.benchmark.run import import_user_plugins, run_entries_to_run_specs
from helm.benchmark.presentation.run_entry import RunEntry
from helm.benchmark.scenarios.scenario import create_scenario, get_scenario_cache_path
register_builtin_configs_from_helm_package()
import_user_plugins([sys.argv[1]])
found = {}
for spec in run_entries_to_run_specs([RunEntry(text) for text in sys.argv[3:]], models_to_run=["neurips/local"]):
    scenario = create_scenario(spec.scenario_spec)
    instances = scenario.get_instances(get_scenario_cache_path(sys.argv[2], scenario.name))
    found[spec.name] = [
        [one.split, one.input.text, [reference.output.text for reference in one.references if reference.is_correct]]
        for one in instances
    ]
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not HELM.folder.is_dir(), reason="no .venv-helm, which `make helm-smoke` makes")
def test_helm_reads_the_placed_instances_of_the_plugins_scenarios_and_of_math(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split in ("train", "test"):
        jsonl(data / f"sam_sum/{split}.jsonl", {"dialogue": "A: Hm.\u2028B: Yes.", "summary": "Both agree"})
        jsonl(data / f"corr2cause/{split}.jsonl", {"input": "A causes B.", "label": 1})
        row = {"problem": f"{split}?", "level": "Level 1", "type": "Algebra", "solution": "It is $\\boxed{7}$."}
        jsonl(data / f"math/{split}.jsonl", row, row | {"level": "Level 5"})
    texts = ["sam_sum", "corr2cause:max_train_instances=1", "math:subject=algebra,level=1"]
    place([RunEntry(description=text) for text in texts], data, tmp_path)
    command = [str(HELM.command("python")), "-c", SCRIPT, str(PLUGIN), str(tmp_path / OUTPUT), *texts]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [name.partition(":")[0] for name in found] == ["sam_sum", "corr2cause", "math"]
    summaries, choices, problems = found.values()
    assert summaries == [[split, "A: Hm.\nB: Yes.", ["Both agree"]] for split in ("train", "test")]
    assert [(split, right) for split, _, right in choices] == [("train", ["Yes"]), ("test", ["Yes"])]
    assert problems == [["train", "train?", ["7"]], ["test", "test?", ["7"]]]
