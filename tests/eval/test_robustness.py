"""The command: its errors, and all of it with HELM and a tiny model."""

import json
import re
from pathlib import Path

import pytest

from eval.perturbing.perturbations import OWN_NAMES
from eval.perturbing.records import Robustness, RowUnder
from eval.robustness import ROWS, main
from oneday.files import read_json, read_jsonl, sha256_file

HELM = Path(__file__).parents[2] / ".venv-helm"
needs_helm = pytest.mark.skipif(not HELM.is_dir(), reason=".venv-helm is not here; `make helm-smoke` makes it")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two example files: a choice among names, and texts to write."""
    choice, text = tmp_path / "choice.jsonl", tmp_path / "text.jsonl"
    rows = [
        {
            "question": f"Jack has {number} apples. He will not share. Who has them?",
            "options": ["Jack", "Emily"],
            "answer": 0,
        }
        for number in range(6)
    ]
    rows[5] = {**rows[5], "prompt": "{question}\nAgain: {question}\nAnswer:".format(**rows[5])}
    choice.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text.write_text(json.dumps({"prompt": "Say: 1 2", "answer": "1 2"}) + "\n", encoding="utf-8")
    return [str(choice), str(text)]


def arguments(files: list[str], out: Path, *more: str) -> list[str]:
    return [*files, "--out", str(out), "--helm-env", str(HELM), "--resamples", "100", "--max-new-tokens", "4", *more]


def test_without_helm_the_command_tells_what_makes_it(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--model", "none", "--out", str(tmp_path / "out"), "--helm-env", str(tmp_path / "no")]) == 1
    assert "`make helm-smoke` makes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--perturbations", "typo"], "unknown perturbation 'typo'; allowed: typos"),
        (["--perturbations", "dialect"], "no perturbation can run: dialect needs SAE_to_AAVE_mapping.json"),
        (["--perturbation-files", "absent"], "--perturbation-files absent is no folder"),
        (["--metric", "bleu"], "'bleu' is not one of a single row"),
        (["--input", "text"], "no field 'text'"),
    ],
)
def test_a_wrong_option_is_told_before_anything_runs(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert main(arguments(files, tmp_path / "out", "--model", "none", *more)) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@needs_helm
def test_a_dry_run_counts_changed_rows_and_writes_nothing(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(files, tmp_path / "out", "--model", "none", "--dry-run")) == 0
    told = capsys.readouterr().out
    assert re.search(r"\| lowercase .*\| 7 of 7 +\| jack has 0 apples\.", told)
    assert re.search(r"\| gender .*\| 6 of 7 ", told)
    assert "Not run: dialect: needs SAE_to_AAVE_mapping.json" in told
    assert "prompt repeats the input behind it: 1." in told
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@needs_helm
def test_all_is_written_by_one_run_and_a_second_one_says_the_same(
    files: list[str], tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = arguments(files, tmp_path / "out", "--model", str(tiny_model_dir))
    assert main(run) == 0
    told = capsys.readouterr().out
    result = read_json(tmp_path / "out" / "robustness.json", Robustness)
    lines = read_jsonl(tmp_path / "out" / ROWS, RowUnder)
    assert result.rows == {"choice": 6, "text": 1}
    assert (result.metric, result.whole_prompts, set(result.not_run)) == ("rouge_l", 1, {"dialect"})
    assert result.inputs == {path: sha256_file(Path(path)) for path in (*files, str(OWN_NAMES))}
    typos = result.perturbation("typos")
    assert typos.helm_class.endswith(".TyposPerturbation") and typos.arguments == {"prob": 0.1}
    assert result.perturbation("person_name").arguments["name_file_path"] == "person_names.txt"
    assert result.repeated_inputs == 1 and "prompt repeats the input behind it: 1." in told
    for each in result.perturbations:
        own = [line for line in lines if line.perturbation == each.name]
        assert len(own) == each.rows_changed
        assert f"| {each.name}" in told
        changed = {(line.task, line.id) for line in own}
        before = [line.score for line in lines if not line.perturbation and (line.task, line.id) in changed]
        if each.on_changed is not None:
            assert each.on_changed.before == pytest.approx(sum(before) / len(before))
            assert each.on_changed.after == pytest.approx(sum(line.score for line in own) / len(own))
    renamed = [line for line in lines if line.perturbation == "person_name"]
    assert len(renamed) == 6 and all("Jack" not in line.input and "Jack" not in line.options for line in renamed)
    assert [line.prompt.count("Jack") for line in renamed] == [0, 0, 0, 0, 0, 1]  # the question that is asked again
    assert main(run) == 0
    assert capsys.readouterr().out == told
