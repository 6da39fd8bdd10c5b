"""The challenge's metrics, intervals and differences of answers, and the tables of them."""

import random
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import CHRF
from sklearn.metrics import f1_score

from eval.config import Bootstrap
from eval.metrics.chrf import chrf_statistics
from eval.metrics.macro_f1 import f1_statistics
from eval.questions import Answered
from eval.size_aware import size_aware_score
from eval.zindi_bootstrap import CELLS, TaskRows, resample
from eval.zindi_scores import ZindiScores
from eval.zindi_scoring import read_answers, score_answers
from eval.zindi_table import render
from oneday.buzuzu_mavi import KINDS, LANGUAGES, Language, TaskKind, labels_of
from oneday.files import write_jsonl

BOOTSTRAP = Bootstrap(resamples=400, confidence=0.95, seed=3)
SIZES = {"untuned": 100, "tuned": 100}


def answered(
    kind: TaskKind, language: Language, id: str, answer: str, reference: str | None, **more: object
) -> Answered:
    values = {"prompt": "", "generated": answer, "reference": reference, **more}
    return Answered(kind=kind, language=language, id=id, answer=answer, **values)  # type: ignore[arg-type]


def some_answers(right: float, seed: int, rows: int = 40) -> list[Answered]:
    """Answers to all tasks, about a share `right` of them right; the questions do not depend on the seed."""
    questions, rng = random.Random(0), random.Random(seed)
    made = []
    for kind in KINDS:
        for language in LANGUAGES:
            for number in range(rows + 10 * LANGUAGES.index(language)):
                labels = labels_of(kind, language) or ("moja mbili tatu", "nne tano", "sita saba nane tisa")
                reference = questions.choice(labels)
                answer = reference if rng.random() < right else rng.choice(labels)
                scores = [float(label == answer) for label in labels] if labels_of(kind, language) else []
                made.append(answered(kind, language, str(number), answer, reference, label_scores=scores))
    return made


@pytest.fixture(scope="module")
def scores() -> ZindiScores:
    answers = {"untuned": some_answers(0, 1), "tuned": some_answers(0.8, 2)}
    return score_answers(answers, SIZES, 1000, BOOTSTRAP)


def test_metrics_are_scikit_learns_and_sacrebleus_pooled_and_by_language(scores: ZindiScores) -> None:
    rows = some_answers(0.8, 2)
    for kind in KINDS:
        for language in (None, *LANGUAGES):
            own = [row for row in rows if row.kind == kind and language in (None, row.language)]
            if kind == "translation":
                references = [[row.reference or "" for row in own]]
                expected = CHRF().corpus_score([row.answer for row in own], references).score / 100
            else:
                number = [labels_of(kind, row.language).index for row in own]
                right = [find(row.reference or "") for find, row in zip(number, own, strict=True)]
                said = [find(row.answer) for find, row in zip(number, own, strict=True)]
                expected = f1_score(right, said, average="macro")
            task = scores.task(kind, language)
            assert task.models["tuned"].value == pytest.approx(expected)
            assert task.rows == len(own)


def test_translations_are_compared_in_unicode_s_normal_form_c() -> None:
    rows = [answered("translation", "hausa", "1", "cafe\u0301 caf\u00e9", "caf\u00e9 cafe\u0301")]
    scores = score_answers({"tuned": rows}, {"tuned": 100}, 1000, BOOTSTRAP)
    assert scores.task("translation").models["tuned"].value == 1


def test_the_mean_is_of_the_pooled_metrics_and_the_score_of_the_mean(scores: ZindiScores) -> None:
    final = scores.finals["tuned"]
    expected = np.mean([scores.task(kind).models["tuned"].value for kind in KINDS])
    assert final.mean.value == pytest.approx(expected) and final.score is not None
    assert final.score.value == pytest.approx(size_aware_score(float(expected), 100, 1000))
    assert final.score.low == pytest.approx(size_aware_score(final.mean.low, 100, 1000))
    assert scores.kinds == list(KINDS)


