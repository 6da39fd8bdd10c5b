"""Links from a report page to what a run wrote: those files that are there, relative to the page."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ARTEFACTS = (  # (path below the run folder, what it is)
    ("06_train/model/", "the trained model, or its adapter"),
    ("06_train/model/README.md", "the model card"),
    ("06_train/model/run.json", "what the training took"),
    ("06_train/model/training_log.json", "every logged step"),
    ("06_train/plan.json", "what it was planned to take"),
    ("05_mix/report.html", "the training data as a page"),
    ("05_mix/train.jsonl", "the training rows"),
    ("05_mix/README.md", "the dataset card"),
    ("04_sample/report.html", "the sampler's choice as a page"),
    ("04_sample/sampled.jsonl", "the rows it took"),
    ("08_eval_score/scores.json", "the scores with their intervals"),
    ("08_eval_score/rows.jsonl", "every answer with its score"),
    ("12_ablate/ablation.html", "what each rule is worth"),
    ("09_report/results.json", "this report as JSON"),
)


@dataclass(frozen=True)
class Link:
    """A file of the run: its address from the page, its path in the run folder, what it is."""

    address: str
    path: str
    what: str


def artefact_links(run_dir: Path, page: Path, made: Sequence[str] = ()) -> list[Link]:
    """The links to what is there. `made` are paths that will be there once the page is."""
    return [
        Link(address(run_dir / path, page) + ("/" if path.endswith("/") else ""), path, what)
        for path, what in ARTEFACTS
        if path in made or (run_dir / path).exists()
    ]


def address(target: Path, page: Path) -> str:
    """The address of a file in a link of `page`: relative, so that the run folder may move as a whole."""
    return quote(Path(os.path.relpath(target.resolve(), page.resolve().parent)).as_posix())
