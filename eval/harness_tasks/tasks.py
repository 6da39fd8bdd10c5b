"""A recipe's evaluation rows -> lm-eval tasks: held-out rows to generate from, label words to choose, translations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from data_prep.tasks import read_task_list
from eval.config import Variant
from eval.harness_tasks.exported import ChoiceRow, ExportedTask, HeldOutRow, Row, TranslationRow, group_name
from eval.harness_tasks.yaml_files import VERSION, Function, mean_of
from eval.questions import Question
from oneday.buzuzu_mavi import labels_of, task_name
from oneday.files import read_jsonl
from oneday.prompt import build_prompt, task_prompt
from oneday.recipe import Recipe, check_tasks
from oneday.records import HeldOut, TaskEntry
from oneday.stage import StageError
from postprocess.cases import RULES_FILE

RULES, AS_IT_IS = "rules", "none"  # names of filters; lm_eval calls that of a task without any `none`
NO_EXAMPLES: Mapping[str, Any] = {"num_fewshot": 0}  # --num_fewshot then changes nothing, or it would show test rows


@dataclass(frozen=True)
class HarnessTask:
    """One task to write. `name` is that in the run and in its rules; `config` is its YAML."""

    name: str
    config: Mapping[str, Any]
    exported: ExportedTask
    rows: list[Row]


def held_out_tasks(recipe: Recipe, run_dir: Path) -> list[HarnessTask]:
    """The held-out rows of 01_collect by task, shown as many demonstrations as the candidate of eval.yaml.

    Tasks without rows are left out. ConfigError for rules of a task that there is not.
    """
    from eval.score import scorers_by_task

    config = recipe.eval
    entries = read_task_list(_written(recipe, run_dir, "01_collect/tasks.jsonl", "collect"))
    rows = read_jsonl(_written(recipe, run_dir, "01_collect/held_out.jsonl", "collect"), HeldOut)
    check_tasks(recipe.rules, entries, recipe.folder / RULES_FILE)
    by_task: dict[str, list[HeldOut]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    references = {name: [text for row in own for text in row.output] for name, own in by_task.items()}
    scorers = scorers_by_task(references, recipe.sampling.score)
    (candidate,) = (variant for variant in config.variants if variant.name == config.compare.candidate)
    return [
        HarnessTask(
            name,
            _generation(recipe, candidate, name, entry),
            ExportedTask(rows="held_out", kind=entry.kind, tokenizer=scorers[name].tokenizer),
            [_held_out_row(recipe.data.preamble, entry, row) for row in by_task[name]],
        )
        for name, entry in entries.items()
        if name in by_task
    ]


def _held_out_row(preamble: str, task: TaskEntry, row: HeldOut) -> HeldOutRow:
    question = build_prompt("", "", row.input)
    head = task_prompt(preamble, task, row.input).removesuffix(question)
    return HeldOutRow(task=row.task, id=row.id, head=head, question=question, references=row.output)


def _generation(recipe: Recipe, candidate: Variant, name: str, task: TaskEntry) -> dict[str, Any]:
    from serve.batch import BLANK_LINE

    shown = [
        {"question": build_prompt("", "", example.input), "references": [example.output.strip()]}
        for example in task.positive_examples
    ]
    demonstrations = min(candidate.demonstrations, len(shown))
    few_shot = {"fewshot_config": {"sampler": "first_n", "samples": shown}} if shown else NO_EXAMPLES
    if demonstrations:
        few_shot = {**few_shot, "num_fewshot": demonstrations}
    return {
        **_common(recipe, name),
        "output_type": "generate_until",
        "description": "head",
        "doc_to_text": "question",
        "doc_to_target": "references",
        "target_delimiter": "",
        "fewshot_delimiter": "\n\n",
        **few_shot,
        **_greedy(
            getattr(recipe.eval.max_new_tokens, task.kind), [BLANK_LINE] if recipe.eval.stop_at_blank_line else []
        ),
        "process_results": Function("oneday_tasks.judge"),
        "metric_list": [mean_of("task_score"), mean_of("exact_match"), mean_of("rouge_l")],
    }


def challenge_tasks(recipe: Recipe, run_dir: Path) -> list[HarnessTask]:
    """The test rows of 05_mix, one lm-eval task for each of the challenge's, at most max_rows_per_task rows."""
    from eval.answer import read_questions, test_file

    path = _written(recipe, run_dir, test_file(recipe), "mix")
    questions, _ = read_questions(path, recipe.zindi.max_rows_per_task)
    by_task: dict[str, list[Question]] = {}
    for question in questions:
        by_task.setdefault(task_name(question.kind, question.language), []).append(question)
    return [
        _choice(recipe, name, own) if labels_of(own[0].kind, own[0].language) else _translation(recipe, name, own)
        for name, own in sorted(by_task.items())
    ]