def test_the_last_model_is_compared_with_the_first_and_with_the_majority(scores: ZindiScores) -> None:
    task = scores.task("sentiment", "hausa")
    assert task.majority is not None
    gaps = {(gap.candidate, gap.baseline): gap for gap in task.differences}
    assert set(gaps) == {("tuned", "untuned"), ("untuned", "majority"), ("tuned", "majority")}
    assert gaps["tuned", "majority"].value == pytest.approx(task.models["tuned"].value - task.majority.value)
    assert gaps["tuned", "untuned"].low > 0 and gaps["tuned", "majority"].low > 0
    assert [gap.baseline for gap in scores.task("translation").differences] == ["untuned"]
    (difference,) = scores.score_differences
    assert difference.low > 0 and difference.candidate == "tuned"


def test_the_majority_is_each_languages_own_also_where_both_are_put_together() -> None:
    own = [answered("sentiment", "swahili", str(n), "Hasi", "Hasi") for n in range(3)]
    own += [answered("sentiment", "hausa", str(n), "Korau", "Kyakkyawa") for n in range(3)]
    task = score_answers({"tuned": own}, {"tuned": None}, None, BOOTSTRAP).task("sentiment")
    assert task.majority is not None and task.majority.value == 1


def test_an_interval_holds_the_value_and_is_that_of_the_normal_approximation() -> None:
    rows = 400
    references = [number % 2 for number in range(rows)]
    answers = [right if number % 10 else 1 - right for number, right in enumerate(references)]
    task = TaskRows("sentiment", "hausa", {("m", "answer"): f1_statistics(answers, references)})
    config = Bootstrap(resamples=4000, confidence=0.95, seed=1)
    estimate = resample([task], config)["sentiment", "hausa"]["m", "answer"].estimate(0.95)
    half = 1.96 * np.sqrt(0.9 * 0.1 / rows)
    assert estimate.low == pytest.approx(estimate.value - half, abs=0.005)
    assert estimate.high == pytest.approx(estimate.value + half, abs=0.005)


def test_equal_answers_differ_by_nothing_in_every_resample() -> None:
    rows = some_answers(0.5, 1)
    scores = score_answers({"untuned": rows, "tuned": rows}, SIZES, 1000, BOOTSTRAP)
    for task in scores.tasks:
        gap = next(gap for gap in task.differences if gap.baseline == "untuned")
        assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_rows_are_paired_by_id_whatever_their_order(scores: ZindiScores) -> None:
    answers = {"untuned": some_answers(0, 1), "tuned": some_answers(0.8, 2)[::-1]}
    assert score_answers(answers, SIZES, 1000, BOOTSTRAP) == scores


def test_a_tasks_interval_does_not_depend_on_the_other_tasks(scores: ZindiScores) -> None:
    answers = {
        model: [row for row in rows if row.kind == "translation" and row.language == "hausa"]
        for model, rows in {"untuned": some_answers(0, 1), "tuned": some_answers(0.8, 2)}.items()
    }
    alone = score_answers(answers, SIZES, 1000, BOOTSTRAP)
    assert alone.task("translation", "hausa") == scores.task("translation", "hausa")
    assert alone.kinds == ["translation"]


def test_a_task_of_very_many_rows_is_drawn_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = {("m", "answer"): chrf_statistics(["moja mbili", "tatu"] * 30, ["moja", "tatu nne"] * 30)}
    task = TaskRows("translation", "hausa", statistics)
    whole = resample([task], BOOTSTRAP)["translation", None]["m", "answer"]
    assert 60 * BOOTSTRAP.resamples < CELLS
    monkeypatch.setattr("eval.zindi_bootstrap.CELLS", 1000)
    portions = resample([task], BOOTSTRAP)["translation", None]["m", "answer"]
    assert np.array_equal(whole.resampled, portions.resampled)


def test_both_label_methods_are_scored_and_texts_that_are_no_label_counted() -> None:
    likely = {"Chanya": [0.0, -1.0, -2.0], "Hasi": [-2.0, -1.0, 0.0]}
    rows = [
        answered("sentiment", "swahili", "1", "Chanya", "Chanya", generated="chanya.", label_scores=likely["Hasi"]),
        answered("sentiment", "swahili", "2", "Hasi", "Hasi", generated="sijui", label_scores=likely["Hasi"]),
        answered("sentiment", "swahili", "3", "Chanya", "Chanya", generated="Chanya", label_scores=likely["Chanya"]),
    ]
    task = score_answers({"tuned": rows}, {"tuned": None}, None, BOOTSTRAP).task("sentiment", "swahili")
    methods = task.methods["tuned"]
    assert methods.generated is not None and methods.generated.value == 1
    expected = f1_score([0, 2, 0], [2, 2, 0], average="macro")
    assert methods.log_likelihood is not None and methods.log_likelihood.value == pytest.approx(expected)
    assert methods.difference is not None and methods.difference.value == pytest.approx(expected - 1)
    assert methods.no_label_share == pytest.approx(1 / 3)


