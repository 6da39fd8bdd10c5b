"""Stage answer: the models answer the test rows of the Buzuzu-Mavi tasks.

    python -m eval.answer recipes/inkuba-40m [--out DIR]

Reads 05_mix/test.jsonl (or test.parquet) and the models; writes 07_answer/MODEL.jsonl, one file for each model of
zindi.yaml, with the raw text, the scores of the label words, and the answer.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from compress.folders import MODEL, TRAINING, model_input, untrained_model
from eval.answering import PRECISION, answer_questions
from eval.generate import tuned_model
from eval.label_answers import label_answer
from eval.questions import Answered, Question
from eval.zindi_config import ModelName
from oneday.buzuzu_mavi import labels_of, parse_task, task_name
from oneday.console import stage_main
from oneday.files import parse_line, read_lines, write_jsonl
from oneday.recipe import Recipe
from oneday.records import Example
from oneday.stage import Outcome, Stage, StageError
from postprocess.cases import RuleSet
from postprocess.chain import apply_rules
from serve.transformers_engine import load_model


def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
    """Answer the test rows once with each model."""
    path = run_dir / test_file(recipe)
    questions, left_out = read_questions(path, recipe.zindi.max_rows_per_task)
    if not questions:
        raise StageError(f"{path} has no rows; raise mix.test_share ({recipe.data_file})")
    details: dict[str, Any] = {}
    for model in recipe.zindi.models:
        folder, adapter = model_of(recipe, run_dir, model)
        answered = answer_questions(
            questions,
            lambda folder=folder, adapter=adapter: load_model(folder, adapter, PRECISION),  # type: ignore[misc]
            recipe.zindi.decoding,
            recipe.rules,
            output_dir / "work" / model,
            model,
        )
        write_jsonl(output_dir / f"{model}.jsonl", answered)
        details[model] = {"texts_that_are_no_label": no_label_texts(answered, recipe.rules)}
    tasks = Counter(task_name(question.kind, question.language) for question in questions)
    counts = {"rows": len(questions), **dict(sorted(tasks.items())), "models": len(recipe.zindi.models)}
    return Outcome(counts, {"beyond_max_rows_per_task": left_out}, details)


def test_file(recipe: Recipe) -> str:
    """The file of the test rows, below the run folder."""
    return f"05_mix/test.{recipe.data.mix.output}"


def read_questions(path: Path, max_rows_per_task: int | None) -> tuple[list[Question], int]:
    """The first rows of each task as questions, in the file's order, and how many rows are left out.

    StageError names a row whose task is none of the challenge's.
    """
    questions, taken, seen, left_out = [], Counter[str](), Counter[str](), 0
    for place, row in _rows(path):
        try:
            kind, language = parse_task(row.task)
        except ValueError as error:
            raise StageError(f"{place} (source {row.source}, id {row.id}): {error}") from error
        if taken[row.task] == max_rows_per_task:
            left_out += 1
            continue
        taken[row.task] += 1
        id_ = f"{row.source}/{row.id}"  # which a source with ids of its own may have twice
        seen[id_] += 1
        id_ = id_ if seen[id_] == 1 else f"{id_}#{seen[id_]}"
        question = {"prompt": row.question, "reference": row.answer}
        questions.append(Question(kind=kind, language=language, id=id_, **question))
    return questions, left_out


def _rows(path: Path) -> Iterator[tuple[str, Example]]:
    """The rows of a file, each with its place in words."""
    if path.suffix == ".jsonl":
        for number, line in read_lines(path):
            yield f"{path}:{number}", parse_line(path, number, line, Example)
        return
    import polars as pl

    for number, row in enumerate(pl.read_parquet(path).iter_rows(named=True), start=1):
        yield f"{path}, row {number}", Example.model_validate(row)


def model_of(recipe: Recipe, run_dir: Path, name: ModelName) -> tuple[str, Path | None]:
    """A model's folder (or hub id) and the adapter on it, if there is one."""
    if name == "tuned":
        return tuned_model(recipe, run_dir)
    before = untrained_model(recipe)
    return (recipe.base_model if before is None else str(run_dir / before)), None


def no_label_texts(answered: Iterable[Answered], rules: RuleSet) -> dict[str, int]:
    """For each label task, how many generated texts are none of its labels after the rules."""
    counts: dict[str, int] = {}
    for row in answered:
        if labels := labels_of(row.kind, row.language):
            task = task_name(row.kind, row.language)
            text = apply_rules(row.generated, rules.for_task(task).rules)
            counts[task] = counts.get(task, 0) + (label_answer(text, labels) is None)
    return dict(sorted(counts.items()))


def model_folders(recipe: Recipe) -> list[str]:
    """The folders of the models that zindi.yaml names, below the run folder; an adapter's base model too."""
    before = untrained_model(recipe)
    folders = [before] if "untuned" in recipe.zindi.models and before is not None else []
    if "tuned" in recipe.zindi.models:
        folders += [*model_input(recipe, TRAINING), f"{TRAINING}/{MODEL}"]
    return list(dict.fromkeys(folders))


STAGE = Stage(
    name="answer",
    folder="07_answer",
    module="eval.answer",
    summary="Answer the test rows of the Buzuzu-Mavi tasks with the untuned and the tuned model.",
    inputs=lambda recipe: (test_file(recipe), *model_folders(recipe)),
    settings=lambda recipe: {
        "models": list(recipe.zindi.models),
        "max_rows_per_task": recipe.zindi.max_rows_per_task,
        "decoding": recipe.zindi.decoding.model_dump(),
        "rules": recipe.rules.model_dump(),
    },
    run=run,
    uses_model=True,
)


if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
