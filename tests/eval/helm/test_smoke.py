"""The command of the smoke run. The whole of it is `make helm-smoke`, which continuous integration runs."""

from pathlib import Path

import pytest

from eval.helm.entries import Entry, smoke_entries
from eval.helm.logs import TimedRun
from eval.helm.outputs import read_run
from eval.helm.running import HelmRun
from eval.helm.smoke import main, table
from tests.conftest import RecipeFolder
from tests.eval.helm.recorded import generated, write_run
from tests.eval.helm.test_running import environment


def test_the_table_has_a_row_for_each_entry(tmp_path: Path) -> None:
    output = read_run(write_run(tmp_path / "run", *generated()))
    entries = [Entry("mcqa", "simple_mcqa:", "exact_match"), Entry("other", "simple_mcqa:", "exact_match")]
    run = HelmRun(tmp_path / "log", (TimedRun("one", 1.25), TimedRun("two", 10.0)))
    lines = table(entries, {"tuned": [output, output], "base": [output, output]}, run).splitlines()
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells == ["other", "2", "2", "10.0", "exact_match", "0.500", "0.500"]
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1


def test_without_helm_the_command_tells_what_makes_it(
    tmp_path: Path, recipe: RecipeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(recipe.path), "--out", str(tmp_path / "run"), "--helm-env", str(tmp_path / "absent")]
    assert main(arguments) == 1
    assert "`make helm-smoke` makes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_a_model_the_command_tells_what_makes_it(
    tmp_path: Path, recipe: RecipeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(tmp_path / "env", "exit 0")
    recipe.use_model(tmp_path / "no-model")
    arguments = [str(recipe.path), "--out", str(tmp_path / "run"), "--helm-env", str(tmp_path / "env")]
    assert main(arguments) == 1
    assert "run.py" in capsys.readouterr().err


def test_a_recipe_that_is_not_served_is_a_wrong_recipe(
    tmp_path: Path, recipe: RecipeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.path / "serve.yaml").unlink()
    assert main([str(recipe.path), "--dry-run"]) == 2
    assert "serve.yaml" in capsys.readouterr().err


def test_a_dry_run_tells_every_entry_and_writes_nothing(
    tmp_path: Path, recipe: RecipeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert all(entry.run_entry in told for entry in smoke_entries())
    assert not (tmp_path / "run").exists()
