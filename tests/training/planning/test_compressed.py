"""What a compress.yaml is yet to make can be planned: the published sizes come out of it."""

from pathlib import Path

import pytest

from training.planning.compressed import config_for
from training.planning.geometry import geometry_of, published_config

PUBLISHED = {"inkuba-50m": 50_480_128, "inkuba-100m": 105_493_504, "inkuba-40m": 42_087_424}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_a_model_that_is_yet_to_be_made_has_its_published_size(name: str, parameters: int) -> None:
    config, source = config_for(f"runs-elsewhere/{name}/05c_prune/model", Path("recipes") / name)
    assert geometry_of(config, source).parameters == parameters
    assert source.endswith(f"recipes/{name}/compress.yaml")


@pytest.mark.parametrize("stage", ["05a_trim", "05b_teacher"])
def test_before_pruning_the_vocabulary_alone_is_smaller(stage: str) -> None:
    config, source = config_for(f"runs-elsewhere/any/{stage}/model", Path("recipes/inkuba-40m-oneday"))
    assert geometry_of(config, source).parameters == 201_885_696


def test_the_first_of_two_trainings_changes_no_size(tmp_path: Path) -> None:
    config, source = config_for("runs-elsewhere/any/05d_train_1/model", Path("recipes/inkuba-40m"))
    assert geometry_of(config, source).parameters == PUBLISHED["inkuba-40m"]
    for number, base_model in (("1", "lelapa/InkubaLM-0.4B"), ("2", "runs/any/05d_train_1/model")):
        (tmp_path / f"train-{number}-part.yaml").write_text(f"base_model: {base_model}\n", encoding="utf-8")
    uncompressed, _ = config_for("runs/any/05d_train_1/model", tmp_path)
    assert geometry_of(uncompressed, "").parameters == 421_939_200


@pytest.mark.parametrize(("name", "millions"), [("InkubaLM-0.4B", 421.939), ("gemma-3-270m", 268.098)])
def test_the_parents_have_their_published_size(name: str, millions: float) -> None:
    config = published_config(name)
    assert config is not None
    assert geometry_of(config, name).parameters / 1e6 == pytest.approx(millions, abs=0.001)


def test_a_vocabulary_by_count_is_taken_whole_and_said(tmp_path: Path) -> None:
    text = Path("recipes/inkuba-50m/compress.yaml").read_text(encoding="utf-8")
    (tmp_path / "compress.yaml").write_text(text.replace("vocabulary: 8064 ", "min_count: 2 "), encoding="utf-8")
    config, source = config_for("runs/mine/05a_trim/model", tmp_path)
    assert config["vocab_size"] == 61_788
    assert "trim.min_count does not say" in source


def test_without_a_compress_file_the_model_must_be_known(tmp_path: Path) -> None:
    for stage in ("05c_prune", "05d_train_1"):
        with pytest.raises(FileNotFoundError, match="--model-config FILE"):
            config_for(f"runs/mine/{stage}/model", tmp_path)
