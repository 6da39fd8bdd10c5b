"""What the exported lm-eval tasks call: rows, rules and scores of a folder that `python -m eval.harness` has written.

lm_eval finds this through `oneday_tasks.py` beside the YAML files, which says where the folder is; so it may be moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import normalize

from pydantic import BaseModel

from eval.metrics.scorer import Scorer
from eval.metrics.tokens import Tokenizer
from oneday.files import read_json, read_jsonl
from oneday.records import Kind
from postprocess.cases import RuleSet
from postprocess.chain import apply_rules

if TYPE_CHECKING:
    from datasets import Dataset

SETTINGS_FILE = "settings.json"
BRIDGE_FILE = "oneday_tasks.py"
BRIDGE = '''"""Rows, rules and scores of the tasks beside this file, for lm_eval; by `python -m eval.harness`."""

from pathlib import Path

from eval.harness_tasks.exported import ExportedTasks

_tasks = ExportedTasks(Path(__file__).parent)
load, clean, judge, macro_f1 = _tasks.load, _tasks.clean, _tasks.judge, _tasks.macro_f1
'''


class HeldOutRow(BaseModel):
    """A held-out row. Its prompt is `head`, which a task's rows share, and `question`; answers follow demonstrations.

    lm_eval puts its few-shot demonstrations between the two, as `oneday.prompt.build_prompt` does.
    """

    task: str
    id: str
    head: str
    question: str
    references: list[str]


class ChoiceRow(BaseModel):
    """A row whose answer is one of the task's label words, by number."""

    task: str
    id: str
    prompt: str
    label: int


class TranslationRow(BaseModel):
    """A row to translate. The reference is in Unicode's normal form C."""

    task: str
    id: str
    prompt: str
    reference: str


Row = HeldOutRow | ChoiceRow | TranslationRow
ROWS: Mapping[str, type[Row]] = {"held_out": HeldOutRow, "choice": ChoiceRow, "translation": TranslationRow}


class ExportedTask(BaseModel):
    """How a task is read and scored. `kind` and `tokenizer` are of held-out rows alone."""

    rows: Literal["held_out", "choice", "translation"]
    kind: Kind | None = None
    tokenizer: Tokenizer | None = None


class HarnessSettings(BaseModel):
    """What decides the scores beside the answers: `settings.json` of an exported folder."""

    recipe: str
    rules: RuleSet
    stemming: bool
    tasks: dict[str, ExportedTask]


def other_entries(folder: Path) -> list[str]:
    """What is in the folder and was not exported to it; all of it unless both the settings and the bridge are whole.

    Nothing if there is no folder. Python's cache of the bridge is of the export.
    """
    if not folder.exists():
        return []
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    try:
        settings = read_json(folder / SETTINGS_FILE, HarnessSettings)
        bridge = (folder / BRIDGE_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return sorted(there)
    if bridge != BRIDGE:
        return sorted(there)
    exported = {SETTINGS_FILE, BRIDGE_FILE, f"{group_name(settings.recipe)}.yaml", "__pycache__"}
    exported |= {f"{task}{suffix}" for task in settings.tasks for suffix in (".yaml", ".jsonl")}
    return sorted(there - exported)


def group_name(recipe: str) -> str:
    """What lm_eval calls the group of all tasks of a recipe."""
    return f"oneday_{recipe}"


class ExportedTasks:
    """The tasks of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def settings(self) -> HarnessSettings:
        """What `settings.json` says. ValueError if it is damaged."""
        return read_json(self.folder / SETTINGS_FILE, HarnessSettings)

    def load(self, rows_of: str, **_: Any) -> "dict[str, Dataset]":
        """The rows of a task as lm_eval's split `test`, in memory; it passes its model arguments too."""
        from datasets import Dataset

        records = read_jsonl(self.folder / f"{rows_of}.jsonl", ROWS[self.settings.tasks[rows_of].rows])
        return {"test": Dataset.from_list([record.model_dump() for record in records])}

    def clean(self, responses: Iterable[str], docs: Sequence[Mapping[str, Any]]) -> list[str]:
        """A filter of lm_eval: each response after the rules of its task; translations in normal form C then."""
        return [self._cleaned(text, doc["task"]) for text, doc in zip(responses, docs, strict=True)]

    def _cleaned(self, response: str, task: str) -> str:
        text = apply_rules(response, self.settings.rules.for_task(task).rules)
        return normalize("NFC", text) if self.settings.tasks[task].rows == "translation" else text

    def judge(self, doc: Mapping[str, Any], responses: Sequence[str]) -> dict[str, float]:
        """The scores of the response to a held-out row; `task_score` is the one that `eval.score` reports."""
        task = self.settings.tasks[doc["task"]]
        if task.kind is None or task.tokenizer is None:
            raise ValueError(
                f"{self.folder / SETTINGS_FILE}: task {doc['task']} says no kind and tokenizer; export anew"
            )
        found = Scorer(task.tokenizer, self.settings.stemming).judge(responses[0], doc["references"])
        exact, rouge = float(found.exact_match), found.rouge_l_f
        return {"task_score": exact if task.kind == "exact_match" else rouge, "exact_match": exact, "rouge_l": rouge}

    @staticmethod
    def macro_f1(items: Sequence[tuple[int, int]]) -> float:
        """The macro F1 of pairs of right and chosen label numbers, as the challenge's is computed."""
        from eval.metrics.macro_f1 import f1_statistics, macro_f1

        right, chosen = zip(*items, strict=True)
        return float(macro_f1(f1_statistics(chosen, right).sum(axis=0)))
