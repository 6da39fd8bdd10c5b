"""Our perturbed rows and worst cases are HELM's own, where its virtual environment is there."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from eval.examples.row import ExampleRow
from eval.helm.running import HelmEnvironment
from eval.perturbing.drops import RowScores
from eval.perturbing.perturbations import OWN_NAMES, PERTURBATIONS, choose, make_ready
from eval.perturbing.perturbed import perturb

ENVIRONMENT = HelmEnvironment(Path(__file__).parents[3] / ".venv-helm")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ENVIRONMENT.folder.is_dir(), reason=".venv-helm is not here; `make helm-smoke` makes it"),
]
DIALECT = {"with": ["wit"], "this": ["dis"], "going": ["goin", "gwine"], "brother": ["bruh"]}
TEXTS = (
    ("id0", "I learned that Jack, Peter, and Lauren are siblings! Do you know who is the oldest?", "Peter and peter"),
    ("id1", "He will not go with this man because it's his, and they don't know him.", "It is his brother, he said."),
    ("id2", "Already, the new product is not available;\nwho has been going there with Emily?", "Available"),
    ("id3", "12 + 30 = ?", "42"),
    ("test-7", "Où est-ce que Megan achieved  her goal? Ñandú, 東京", "in Tokyo with Megan"),
)
# HELM's run expander names each set of perturbations; these are ours by those names.
SETS = {
    "canonical": ("mild_mix", "dialect", "gender", "person_name"),
    "typo_easy": ("typos",),
    "lower": ("lowercase",),
    "contract": ("contraction", "expansion"),
    "misspelling_medium": ("misspellings",),
    "space": ("space",),
}
AUGMENT = """
import json, sys
from helm.benchmark.run_expander import PERTURBATION_SPECS_DICT
from helm.benchmark.augmentations.data_augmenter import DataAugmenterSpec, create_data_augmenter
from helm.benchmark.scenarios.scenario import Input, Instance, Output, Reference

texts, sets, out = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
instances = [Instance(Input(text=text), [Reference(Output(text=answer), [])], id=id) for id, text, answer in texts]
found = []
for name in sets:
    (specs,) = PERTURBATION_SPECS_DICT[name].values()
    augmenter = create_data_augmenter(DataAugmenterSpec(perturbation_specs=specs))
    for one in augmenter.generate(instances, include_original=False, skip_unchanged=True):
        groups = [one.perturbation.robustness, one.perturbation.fairness]
        found.append([one.id, one.perturbation.name, one.input.text, one.references[0].output.text, groups])
open(out, "w").write(json.dumps(found))
"""
WORST = """
import json, sys
from helm.benchmark.augmentations.perturbation_description import PerturbationDescription
from helm.benchmark.metrics.metric import compute_worst_case_metrics
from helm.benchmark.metrics.metric_name import MetricName
from helm.benchmark.metrics.statistic import Stat
from helm.benchmark.scenarios.scenario import Input, Instance

stats = {}
for row, name, group, score in json.loads(sys.argv[1]):
    description = name and PerturbationDescription(name=name, **{group: True})
    instance = Instance(Input(text=f"{row} {name}"), [], id=f"id{row}", perturbation=description or None)
    stats[instance] = [Stat(MetricName("exact_match", perturbation=description or None)).add(score)]
worst = compute_worst_case_metrics(stats)
found = {f"{one.name.perturbation.name} {one.name.perturbation.computed_on}": one.mean for one in worst}
open(sys.argv[2], "w").write(json.dumps(found))
"""


def helm(script: str, folder: Path, *arguments: object) -> object:
    """What a script in HELM's environment writes, run in a folder."""
    out = folder / "out.json"
    words = [str(ENVIRONMENT.command("python").absolute()), "-I", "-c", script, *map(json.dumps, arguments), str(out)]
    subprocess.run(words, cwd=folder, check=True, timeout=120)
    return json.loads(out.read_text(encoding="utf-8"))


def test_texts_references_and_groups_are_those_of_helms_own_augmenter(tmp_path: Path) -> None:
    dialect, names = (tmp_path / "benchmark_output/perturbations" / name for name in ("dialect", "person_name/data"))
    dialect.mkdir(parents=True)
    names.mkdir(parents=True)
    (dialect / "SAE_to_AAVE_mapping.json").write_text(json.dumps(DIALECT), encoding="utf-8")
    shutil.copy(OWN_NAMES, names)
    expected = helm(AUGMENT, tmp_path, TEXTS, list(SETS))
    rows = [ExampleRow(task="t", id=id, prompt=text, references=(answer,)) for id, text, answer in TEXTS]
    ready, missing = make_ready(PERTURBATIONS, dialect)
    assert not missing
    assert sorted(name for own in SETS.values() for name in own) == sorted(each.name for each in PERTURBATIONS)
    groups = {each.name: [each.group == "robustness", each.group == "fairness"] for each in PERTURBATIONS}
    found = [
        [rows[one.position].id, one.perturbation, one.row.prompt, one.row.references[0], groups[one.perturbation]]
        for one in perturb(rows, ready, ENVIRONMENT).variants
    ]
    assert sorted(found) == sorted(expected)  # type: ignore[call-overload]
    assert {each.name for each in PERTURBATIONS} == {name for _, name, *_ in found}


def test_our_names_give_the_texts_that_helms_own_test_expects_of_its_file() -> None:
    row = ExampleRow(task="t", id=TEXTS[0][0], prompt=TEXTS[0][1], references=("Peter and peter were friends.",))
    ready, _ = make_ready(choose(["person_name"]), None)
    (changed,) = perturb([row], ready, ENVIRONMENT).variants
    assert changed.input.startswith("I learned that Lamar, Tyree, and Sharise are siblings!")
    assert changed.row.references == ("Tyree and tyree were friends.",)


def test_worst_cases_are_those_of_helms_own_function(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    groups = {"typos": "robustness", "space": "robustness", "gender": "fairness"}
    perturbed = {name: random.integers(0, 3, 40) / 2 for name in groups}
    for each in perturbed.values():
        each[random.random(40) < 0.3] = np.nan
    scores = RowScores(["t"] * 40, random.integers(0, 3, 40) / 2, perturbed)
    told = [(row, "", "", score) for row, score in enumerate(scores.original)]
    for name, group in groups.items():
        told += [(row, name, group, score) for row, score in enumerate(perturbed[name]) if not np.isnan(score)]
    ours = {}
    for name in groups:
        own = scores.on_changed(name)
        assert own is not None
        ours |= {f"{name} original": own.before, f"{name} worst": own.worst}
    for group in ("robustness", "fairness"):
        names = [name for name in groups if groups[name] == group]
        ours[f"{group} worst"] = float(scores.worst(names).mean())
    assert helm(WORST, tmp_path, told) == pytest.approx(ours)
