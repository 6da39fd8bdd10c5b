"""The submission file: written, checked, scored by files with targets."""

import re
from pathlib import Path

import pytest
from sacrebleu.metrics import CHRF
from sklearn.metrics import f1_score

from eval.competition_files import CompetitionRow, read_competition
from eval.submission import described, read_submission, score_submission, write_submission
from tests.eval.challenge import FILES, TRANSLATION_ROWS, many_rows, without_targets, write_files

RIGHT = ["0", "1", "2", "0", "habari za asubuhi", "barka da safiya"]  # in the order of the files


def rows_in(folder: Path, **changed: list[dict[str, str]]) -> list[CompetitionRow]:
    return read_competition(write_files(folder / "files", **changed))


def submission(folder: Path, rows: list[CompetitionRow], responses: list[str]) -> Path:
    path = folder / "submission.csv"
    write_submission(path, rows, dict(zip([row.id for row in rows], responses, strict=True)))
    return path


def test_a_submission_has_the_rows_in_the_order_of_the_files(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    path = submission(tmp_path, rows, [*RIGHT[:5], 'barka, "da" safiya'])
    lines = path.read_bytes().decode().split("\n")
    assert lines[0] == "ID,Response"
    assert lines[1] == "ID_f3c74c7b_sentiment_test__hausa,0"
    assert lines[6:] == ['ID_d054836a_test__mt_eng-hau,"barka, ""da"" safiya"', ""]
    assert list(read_submission(path, rows)) == [row["ID"] for own in FILES.values() for row in own]


def test_a_submission_of_900_rows_is_whole_and_one_of_fewer_is_told(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, **many_rows(150))
    responses = ["1" if row.kind != "translation" else "sawa" for row in rows]
    path = submission(tmp_path, rows, responses)
    assert len(read_submission(path, rows)) == 900
    assert "900 rows (300 sentiment, 300 entailment, 300 translation), every ID once" in described(path, rows)
    assert "note" not in described(path, rows)
    assert "note: the challenge's own files hold 900 rows" in described(path, rows[:5])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hausa,0", "hausa,Korau", "submission.csv:2: ID_f3c74c7b_sentiment_test__hausa: the response 'Korau' is no"),
        ("hausa,0", "hausa,3", "the response '3' is no label number of sentiment; allowed: 0, 1, 2"),
        ("hausa,0", "hausa,1.0", "the response '1.0' is no label number"),
        ("hau,2", "hau, ", "submission.csv:4: ID_0a0a0a0a_test_xnli_hau: the response is blank"),
        ("habari za asubuhi", "", "submission.csv:6: ID_d054836f_test__mt_eng-swa: the response is blank"),
        (
            "swa,0",
            "hau,0",
            "submission.csv:5: the ID 'ID_0b0b0b0b_test_xnli_hau' is in none of SentimentTest.csv, XNLI",
        ),
        ("swa,0", "hau,0", "no row for the ID 'ID_0b0b0b0b_test_xnli_swa' ("),
        (
            "ID_0b0b0b0b_test_xnli_swa",
            "ID_0a0a0a0a_test_xnli_hau",
            "submission.csv:5: the ID 'ID_0a0a0a0a_test_xnli_hau'",
        ),
        ("ID,Response", "ID,Answer", "submission.csv:1: no column Response; the columns there: ID, Answer"),
    ],
)
def test_what_is_wrong_with_a_submission_is_told(old: str, new: str, message: str, tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    path = submission(tmp_path, rows, RIGHT)
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(message)):
        read_submission(path, rows)


def test_of_many_faults_the_first_ten_are_shown(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, **many_rows(10))
    path = submission(tmp_path, rows, ["no"] * 60)
    with pytest.raises(ValueError, match="and 30 more") as error:
        read_submission(path, rows)
    assert str(error.value).count("\n") == 10


def test_an_absent_submission_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file; name the submission"):
        read_submission(tmp_path / "submission.csv", [])


def test_a_right_submission_scores_1(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    scores = score_submission(submission(tmp_path, rows, RIGHT), rows, 421_939_200, 421_939_200)
    assert [task.models["submission"].value for task in scores.tasks] == [1.0] * 9
    final = scores.finals["submission"]
    assert final.mean.value == 1 and final.score is not None and final.score.value == 0.5


def test_the_scores_are_scikit_learns_and_sacrebleus_over_both_languages(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    responses = ["0", "2", "2", "1", "habari", "barka da safiya"]
    scores = score_submission(submission(tmp_path, rows, responses), rows, None, None)
    chrf = CHRF().corpus_score(["habari", "barka da safiya"], [["habari za asubuhi", "barka da safiya"]]).score / 100
    expected = [f1_score([0, 1], [0, 2], average="macro"), f1_score([2, 0], [2, 1], average="macro"), chrf]
    kinds = ("sentiment", "entailment", "translation")
    assert [scores.task(kind).models["submission"].value for kind in kinds] == pytest.approx(expected)  # type: ignore[arg-type]
    assert scores.finals["submission"].mean.value == pytest.approx(sum(expected) / 3)
    assert scores.finals["submission"].score is None


def test_responses_are_compared_in_unicode_s_normal_form_c_as_the_targets_are(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, MT=[{**TRANSLATION_ROWS[0], "targets": "caf\u00e9 cafe\u0301"}, TRANSLATION_ROWS[1]])
    path = submission(tmp_path, rows, [*RIGHT[:4], "cafe\u0301 caf\u00e9", RIGHT[5]])
    assert score_submission(path, rows, None, None).task("translation").models["submission"].value == 1


def test_files_without_targets_cannot_score(tmp_path: Path) -> None:
    blank = {name: without_targets(own) for name, own in zip(("Sentiment", "XNLI", "MT"), FILES.values(), strict=True)}
    rows = rows_in(tmp_path, **blank)
    with pytest.raises(ValueError, match="no row has a target, so nothing can be scored"):
        score_submission(submission(tmp_path, rows, RIGHT), rows, None, None)


def test_a_blank_target_is_told_with_its_line(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, MT=[TRANSLATION_ROWS[0], {**TRANSLATION_ROWS[1], "targets": " "}])
    with pytest.raises(ValueError, match=r"MTTest\.csv:3: column targets is blank"):
        score_submission(submission(tmp_path, rows, RIGHT), rows, None, None)
