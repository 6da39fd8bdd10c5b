from pathlib import Path
from typing import Any

import pytest

from serve.model_choice import choose_model


def make_adapter(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    return folder


def finish(stage: Path) -> None:
    stage.mkdir(parents=True, exist_ok=True)
    (stage / "report.json").write_text("{}")


def test_the_tuned_model_is_the_trained_adapter_on_the_recipe_s_base(recipe: Any, tmp_path: Path) -> None:
    run_dir, loaded = tmp_path / "run", recipe.load()
    adapter = make_adapter(run_dir / "06_train/model")
    finish(run_dir / "06_train")
    chosen = choose_model(loaded, run_dir, "tuned", None, None)
    assert (chosen.base_model, chosen.adapter, chosen.name) == (loaded.base_model, adapter, "quickstart-tuned")
    assert str(chosen) == f"{adapter} on {loaded.base_model}"


def test_a_whole_trained_model_needs_no_adapter(recipe: Any, tmp_path: Path) -> None:
    finish(tmp_path / "run/06_train")
    chosen = choose_model(recipe.load(), tmp_path / "run", "tuned", None, None)
    assert (chosen.base_model, chosen.adapter) == (str(tmp_path / "run/06_train/model"), None)


def test_the_base_model_needs_no_training(recipe: Any, tmp_path: Path) -> None:
    loaded = recipe.load()
    chosen = choose_model(loaded, tmp_path / "run", "base", None, None)
    assert (chosen.base_model, chosen.adapter, chosen.name) == (loaded.base_model, None, "quickstart-base")


def test_a_model_that_is_not_trained_yet_is_told_with_the_command_that_does_it(recipe: Any, tmp_path: Path) -> None:
    make_adapter(tmp_path / "run/06_train/model")  # and no report: the training was cut off
    with pytest.raises(ValueError, match=r"no finished model in .*06_train; make it with `python run\.py .* --out "):
        choose_model(recipe.load(), tmp_path / "run", "tuned", None, None)


def test_a_named_model_is_taken_and_nothing_of_the_run_folder(recipe: Any, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "my-adapter")
    chosen = choose_model(recipe.load(), tmp_path / "run", "tuned", "org/some-model", None)
    assert (chosen.base_model, chosen.adapter, chosen.name) == ("org/some-model", None, "some-model")
    chosen = choose_model(recipe.load(), tmp_path / "run", "tuned", "org/some-model", adapter)
    assert (chosen.base_model, chosen.adapter) == ("org/some-model", adapter)


def test_an_adapter_alone_lies_on_the_recipe_s_base_model(recipe: Any, tmp_path: Path) -> None:
    adapter, loaded = make_adapter(tmp_path / "my-adapter"), recipe.load()
    chosen = choose_model(loaded, tmp_path / "run", "tuned", None, adapter)
    assert (chosen.base_model, chosen.adapter) == (loaded.base_model, adapter)


def test_a_folder_that_is_no_adapter_is_refused(recipe: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no adapter_config\.json, so it is no adapter"):
        choose_model(recipe.load(), tmp_path / "run", "tuned", None, tmp_path)
