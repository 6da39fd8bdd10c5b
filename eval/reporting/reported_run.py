"""One run as a report shows it: what its stages wrote, read and checked. From a recipe's settings or a run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from eval.config import Bootstrap, Compare, Variant
from eval.reporting.results import Results, collect_results
from eval.scores import ScoredRow, read_scores
from oneday.files import first_fault, read_json, read_jsonl
from oneday.records import SampledTask
from oneday.stage import Report, StageError, read_report
from postprocess.ablation_record import Ablation

ABLATION = "12_ablate/ablation.json"
NEEDED = {"04_sample": "sample", "06_train": "train", "07_generate": "generate", "08_eval_score": "eval_score"}


@dataclass(frozen=True)
class ReportedRun:
    """A run's results and what they are made of.

    `training_settings` are Axolotl's keys as the training had them, empty if its report does not tell; `ablation` is
    None if the rules were not measured.
    """

    folder: Path
    results: Results
    variants: Sequence[Variant]
    compare: Compare
    sampled: Sequence[SampledTask]
    rows: Sequence[ScoredRow]
    training_settings: Mapping[str, Any]
    ablation: Ablation | None

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.results.recipe


class Settings(BaseModel):
    """What the reports of generate and eval_score tell of the recipe's eval.yaml."""

    variants: list[Variant]
    compare: Compare
    bootstrap: Bootstrap


def collect_run(
    recipe: str, base_model: str, seed: int, variants: Sequence[Variant], compare: Compare, run_dir: Path
) -> ReportedRun:
    """What a run folder holds. Raises ValueError or StageError that names a damaged file."""
    scores = read_scores(run_dir / "08_eval_score/scores.json")
    return ReportedRun(
        folder=run_dir,
        results=collect_results(recipe, base_model, seed, scores, run_dir),
        variants=variants,
        compare=compare,
        sampled=read_json(run_dir / "04_sample/tasks.json", list[SampledTask]),
        rows=read_jsonl(run_dir / "08_eval_score/rows.jsonl", ScoredRow),
        training_settings=_config(read_report(run_dir / "06_train/report.json")),
        ablation=read_json(run_dir / ABLATION, Ablation) if has_ablation(run_dir) else None,
    )


def has_ablation(run_dir: Path) -> bool:
    """Whether the rules of the run were measured to the end."""
    return (run_dir / ABLATION).is_file() and (run_dir / ABLATION).with_name("report.json").is_file()


def read_run_folder(run_dir: Path) -> ReportedRun:
    """A run without its recipe: the settings are those that its stages reported.

    Raises StageError that names the run, the stage that is not finished and the command that makes it.
    """
    reports = _reports(run_dir)
    settings = reported_settings(run_dir)
    told = _config(reports["06_train"]) | _page_settings(run_dir)
    model = told.get("base_model")
    if model is None:
        raise StageError(f"{run_dir / '06_train/report.json'} tells no base_model; {_advice(run_dir)}")
    recipe = told.get("recipe") or recipe_name(run_dir)
    return collect_run(recipe, model, reports["08_eval_score"].seed, settings.variants, settings.compare, run_dir)


def recipe_name(run_dir: Path) -> str:
    """The recipe that a run folder is of: that of the training's output_dir, runs/RECIPE/06_train/model, where known.

    Else the name of the folder.
    """
    report = run_dir / "06_train/report.json"
    told = _config(read_report(report)).get("output_dir") if report.is_file() else None
    path = Path(str(told))
    return (
        path.parts[-3] if path.parts[-2:] == ("06_train", "model") and len(path.parts) > 2 else run_dir.resolve().name
    )


def _page_settings(run_dir: Path) -> dict[str, Any]:
    """`recipe` and `base_model` as the recipe's own report has them, if it was made.

    A recipe that compresses trains from a folder of the run; its base model is the parent, which only this one tells.
    """
    report = run_dir / "09_report/report.json"
    told = _config(read_report(report)) if report.is_file() else {}
    return {key: told[key] for key in ("recipe", "base_model") if key in told}


def _config(report: Report) -> dict[str, Any]:
    """The settings in a stage's report."""
    return report.start.config if isinstance(report.start.config, dict) else {}


def reported_settings(run_dir: Path) -> Settings:
    """The settings of eval.yaml that the scores of a run come from. Raises StageError if they are not told whole."""
    reports = _reports(run_dir)
    told: dict[str, Any] = {}
    for folder in ("08_eval_score", "07_generate"):
        told |= _config(reports[folder])
    try:
        return TypeAdapter(Settings).validate_python(told)
    except ValidationError as error:
        places = f"{run_dir}: the reports of 07_generate and 08_eval_score do not tell the evaluation's settings"
        raise StageError(f"{places} ({first_fault(error)}); {_advice(run_dir)}") from error


def _reports(run_dir: Path) -> dict[str, Report]:
    """The reports of the stages that a report needs, by folder."""
    found = {}
    for folder, stage in NEEDED.items():
        try:
            found[folder] = read_report(run_dir / folder / "report.json")
        except StageError as error:
            raise StageError(f"{run_dir} has no finished stage '{stage}' ({error}); {_advice(run_dir)}") from error
    return found


def _advice(run_dir: Path) -> str:
    """What to do about a run that is not whole. Its recipe may lack the stage, and need not be where it was."""
    stages = ", ".join(NEEDED.values())
    return f"a report needs the stages {stages}; if the run's recipe has them all: python run.py RECIPE --out {run_dir}"
