"""A quick evaluation: rows answered by each model, scored together, and written with all that decided the result."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.config import Bootstrap
from eval.examples.answers import Answering, answer_rows
from eval.examples.earlier import EarlierRun, notes
from eval.examples.models import NamedModel, hardware, journal_folder, model_versions
from eval.examples.row import AnsweredRow, ExampleRow
from eval.examples.scores import REPORT_FILE, ROWS_FILE, SCORES_FILE, EarlierReport, ModelReport, QuickReport
from eval.examples.scoring import metrics_of_tasks, score
from eval.examples.tables import render
from eval.metrics.registry import library_versions
from oneday.files import sha256_file, write_json, write_jsonl
from oneday.machine import describe
from oneday.stage import git_commit
from serve.transformers_engine import Precision

if TYPE_CHECKING:
    from serve.transformers_engine import TransformersEngine


@dataclass(frozen=True)
class Evaluation:
    """What is to be run. `against` are earlier evaluations; `inputs` the files that decide the rows."""

    rows: Sequence[ExampleRow]
    models: Sequence[NamedModel]
    against: Sequence[EarlierRun]
    answering: Answering
    batch_size: int
    precision: Precision | None
    metrics: Sequence[str]
    stemming: bool
    bootstrap: Bootstrap
    inputs: Sequence[Path]

    def check(self) -> None:
        """ValueError for what can be told before a model is loaded: no model, mixed rows, wrong metrics, other rows."""
        if not self.models and not self.against:
            raise ValueError("name a model by --model, or by --against the folder of an earlier run")
        metrics_of_tasks(self.rows, self.metrics)
        self._saved()

    def run(self, out: Path) -> str:
        """Answer, score and write; the tables. To be checked before."""
        answers = self._saved()
        reports = [
            one.model_copy(update={"prompts_cut": _cut(answers[one.name])})
            for earlier in self.against
            for one in earlier.models
        ]
        for model in self.models:
            answers[model.name], report = self._answered(model, out / model.name)
            reports.append(report)
        scores, scored = score(answers, self.metrics, self.stemming, self.bootstrap)
        for model in self.models:
            write_jsonl(out / model.name / ROWS_FILE, scored[model.name])
        write_json(out / SCORES_FILE, scores.model_dump())
        against = self._compared()
        write_json(out / REPORT_FILE, self._report(reports, against).model_dump())
        told = [note for one in against for note in notes(one, self.answering.length)]
        return "\n\n".join([render(scores), *told, *_cut_notes(reports)])

    def _saved(self) -> dict[str, list[AnsweredRow]]:
        """The answers of earlier evaluations, in the order of the rows."""
        found: dict[str, list[AnsweredRow]] = {}
        for earlier in self.against:
            found |= earlier.answers_to(self.rows, self.answering.length)
        return found

    def _compared(self) -> list[EarlierReport]:
        """Each earlier evaluation beside this one; beside the first of them if no model is asked now."""
        base = self._settings() if self.models or not self.against else self.against[0].report.settings
        return [earlier.compared(self.rows, base) for earlier in self.against]

    def _answered(self, model: NamedModel, folder: Path) -> tuple[list[AnsweredRow], ModelReport]:
        files = model.files()
        journals = journal_folder(folder, self.rows, files, self.answering, self.precision)
        began, loaded = time.monotonic(), []

        def load() -> "TransformersEngine":
            loaded.append(model.name)
            return model.load(self.batch_size, self.precision)

        answered = answer_rows(self.rows, load, self.answering, journals, model.name)
        seconds = round(time.monotonic() - began, 1) if loaded else None
        cut = _cut(answered)
        return answered, ModelReport(name=model.name, source=str(model), files=files, seconds=seconds, prompts_cut=cut)

    def _settings(self) -> dict[str, Any]:
        """All that decides the result beside rows and models."""
        answering = self.answering
        return {
            "max_new_tokens": answering.max_new_tokens,
            "stop": answering.stop,
            "length": answering.length,
            "delimiter": answering.delimiter,
            "seam": answering.seam,
            "rules": answering.rules.model_dump(mode="json"),
            "batch_size": self.batch_size,
            **hardware(self.precision)._asdict(),
            "metrics": list(self.metrics),
            "stemming": self.stemming,
            "bootstrap": self.bootstrap.model_dump(),
        }

    def _report(self, models: Sequence[ModelReport], against: Sequence[EarlierReport]) -> QuickReport:
        return QuickReport(
            rows=dict(Counter(row.task for row in self.rows)),
            settings=self._settings(),
            inputs={str(path): sha256_file(path) for path in self.inputs},
            models=list(models),
            against=list(against),
            versions=model_versions() | library_versions(),
            commit=git_commit(),
            machine=describe(),
        )


def _cut(answered: Sequence[AnsweredRow]) -> int:
    return sum(one.prompt_tokens_cut > 0 for one in answered)


def _cut_notes(reports: Sequence[ModelReport]) -> list[str]:
    """A sentence for each model whose context was too short for some prompts."""
    return [
        f"{report.name}: {report.prompts_cut} prompts were longer than the model's context and were cut on the left."
        for report in reports
        if report.prompts_cut
    ]