def test_without_label_scores_a_text_that_is_no_label_is_wrong() -> None:
    rows = [answered("entailment", "hausa", str(n), "", "neutral", generated="?") for n in range(2)]
    task = score_answers({"tuned": rows}, {"tuned": None}, None, BOOTSTRAP).task("entailment", "hausa")
    methods = task.methods["tuned"]
    assert task.models["tuned"].value == 0 and methods.generated is not None and methods.generated.value == 0
    assert methods.log_likelihood is None and methods.difference is None and methods.no_label_share == 1


def test_models_that_answered_different_rows_are_not_compared() -> None:
    rows = some_answers(0.5, 1)
    with pytest.raises(ValueError, match="tuned and untuned answered different rows"):
        score_answers({"untuned": rows, "tuned": rows[1:]}, SIZES, 1000, BOOTSTRAP)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "1"}, r"tuned\.jsonl:2: the id '1' of sentiment is in line 1 already"),
        ({"reference": None}, r"tuned\.jsonl:2: '2' has no reference"),
        ({"reference": " "}, r"tuned\.jsonl:2: '2' has no reference"),
        (
            {"reference": "Korau"},
            r"tuned\.jsonl:2: the reference 'Korau' is no label of .*swahili; allowed: Chanya, Wast",
        ),
        ({"kind": "mood"}, r"tuned\.jsonl:2: not a answered record: kind"),
    ],
)
def test_answers_that_cannot_be_scored_are_told_with_their_line(
    changes: dict[str, str | None], message: str, tmp_path: Path
) -> None:
    first = answered("sentiment", "swahili", "1", "Hasi", "Hasi")
    second = first.model_copy(update={"id": "2", **changes})
    path = tmp_path / "tuned.jsonl"
    path.write_text("".join(f"{row.model_dump_json(warnings=False)}\n" for row in (first, second)), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_answers(path)


def test_a_file_without_answers_is_told(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "tuned.jsonl", [])
    with pytest.raises(ValueError, match="holds no answers"):
        read_answers(tmp_path / "tuned.jsonl")


@pytest.mark.parametrize(
    ("s", "size", "published", "by_400_million"),
    [
        (0.496534562, 50_480_128, 0.466832, 0.465203),
        (0.521065192, 105_493_504, 0.455927, 0.452354),
        (0.532638201, 42_087_424, 0.506074, 0.504616),
    ],
)
def test_the_published_scores_come_out(s: float, size: int, published: float, by_400_million: float) -> None:
    assert size_aware_score(s, size, 421_939_200) == pytest.approx(published, abs=5e-7)
    assert size_aware_score(s, size, 400_000_000) == pytest.approx(by_400_million, abs=5e-7)


def test_the_tables_say_everything_in_ascii_markdown(scores: ZindiScores) -> None:
    text = render(scores)
    assert text.isascii()
    for phrase in (
        "| task ",
        "translation swahili",
        "tuned - untuned",
        "tuned - majority",
        "s is the mean of sentiment, entailment and translation.",
        "score = (s + (1 - parameters / 1,000) * s) / 2.",
        "95 % interval (400 resamples",
        "most likely label always",
    ):
        assert phrase in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert len({len(line) for line in table.splitlines()}) == 1
    assert max(map(len, tables[0].splitlines())) <= 100


def test_what_was_not_scored_is_said_and_without_a_size_there_is_no_score() -> None:
    rows = [answered("translation", "hausa", str(n), "barka", "barka da") for n in range(3)]
    text = render(score_answers({"tuned": rows}, {"tuned": None}, None, BOOTSTRAP))
    assert "s is the mean of translation (no rows of sentiment and entailment). For the size-aware score" in text
    assert "majority" in text and "log-likelihood:" not in text
