"""Questions of the challenge -> a model's answers, for scoring and for submissions.

Label tasks get both: the text of greedy decoding and the log-likelihood of each label word; zindi.yaml says which
decides. Translations get the best of several beams. Every batch is journaled, so that a run that is cut off goes on.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from eval.label_answers import label_answer
from eval.label_choice import LabelChoice, batch_calibrated
from eval.questions import Answered, Question
from eval.zindi_config import Decoding
from oneday.buzuzu_mavi import labels_of, parse_task, task_name
from oneday.console import progress
from postprocess.cases import RuleSet
from postprocess.chain import apply_rules
from serve.batch import Group, answer_all, answer_groups, journaled_answers
from serve.beam_engine import BeamEngine
from serve.transformers_engine import LoadedModel, Precision, TransformersEngine

PRECISION: Precision = "float32"  # of the models on any device: they are small, and the published ones were
Texts = Mapping[tuple[str, str], str]  # (task, id) -> text


def answer_questions(
    questions: Sequence[Question],
    load: Callable[[], LoadedModel],
    decoding: Decoding,
    rules: RuleSet,
    work: Path,
    label: str,
) -> list[Answered]:
    """The answers in the order of the questions, `decoding.batch_size` prompts at a time.

    `load` is called once, and only if something is left to do. `work` is a folder for the journals of these questions
    and this model alone; `label` is what progress bars say. ValueError for an id that a task has twice.
    """
    groups = _groups(questions, decoding)
    labelled = [group for group in groups if _labels(group)]
    translated = [group for group in groups if not _labels(group)]
    loaded = cache(load)

    def beams() -> BeamEngine:
        return BeamEngine(loaded(), decoding.batch_size, decoding.beams, decoding.repetition_penalty)

    def greedy() -> TransformersEngine:
        return TransformersEngine(*loaded(), decoding.batch_size)

    texts = dict(answer_all(labelled, greedy, work / "labels.jsonl", f"{label}: labels"))
    scores = _label_scores(labelled, greedy, decoding, work / "label_scores.jsonl", f"{label}: choices")
    texts |= answer_all(translated, beams, work / "translations.jsonl", f"{label}: beams")
    return [_answered(question, texts, scores, decoding, rules) for question in questions]


def answer_text(text: str, kind_labels: Sequence[str], scores: Sequence[float], decoding: Decoding) -> str:
    """The answer that a text after the rules is: a label word, or for a task without label words the text itself.

    Of labels that are equally likely the first is taken.
    """
    if not kind_labels:
        return text
    said = label_answer(text, kind_labels) if decoding.label_answers == "generate" else None
    return kind_labels[scores.index(max(scores))] if said is None else said


def _groups(questions: Sequence[Question], decoding: Decoding) -> list[Group]:
    """One group of prompts a task, by name."""
    by_task: dict[str, list[Question]] = {}
    for question in questions:
        by_task.setdefault(_task(question), []).append(question)
    groups = []
    for task, own in sorted(by_task.items()):
        ids = [question.id for question in own]
        id, count = Counter(ids).most_common(1)[0]
        if count > 1:
            raise ValueError(f"{task}: {count} questions have the id {id!r}; give each an id of its own")
        limits = decoding.max_new_tokens
        limit = limits.label if labels_of(own[0].kind, own[0].language) else limits.translation
        groups.append(Group(task, ids, [question.prompt for question in own], limit))
    return groups


def _label_scores(
    groups: Sequence[Group], greedy: Callable[[], TransformersEngine], decoding: Decoding, journal: Path, label: str
) -> dict[tuple[str, str], list[float]]:
    """The scores of the label words for each (task, id)."""
    texts = journaled_answers(groups, journal)
    with progress(sum(len(group.ids) for group in groups), label, "row", len(texts)) as bar:
        for group in groups:
            own = {key: text for key, text in texts.items() if key[0] == group.name}

            def choice(group: Group = group) -> LabelChoice:
                return LabelChoice(greedy(), _labels(group), decoding.normalise)

            texts |= answer_groups([group], own, choice, journal, bar.update)
    scores = {key: json.loads(text) for key, text in texts.items()}
    if decoding.normalise == "batch":
        for group in groups:
            keys = [(group.name, id) for id in group.ids]
            scores |= zip(keys, batch_calibrated([scores[key] for key in keys]), strict=True)
    return scores


def _answered(
    question: Question, texts: Texts, scores: Mapping[tuple[str, str], list[float]], decoding: Decoding, rules: RuleSet
) -> Answered:
    """A question with its answer."""
    key = _task(question), question.id
    labels = labels_of(question.kind, question.language)
    own = scores[key] if labels else []
    text = apply_rules(texts[key], rules.for_task(key[0]).rules)
    answer = answer_text(text, labels, own, decoding)
    return Answered(**question.model_dump(), generated=texts[key], label_scores=own, answer=answer)


def _task(question: Question) -> str:
    return task_name(question.kind, question.language)


def _labels(group: Group) -> tuple[str, ...]:
    """The label words of a group's task; none for translation."""
    return labels_of(*parse_task(group.name))
