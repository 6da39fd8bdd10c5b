"""Recipes of several kinds: one training or two in turn, data that is sampled or only mixed, two ways to evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from data_prep.config import MixOnlyConfig, SampledDataConfig
from oneday.config import ConfigError
from oneday.recipe import load_recipe, training_files
from tests.eval.challenge import write_recipe

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

SECOND = "runs/quickstart/05d_train_1/model"


def faults(folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_recipe(folder)
    return str(error.value)


def put(path: Path, **changes: Any) -> None:
    """Set keys of a YAML file, or take those out whose value is None."""
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    path.write_text(yaml.safe_dump(kept, allow_unicode=True), encoding="utf-8")


def two_trainings(recipe: "RecipeFolder") -> None:
    """Make train-1-first.yaml of train.yaml, and train-2-rest.yaml that goes on from it."""
    (recipe.path / "train.yaml").rename(recipe.path / "train-1-first.yaml")
    (recipe.path / "train-2-rest.yaml").write_text((recipe.path / "train-1-first.yaml").read_text(encoding="utf-8"))
    put(recipe.path / "train-2-rest.yaml", base_model=SECOND, oneday_base_model_from=None)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """The folder of a recipe that mixes published data and is scored as the challenge does."""
    return write_recipe(tmp_path / "mixed").folder


def test_of_two_trainings_in_turn_the_second_is_the_recipe_s_and_the_first_has_the_base_model(
    recipe: "RecipeFolder",
) -> None:
    one = recipe.load()
    two_trainings(recipe)
    two = recipe.load()
    assert one.first_training is None and two.first_training is not None
    assert two.first_training.path.name == "train-1-first.yaml" and two.train.path.name == "train-2-rest.yaml"
    assert (two.base_model, two.base_model_from) == (one.base_model, one.base_model_from)
    assert one.base_model_from is not None and two.train.values["base_model"] == SECOND


def test_a_recipe_trains_by_train_yaml_whatever_variants_there_are(tmp_path: Path) -> None:
    for name in ("train-fast.yaml", "train-teacher.yaml", "train-3-more.yaml", "train-1-Big.yaml"):
        (tmp_path / name).touch()
    assert training_files(tmp_path) == (None, tmp_path / "train.yaml")


def test_variants_of_trainings_in_turn_have_longer_names(tmp_path: Path) -> None:
    for name in ("train-1-a-fast", "train-1-a", "train-2-all", "train-2-all-as-published", "train-2-all-slow"):
        (tmp_path / f"{name}.yaml").touch()
    assert training_files(tmp_path) == (tmp_path / "train-1-a.yaml", tmp_path / "train-2-all.yaml")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-1-a"], "train-1-NAME-VARIANT.yaml; there are: train-1-a.yaml"),
        (["train-2-b"], "need one train-1-NAME.yaml and one train-2-NAME.yaml, and of each any variants"),
        (["train-1-a", "train-1-b", "train-2-c"], "there are: train-1-a.yaml, train-1-b.yaml, train-2-c.yaml"),
        (["train-1-a", "train-1-ab", "train-2-b"], "there are: train-1-a.yaml, train-1-ab.yaml, train-2-b.yaml"),
        (["train-1-a", "train-2-b", "train-2-c"], "there are: train-1-a.yaml, train-2-b.yaml, train-2-c.yaml"),
        (["train-1-a", "train-2-b", "train"], "there is a train.yaml beside train-1-a.yaml, train-2-b.yaml; keep"),
    ],
)
def test_trainings_in_turn_are_one_and_two_and_no_other(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / f"{name}.yaml").touch()
    with pytest.raises(ConfigError) as error:
        training_files(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ") and message in str(error.value)


def test_what_is_wrong_with_the_trainings_is_told_with_the_other_faults(recipe: "RecipeFolder") -> None:
    two_trainings(recipe)
    put(recipe.path / "train-1-first.yaml", base_model=None)
    recipe.edit("data.yaml", seed=-1)
    message = faults(recipe.path)
    assert "train-1-first.yaml: base_model: this key is required" in message and "data.yaml:1: seed:" in message
    (recipe.path / "train-1-first.yaml").unlink()
    message = faults(recipe.path)
    assert "there are: train-2-rest.yaml" in message and "data.yaml:1: seed:" in message


def test_a_data_file_that_samples_has_all_its_stages_and_one_that_mixes_has_none(
    recipe: "RecipeFolder", mixed: Path
) -> None:
    assert isinstance(recipe.load().data, SampledDataConfig) and isinstance(load_recipe(mixed).data, MixOnlyConfig)
    recipe.remove("data.yaml", "predict", "sample")
    message = faults(recipe.path)
    assert "data.yaml: predict: this key is required" in message and "data.yaml: sample: this key" in message
    put(mixed / "data.yaml", score={})
    assert "data.yaml: collect: this key is required" in faults(mixed)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("mix", "sources"), "mix.sources names sampled, but there is no collect, predict, score and sample; add them"),
        (("mix", "decontaminate"), "mix.decontaminate names held_out, but without collect no rows are held out"),
    ],
)
def test_what_is_mixed_only_names_nothing_that_sampling_makes(
    recipe: "RecipeFolder", mixed: Path, keys: tuple[str, str], message: str
) -> None:
    recipe.remove("data.yaml", "collect", "predict", "score", "sample")
    theirs, ours = (yaml.safe_load((folder / "data.yaml").read_text()) for folder in (recipe.path, mixed))
    part, key = keys
    held_out = {"ngram": 8, "short_ngram": 4, "max_eval_rows": 3, "eval_sets": [{"source": "held_out"}]}
    ours[part][key] = theirs[part][key] if key == "sources" else held_out
    put(mixed / "data.yaml", mix=ours["mix"])
    assert message in faults(mixed)


def test_settings_that_a_recipe_does_not_have_are_asked_for_by_the_file_that_lacks(
    recipe: "RecipeFolder", mixed: Path
) -> None:
    sampled, published = recipe.load(), load_recipe(mixed)
    assert sampled.sampling is sampled.data and published.zindi is published.zindi_settings
    with pytest.raises(ConfigError, match=r"mixed/data\.yaml: has no collect, predict, score and sample, and what is"):
        _ = published.sampling
    with pytest.raises(ConfigError, match=r"mixed/eval\.yaml: no such file, and what is to be run needs it"):
        _ = published.eval
    with pytest.raises(ConfigError, match=r"quickstart/zindi\.yaml: no such file, and what is to be run needs it"):
        _ = sampled.zindi


def test_rows_that_collect_sets_apart_are_not_evaluated_without_it(recipe: "RecipeFolder", mixed: Path) -> None:
    (mixed / "eval.yaml").write_text((recipe.path / "eval.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    message = "eval.yaml: evaluates rows that collect sets apart, but data.yaml has no collect; use zindi.yaml"
    assert message in faults(mixed)


def test_the_challenge_s_tasks_are_scored_on_test_rows_that_the_data_file_sets_apart(mixed: Path) -> None:
    mix = yaml.safe_load((mixed / "data.yaml").read_text(encoding="utf-8"))["mix"]
    put(mixed / "data.yaml", mix={key: value for key, value in mix.items() if key != "test_share"})
    assert "zindi.yaml: scores the rows of mix.test_share, which is 0 in data.yaml; raise it" in faults(mixed)
    (mixed / "data.yaml").rename(mixed / "rows.yaml")
    (mixed / "compress.yaml").write_text("parent: somebody/model\nseed: 3\nprune: {method: random}\n")
    assert "zindi.yaml: scores rows of 05_mix, but there is no data.yaml" in faults(mixed)


def test_a_recipe_may_be_evaluated_in_both_ways(recipe: "RecipeFolder", mixed: Path) -> None:
    recipe.edit("data.yaml", mix__test_share=0.1)
    (recipe.path / "zindi.yaml").write_text((mixed / "zindi.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    loaded = recipe.load()
    assert loaded.eval.batch_size and loaded.zindi == load_recipe(mixed).zindi


def test_the_seed_is_that_of_the_data_and_without_data_of_the_compression(mixed: Path) -> None:
    (mixed / "compress.yaml").write_text(
        "parent: somebody/model\nseed: 3\nprune: {method: random, seed: 3, layers: 2, depth: first}\n"
    )
    assert (load_recipe(mixed).seed, load_recipe(mixed).base_model) == (1, "somebody/model")
    for name in ("data.yaml", "zindi.yaml"):
        (mixed / name).unlink()
    assert load_recipe(mixed).seed == 3
