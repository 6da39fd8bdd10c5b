"""Answers to the challenge's questions: which text or score decides, what is journaled, and when a model is loaded."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval import answering
from eval.answering import answer_questions, answer_text
from eval.label_choice import batch_calibrated
from eval.questions import Answered, Question
from eval.zindi_config import Decoding
from oneday.buzuzu_mavi import Language, TaskKind, labels_of
from postprocess.cases import RuleSet
from serve.transformers_engine import LoadedModel, TransformersEngine
from tests.serve.decoding_models import alone, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DECODING: dict[str, Any] = {
    "label_answers": "generate",
    "normalise": "none",
    "max_new_tokens": {"label": 5, "translation": 8},
    "beams": 3,
    "repetition_penalty": 1.3,
    "batch_size": 2,
}
LABELS = labels_of("sentiment", "hausa")
RULES = RuleSet.model_validate({"default": ["strip", "cut_at_blank_line", "strip"]})


def decoding(**changes: Any) -> Decoding:
    return Decoding.model_validate(DECODING | changes)


def question(kind: TaskKind, language: Language, number: int) -> Question:
    prompt = f"### Input:\n{'word ' * number}{language}\n\n### Response:\n"
    return Question(kind=kind, language=language, id=f"row-{number}", prompt=prompt, reference="x")


QUESTIONS = [
    question("translation", "swahili", 3),
    question("sentiment", "hausa", 1),
    question("entailment", "swahili", 2),
    question("sentiment", "hausa", 4),
    question("translation", "swahili", 1),
    question("sentiment", "hausa", 0),
]


@pytest.fixture(scope="module")
def loaded(tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model("llama", tiny_tokenizer)


def not_loaded() -> LoadedModel:
    pytest.fail("the model was loaded")


@pytest.fixture(scope="module")
def whole(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Answered], Path]:
    """All answers, and the folder with their journals."""
    work = tmp_path_factory.mktemp("work")
    loads: list[LoadedModel] = []

    def load() -> LoadedModel:
        loads.append(loaded)
        return loaded

    answered = answer_questions(QUESTIONS, load, decoding(), RULES, work, "test")
    assert len(loads) == 1
    return answered, work


def test_the_answers_are_in_the_order_of_the_questions(whole: tuple[list[Answered], Path]) -> None:
    assert [Question(**row.model_dump(include=set(Question.model_fields))) for row in whole[0]] == QUESTIONS


def test_labels_are_decoded_greedily_and_translations_by_beams_with_the_repetition_penalty(
    whole: tuple[list[Answered], Path], loaded: LoadedModel
) -> None:
    for row in whole[0]:
        beams, length, penalty = (3, 8, 1.3) if row.kind == "translation" else (1, 5, 1.0)
        expected = alone(loaded, row.prompt, length, beams, penalty=penalty)
        assert row.generated.split("\n\n")[0] == expected.split("\n\n")[0]


def test_label_questions_have_a_score_for_each_label_and_translations_none(
    whole: tuple[list[Answered], Path],
) -> None:
    for row in whole[0]:
        labels = labels_of(row.kind, row.language)
        assert len(row.label_scores) == len(labels)
        if labels:
            assert row.answer == labels[row.label_scores.index(max(row.label_scores))]  # the toy says no label word


def test_nothing_is_loaded_if_all_is_in_the_journals(whole: tuple[list[Answered], Path]) -> None:
    answered, work = whole
    assert {path.name for path in work.iterdir()} == {"labels.jsonl", "label_scores.jsonl", "translations.jsonl"}
    assert answer_questions(QUESTIONS, not_loaded, decoding(), RULES, work, "test") == answered


def test_batch_calibration_is_over_the_rows_of_each_task(
    whole: tuple[list[Answered], Path], loaded: LoadedModel, tmp_path: Path
) -> None:
    answered = answer_questions(QUESTIONS, lambda: loaded, decoding(normalise="batch"), RULES, tmp_path, "test")
    for kind in ("sentiment", "entailment"):
        raw, own = ([row.label_scores for row in rows if row.kind == kind] for rows in (whole[0], answered))
        assert own == [pytest.approx(row) for row in batch_calibrated(raw)]
    assert [row.answer for row in answered if row.kind == "sentiment"] != [
        row.answer for row in whole[0] if row.kind == "sentiment"
    ]
    assert answer_questions(QUESTIONS, not_loaded, decoding(normalise="batch"), RULES, tmp_path, "test") == answered


@pytest.mark.parametrize("name", ["labels.jsonl", "label_scores.jsonl", "translations.jsonl"])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_run_that_was_cut_off_gives_the_same_answers(
    whole: tuple[list[Answered], Path], loaded: LoadedModel, tmp_path: Path, name: str, kept: int
) -> None:
    for path in whole[1].iterdir():
        lines = path.read_text().splitlines(keepends=True)
        (tmp_path / path.name).write_text("".join(lines[:kept] if path.name == name else lines))
    assert answer_questions(QUESTIONS, lambda: loaded, decoding(), RULES, tmp_path, "test") == whole[0]
    assert [json.loads(line)["id"] for line in (tmp_path / name).read_text().splitlines()]


def test_no_questions_are_no_answers(tmp_path: Path) -> None:
    assert answer_questions([], not_loaded, decoding(), RULES, tmp_path, "test") == []


def test_one_id_may_be_in_two_tasks_but_not_twice_in_one(tmp_path: Path) -> None:
    twice = [*QUESTIONS, question("sentiment", "hausa", 4)]
    with pytest.raises(ValueError, match="sentiment_hausa: 2 questions have the id 'row-4'; give each an id"):
        answer_questions(twice, not_loaded, decoding(), RULES, tmp_path, "test")


def test_the_model_is_shared_by_the_engines(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Any] = []

    class Watched(TransformersEngine):
        def __init__(self, model: Any, tokenizer: Any, batch_size: int) -> None:
            models.append(model)
            super().__init__(model, tokenizer, batch_size)

    monkeypatch.setattr(answering, "TransformersEngine", Watched)
    answer_questions(QUESTIONS, lambda: loaded, decoding(), RULES, tmp_path, "test")
    assert len(models) == 3 and all(model is loaded.model for model in models)


@pytest.mark.parametrize(
    ("method", "generated", "scores", "answer"),
    [
        pytest.param("generate", "korau.", [0.0, -1.0, -2.0], "Korau", id="the text is a label"),
        pytest.param("generate", "Korauaiki", [-3.0, -1.0, -2.0], "Tsaka-tsaki", id="the text is none"),
        pytest.param("log_likelihood", "Korau", [-0.5, -1.0, -2.0], "Kyakkyawa", id="always the likeliest"),
        pytest.param("log_likelihood", "Korau", [-1.0, -1.0, -1.0], "Kyakkyawa", id="the first of equals"),
    ],
)
def test_the_method_decides_between_text_and_scores(
    method: str, generated: str, scores: list[float], answer: str
) -> None:
    assert answer_text(generated, LABELS, scores, decoding(label_answers=method)) == answer


def test_the_rules_of_a_task_make_the_answer_of_the_text(whole: tuple[list[Answered], Path]) -> None:
    answered, work = whole
    cut = RuleSet.model_validate(
        {
            "cases": [
                {"name": "cut", "tasks": ["translation_*"], "rules": [{"cut_at_stop": {"stops": ["e", "a", "o"]}}]}
            ],
            "default": [],
        }
    )
    again = answer_questions(QUESTIONS, not_loaded, decoding(), cut, work, "test")
    assert [row.generated for row in again] == [row.generated for row in answered]
    for row in again:
        if row.kind == "translation":
            assert row.answer == re.split("[eao]", row.generated)[0]
    assert [row.answer for row in again] != [row.answer for row in answered]


def test_a_translation_is_the_text_after_the_rules() -> None:
    assert answer_text(" Habari\n", (), [], decoding()) == " Habari\n"
