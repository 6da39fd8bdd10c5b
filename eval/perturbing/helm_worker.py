"""HELM's perturbations of texts, in HELM's own environment: the standard library and HELM, nothing of this package.

    HELM_PYTHON -I helm_worker.py REQUEST RESULT

REQUEST is JSON Lines: first an object, name -> {"class_name", "args"} of HELM's PerturbationSpec, then one
{"id", "input", "references"} an instance. RESULT begins with {"version": HELM's}, then has a line an instance:
name -> {"input", "references"}, only where the input changed: HELM leaves out the others (should_skip_unchanged_eval).
"""

import json
import sys
from importlib import metadata
from pathlib import Path

from helm.benchmark.augmentations.perturbation import Perturbation, PerturbationSpec, create_perturbation  # type: ignore[import-not-found]
from helm.benchmark.scenarios.scenario import Input, Instance, Output, Reference  # type: ignore[import-not-found]


def perturbed(instance: Instance, perturbation: Perturbation) -> dict[str, object] | None:
    """The texts as HELM changes them, the randomness seeded by the instance's id; None if the input stays."""
    changed = perturbation.apply(instance)
    if changed.input == instance.input:
        return None
    return {"input": changed.input.text, "references": [reference.output.text for reference in changed.references]}


def main(request: Path, result: Path) -> None:
    """Perturb every instance of the request."""
    version = metadata.version("crfm-helm")
    with request.open(encoding="utf-8") as lines, result.open("w", encoding="utf-8") as out:
        specs = json.loads(next(lines))
        perturbations = {name: create_perturbation(PerturbationSpec(**spec)) for name, spec in specs.items()}
        out.write(json.dumps({"version": version}) + "\n")
        for line in lines:
            row = json.loads(line)
            references = [Reference(Output(text=text), tags=[]) for text in row["references"]]
            instance = Instance(input=Input(text=row["input"]), references=references, id=row["id"])
            texts = {name: perturbed(instance, each) for name, each in perturbations.items()}
            out.write(json.dumps({name: text for name, text in texts.items() if text is not None}) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
