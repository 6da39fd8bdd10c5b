"""The fingerprint of a stage's code changes when its meaning may have changed, and only then."""

import importlib
from pathlib import Path

import pytest

from oneday import code
from oneday.stage import Stage

STAGES = ("data_prep.collect", "data_prep.predict", "data_prep.score", "data_prep.sample", "data_prep.mix")


def fingerprint(module: str) -> str:
    code.fingerprint.cache_clear()
    return code.fingerprint(module)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_comments_and_layout_do_not_count(source_tree: Path) -> None:
    before = fingerprint("data_prep.mix")
    for file in ("data_prep/mix.py", "oneday/files.py"):
        path = source_tree / file
        path.write_text("# a comment\n\n" + path.read_text(encoding="utf-8") + "\n\n# more\n", encoding="utf-8")
    assert fingerprint("data_prep.mix") == before


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("data_prep/predict.py", id="the module itself"),
        pytest.param("oneday/prompt.py", id="imported"),
        pytest.param("serve/engine.py", id="imported by an imported module"),
    ],
)
def test_an_edit_in_code_that_a_stage_reaches_counts(source_tree: Path, file: str) -> None:
    before = fingerprint("data_prep.predict")
    append(source_tree / file, "\nEDITED = True\n")
    assert fingerprint("data_prep.predict") != before


def test_an_edit_in_code_that_a_stage_does_not_reach_does_not_count(source_tree: Path) -> None:
    before = fingerprint("data_prep.mix")
    append(source_tree / "serve" / "engine.py", "\nEDITED = True\n")
    append(source_tree / "data_prep" / "predict.py", "\nEDITED = True\n")
    assert fingerprint("data_prep.mix") == before


def test_an_edit_in_what_only_runs_stages_does_not_count(source_tree: Path) -> None:
    before = fingerprint("data_prep.mix")
    append(source_tree / "oneday" / "console.py", "\nEDITED = True\n")
    append(source_tree / "oneday" / "stage.py", "\nEDITED = True\n")
    assert fingerprint("data_prep.mix") == before


def test_a_module_that_moves_counts(source_tree: Path) -> None:
    (source_tree / "eval" / "a.py").write_text("X = 1\n", encoding="utf-8")
    (source_tree / "eval" / "b.py").write_text("X = 1\n", encoding="utf-8")
    assert fingerprint("eval.a") != fingerprint("eval.b")


def test_modules_that_import_each_other_have_a_fingerprint(source_tree: Path) -> None:
    (source_tree / "eval" / "a.py").write_text("from eval import b\n", encoding="utf-8")
    (source_tree / "eval" / "b.py").write_text("import eval.a\nX = 1\n", encoding="utf-8")
    before = fingerprint("eval.a")
    append(source_tree / "eval" / "b.py", "X = 2\n")
    assert fingerprint("eval.a") != before


@pytest.mark.parametrize(
    "line",
    [
        "import eval.b",
        "import eval.b as other",
        "from eval import b",
        "from eval.b import X",
        "from eval.b import *",
        "def late() -> None:\n    import eval.b",
    ],
)
def test_every_way_to_import_is_followed(source_tree: Path, line: str) -> None:
    (source_tree / "eval" / "a.py").write_text(f"{line}\n", encoding="utf-8")
    (source_tree / "eval" / "b.py").write_text("X = 1\n", encoding="utf-8")
    before = fingerprint("eval.a")
    append(source_tree / "eval" / "b.py", "X = 2\n")
    assert fingerprint("eval.a") != before


def test_an_edit_in_a_parent_package_counts(source_tree: Path) -> None:
    before = fingerprint("data_prep.collect")
    append(source_tree / "data_prep" / "sources" / "__init__.py", "\nEDITED = True\n")
    assert fingerprint("data_prep.collect") != before


@pytest.mark.parametrize("module", STAGES)
def test_a_stage_names_the_module_that_holds_its_code(module: str) -> None:
    stage: Stage = importlib.import_module(module).STAGE
    assert stage.module == module == stage.run.__module__