def _choice(recipe: Recipe, name: str, questions: list[Question]) -> HarnessTask:
    labels = labels_of(questions[0].kind, questions[0].language)
    config = {
        **_common(recipe, name),
        "output_type": "multiple_choice",
        "doc_to_text": "prompt",
        "doc_to_choice": list(labels),
        "doc_to_target": "label",
        "target_delimiter": "",
        **NO_EXAMPLES,
        "metric_list": [
            {"metric": "f1", "aggregation": Function("oneday_tasks.macro_f1"), "higher_is_better": True},
            mean_of("acc"),
            mean_of("acc_norm"),
        ],
    }
    rows: list[Row] = []
    for question in questions:
        if (label := _reference(question)) not in labels:
            raise StageError(
                f"task {name}, row {question.id}: the answer {label!r} is no label; allowed: {', '.join(labels)}"
            )
        rows.append(ChoiceRow(task=name, id=question.id, prompt=question.prompt, label=labels.index(label)))
    return HarnessTask(name, config, ExportedTask(rows="choice"), rows)


def _translation(recipe: Recipe, name: str, questions: list[Question]) -> HarnessTask:
    config = {
        **_common(recipe, name),
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "reference",
        "target_delimiter": "",
        **NO_EXAMPLES,
        **_greedy(recipe.zindi.decoding.max_new_tokens.translation, []),
        "metric_list": [{"metric": "chrf", "aggregation": "chrf", "higher_is_better": True}],
    }
    rows: list[Row] = [
        TranslationRow(task=name, id=question.id, prompt=question.prompt, reference=_reference(question))
        for question in questions
    ]
    return HarnessTask(name, config, ExportedTask(rows="translation"), rows)


def _reference(question: Question) -> str:
    return normalize("NFC", question.reference or "").strip()


def _common(recipe: Recipe, name: str) -> dict[str, Any]:
    return {
        "task": harness_name(recipe, name),
        "custom_dataset": Function("oneday_tasks.load"),
        "dataset_kwargs": {"rows_of": name},
        "test_split": "test",
        "metadata": {"version": VERSION},
    }


def _greedy(limit: int, until: Iterable[str]) -> dict[str, Any]:
    """Greedy decoding, and the rules on what it gives."""
    steps = [{"function": "take_first"}, {"function": "custom", "filter_fn": Function("oneday_tasks.clean")}]
    return {
        "generation_kwargs": {"until": list(until), "max_gen_toks": limit, "do_sample": False, "temperature": 0.0},
        "filter_list": [{"name": RULES, "filter": steps}],
    }


def harness_name(recipe: Recipe, task: str | None = None) -> str:
    """What lm_eval calls a task, or the group of all."""
    return group_name(recipe.name) if task is None else f"{group_name(recipe.name)}_{task}"


def _written(recipe: Recipe, run_dir: Path, file: str, stage: str) -> Path:
    """A file of the run. StageError says how to write it if it is not there."""
    path = run_dir / file
    if not path.is_file():
        out = "" if run_dir == recipe.default_out else f" --out {run_dir}"
        raise StageError(f"{path} is not there; write it with: python run.py {recipe.folder} --until {stage}{out}")
    return path
