"""The three published models at their true sizes, from YAML to a trained model, on random weights like InkubaLM's."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import run
from compress.counts import count_parameters, parameters_of
from oneday.recipe import training_files

RECIPES = Path(__file__).parents[2] / "recipes"
PARENT, TRIMMED, HALF_UNTIED = 421_939_200, 201_885_696, 58_737_664
PUBLISHED = {"inkuba-50m": 50_480_128, "inkuba-100m": 105_493_504, "inkuba-40m": 42_087_424}
SENTENCES = [
    "Habari ya asubuhi, leo tunaenda sokoni kununua matunda na mboga.",
    "Ina kwana, yau za mu je kasuwa mu sayi kayan lambu da 'ya'yan itace.",
    "Translate the sentence into Swahili: the weather is good today.",
]
STEPS = 10
OURS = "inkuba-40m-oneday"


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from benchmarks.random_inkuba import make_random_inkuba

    folder = tmp_path_factory.mktemp("hub") / "InkubaLM"
    yield make_random_inkuba(folder, layout="safetensors", texts=SENTENCES * 20)
    shutil.rmtree(folder)


def small(name: str, parent: Path, folder: Path) -> Path:
    """The recipe on this parent, toy texts and ten short steps a training, without data and evaluation."""
    recipe = Path(shutil.copytree(RECIPES / name, folder / name))
    for file in ("data.yaml", "zindi.yaml"):
        (recipe / file).unlink()
    rows = folder / "rows.jsonl"
    questions = [{"question": f"{number}: {SENTENCES[number % 3]}", "answer": "Chanya"} for number in range(STEPS)]
    rows.write_text("".join(json.dumps(row) + "\n" for row in questions), encoding="utf-8")
    compress = yaml.safe_load((recipe / "compress.yaml").read_text())
    compress["parent"] = str(parent)
    for file in compress.get("trim", {}).get("corpus", []):
        file["path"] = str(rows)
    (recipe / "compress.yaml").write_text(yaml.safe_dump(compress))
    for path in filter(None, training_files(recipe)):
        train = yaml.safe_load(path.read_text())
        for entry in (*train["datasets"], *train["test_datasets"]):
            entry["path"] = str(rows)
        train |= {"micro_batch_size": 1, "num_epochs": 1, "logging_steps": 1, "save_strategy": "no"}
        path.write_text(yaml.safe_dump(train))
    return recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_has_its_size_loads_generates_and_trains(name: str, parent: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recipe, out = small(name, parent, tmp_path), tmp_path / "run"
    assert run.main([str(recipe), "--out", str(out)]) == 0
    assert count_parameters(parent).unique == PARENT
    if (out / "05a_trim").is_dir():
        assert count_parameters(out / "05a_trim/model").unique == TRIMMED
    pruned, trained = out / "05c_prune/model", out / "06_train/model"
    for folder in (pruned, trained):
        counts = count_parameters(folder)
        assert (counts.unique, counts.stored) == (PUBLISHED[name], PUBLISHED[name])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(trained), AutoTokenizer.from_pretrained(trained)
    assert model.num_parameters() == PUBLISHED[name]
    assert len({id(layer.mlp) for layer in model.model.layers}) == 1
    assert (model.config.head_dim, model.config.max_position_embeddings) == (32, 1024)
    ids = torch.tensor([tokenizer(SENTENCES[0])["input_ids"]])
    assert model.generate(ids, max_new_tokens=5, do_sample=False).shape[1] > ids.shape[1]
    for folder in (out / "05d_train_1/model", trained):
        if folder.is_dir():
            log = json.loads((folder / "training_log.json").read_text())
            losses = [entry["loss"] for entry in log if "loss" in entry]
            assert len(losses) == STEPS and losses[-1] < losses[0]
    assert (out / "05d_train_1").is_dir() == (name == "inkuba-40m")


def test_our_model_is_smaller_than_the_smallest_published_one() -> None:
    from transformers import AutoConfig

    from compress.inkuba import register
    from training.planning.compressed import config_for

    register()
    config, _ = config_for(f"runs/{OURS}/05c_prune/model", RECIPES / OURS)
    assert parameters_of(AutoConfig.for_model(**config)) == 41_987_456 < PUBLISHED["inkuba-40m"]


def test_half_the_width_untied_has_the_published_count() -> None:
    from compress.inkuba import InkubaConfig

    half = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8, "num_attention_heads": 32}
    config = InkubaConfig(vocab_size=8064, head_dim=32, tie_word_embeddings=False, **half)
    assert parameters_of(config) == HALF_UNTIED
