"""The comparisons of beam search and of label scores, on a tiny model: what they print is there and so."""

from pathlib import Path

import pytest

from benchmarks import beams, label_choice


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("One of them.\n\nAnother option, and a longer one.\nWhich?\n", encoding="utf-8")
    return path


def test_both_ways_of_beam_search_are_timed_and_say_the_same(
    tiny_model_dir: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(tiny_model_dir), "--texts", str(texts), "--sentences", "3", "--threads", "1"]
    options += ["--beams", "2", "--repetition-penalty", "1.5"]
    assert beams.main([*options, "--max-new-tokens", "6", "--alone", "2", "--no-target"]) == 0
    said = capsys.readouterr().out
    assert "2 beams, repetition penalty 1.5, at most 6 new tokens" in said
    assert "| model.generate, 1 at a time | 2 |" in said and "| oneday, 16 at a time | 2 |" in said
    assert "| oneday, 16 at a time | 3 |" in said
    assert "times the sentences a second, over the same 2 sentences" in said
    assert "2 of 2 texts are identical" in said
    assert ", float32, " in said


def test_all_sentences_are_timed_once_both_ways(
    tiny_model_dir: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(tiny_model_dir), "--texts", str(texts), "--sentences", "2", "--threads", "1"]
    assert beams.main([*options, "--max-new-tokens", "2", "--no-target"]) == 0
    said = capsys.readouterr().out
    assert said.count("| oneday, 16 at a time | 2 |") == 1 and "over the same 2 sentences" in said


def test_a_missed_target_is_an_error(
    tiny_model_dir: Path, texts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beams, "TARGET", 1e9)
    options = ["--model", str(tiny_model_dir), "--texts", str(texts), "--sentences", "1", "--threads", "1"]
    assert beams.main([*options, "--max-new-tokens", "2"]) == 1
    assert "the target is 1000000000.0" in capsys.readouterr().err


def test_too_few_sentences_are_an_error(texts: Path) -> None:
    assert beams.sentences(texts, 3) == ["One of them.", "Another option, and a longer one.", "Which?"]
    with pytest.raises(ValueError, match=r"texts\.txt has 3 sentences; ask for no more with --sentences"):
        beams.sentences(texts, 4)


def test_without_a_file_the_sentences_are_xsum_s() -> None:
    assert len(set(beams.sentences(None, 32))) == 32


def test_all_ways_of_scoring_labels_agree(
    tiny_model_dir: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(tiny_model_dir), "--texts", str(texts), "--rows", "3", "--threads", "1"]
    assert label_choice.main([*options, "--batch-size", "2"]) == 0
    said = capsys.readouterr().out
    assert "| oneday, 2 rows |" in said and "the greatest difference of a score is" in said
