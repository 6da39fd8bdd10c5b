import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from oneday.config import ConfigError
from oneday.recipe import load_recipe
from serve.image.context import Context, build_context, with_defaults
from serve.image.submission import main, write_folder, write_zip
from tests.serve.image.image_clone import git, make_clone, make_weights

BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "pytorch_model.bin", "modeling_odd.py")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "config.json", "debug.log", "checkpoint-5/x.json")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_clone(tmp_path / "clone")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_weights(tmp_path / "base", *BASE_FILES)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_weights(tmp_path / "adapter", *ADAPTER_FILES)


def context_of(clone: Path, base: Path | str | None = None, adapter: Path | str | None = None) -> Context:
    names = [None if name is None else str(name) for name in (base, adapter)]
    return build_context(load_recipe(clone / "recipes/quickstart"), names[0], names[1], clone)


def test_the_same_files_give_the_same_bytes_whenever_they_were_written(
    clone: Path, base: Path, adapter: Path, tmp_path: Path
) -> None:
    write_zip(context_of(clone, base, adapter), tmp_path / "first.zip")
    for path in (clone / "serve/app.py", base / "config.json"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    write_zip(context_of(clone, base, adapter), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_the_zip_holds_code_recipe_and_the_weights_that_serving_needs(
    clone: Path, base: Path, adapter: Path, tmp_path: Path
) -> None:
    (clone / "runs").mkdir()
    (clone / "runs" / "rows.jsonl").write_text("ignored by git", encoding="utf-8")
    write_zip(context_of(clone, base, adapter), tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        names = archive.namelist()
        dockerfile = archive.read("Dockerfile").decode()
    assert {"Dockerfile", "manifest.json", "constraints.txt", "serve/app.py", "recipes/quickstart/serve.yaml"} <= set(
        names
    )
    weights = [name for name in names if name.startswith("model/")]
    assert weights == [
        "model/adapter/adapter_config.json",
        "model/adapter/adapter_model.safetensors",
        "model/adapter/config.json",
        "model/base/config.json",
        "model/base/model.safetensors",
        "model/base/tokenizer.json",
    ]
    assert not [name for name in names if name.startswith(("runs/", "tests/", ".git/"))]
    assert {"ARG RECIPE=quickstart", "ARG MODEL_DIR=model"} <= set(dockerfile.splitlines())


def test_the_rules_of_the_recipe_travel_with_it(clone: Path, base: Path, tmp_path: Path) -> None:
    rules = "cases:\n  - {name: any, prompt: {every: true}, rules: [strip]}\ndefault: [cut_at_blank_line]\n"
    (clone / "recipes/quickstart/rules.yaml").write_text(rules, encoding="utf-8")
    write_zip(context_of(clone, base), tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    carried = load_recipe(tmp_path / "unpacked/recipes/quickstart").rules
    assert carried == load_recipe(clone / "recipes/quickstart").rules
    assert [str(step) for step in carried.for_prompt("Which one?").rules] == ["strip"]


def test_rules_that_are_not_tracked_are_refused_and_not_left_out(clone: Path, base: Path) -> None:
    git(clone, "rm", "--cached", "recipes/quickstart/rules.yaml")
    with pytest.raises(ValueError, match=r"not in version control: recipes/quickstart/rules\.yaml"):
        context_of(clone, base)


def test_the_manifest_has_size_and_hash_of_every_other_file(clone: Path, base: Path, tmp_path: Path) -> None:
    write_zip(context_of(clone, base), tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        told = json.loads(archive.read("manifest.json"))
        content = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    assert told["weights"] == {"base_model": "inside", "adapter": None}
    assert told["files"] == {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()
    }


def test_a_folder_has_the_same_files_as_the_zip(clone: Path, base: Path, adapter: Path, tmp_path: Path) -> None:
    context = context_of(clone, base, adapter)
    write_zip(context, tmp_path / "s.zip")
    write_folder(context, tmp_path / "folder")
    write_folder(context, tmp_path / "folder")  # over itself
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        zipped = {name: archive.read(name) for name in archive.namelist()}
    there = {path for path in (tmp_path / "folder").rglob("*") if path.is_file()}
    assert {str(path.relative_to(tmp_path / "folder")): path.read_bytes() for path in there} == zipped


def test_a_folder_that_is_no_submission_is_not_replaced(clone: Path, base: Path, tmp_path: Path) -> None:
    mine = make_weights(tmp_path / "mine", "thesis.txt")
    with pytest.raises(ValueError, match=r"mine is there and no submission"):
        write_folder(context_of(clone, base), mine)
    assert (mine / "thesis.txt").is_file()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("serve/notes.txt", "token: hf_" + 34 * "a", "serve/notes.txt: has what looks like a secret at byte 7"),
        ("serve/.env", "PORT=80", "serve/.env: a file of this name"),
    ],
)
def test_nothing_is_written_where_a_file_looks_like_a_secret(
    clone: Path, base: Path, tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (clone / name).write_text(content, encoding="utf-8")
    git(clone, "add", "--force", name)
    context = context_of(clone, base)
    for write, out in ((write_zip, tmp_path / "s.zip"), (write_folder, tmp_path / "s")):
        with pytest.raises(ValueError, match=reason) as refused:
            write(context, out)
        assert not out.exists()
        assert "aaaa" not in str(refused.value)


def test_code_that_is_not_tracked_is_refused(clone: Path, base: Path) -> None:
    (clone / "serve/new.py").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"not in version control: serve/new\.py; `git add` them"):
        context_of(clone, base)


def test_a_tree_without_version_control_is_refused_with_gits_words(clone: Path, base: Path) -> None:
    (clone / ".git").rename(clone / "git-no-more")
    with pytest.raises(ValueError, match="not a git repository"):
        context_of(clone, base)


def test_a_recipe_without_serve_yaml_is_wrong(clone: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "recipes/quickstart/serve.yaml").unlink()
    with pytest.raises(ConfigError, match=r"serve\.yaml"):
        context_of(clone, base)
    assert main([str(clone / "recipes/quickstart"), "--base-model", str(base)]) == 2
    assert "an image needs it to serve" in capsys.readouterr().err


def test_a_recipe_elsewhere_is_refused(clone: Path, base: Path) -> None:
    (clone / "recipes/quickstart").rename(clone / "quickstart")
    with pytest.raises(ValueError, match="an image takes a recipe in"):
        build_context(load_recipe(clone / "quickstart"), str(base), None, clone)


def test_models_of_the_hub_are_fetched_by_the_build(clone: Path) -> None:
    context = context_of(clone, "owner/base@abc", "owner/adapter")
    lines = set(context.dockerfile.splitlines())
    assert {"ARG HF_BASE_MODEL=owner/base@abc", "ARG HF_ADAPTER=owner/adapter"} <= lines
    assert "ARG MODEL_DIR=serve/image/no_weights" in lines
    assert not [name for name in context.files if name.startswith("model/")]


def test_a_recipe_that_is_served_by_vllm_gets_no_image(clone: Path, base: Path) -> None:
    settings = clone / "recipes/quickstart/serve.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("engine: transformers", "engine: vllm"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"engine: vllm, which the image does not have"):
        context_of(clone, base)


def test_what_the_recipe_trained_is_taken_where_nothing_is_named(clone: Path, base: Path, tmp_path: Path) -> None:
    recipe = load_recipe(clone / "recipes/quickstart")
    unfinished = r"runs/quickstart/06_train/model: no model whose training is finished; run"
    with pytest.raises(ValueError, match=unfinished):
        build_context(recipe, None, None, clone)
    trained = make_weights(Path("runs/quickstart/06_train/model"), "config.json", "model.safetensors")
    with pytest.raises(ValueError, match=unfinished):
        build_context(recipe, None, None, clone)
    (trained.parent / "report.json").write_text("{}", encoding="utf-8")
    assert build_context(recipe, None, None, clone).weights.base_model == trained
    (trained / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"runs/models/SmolLM2-135M-Instruct: no such folder, .* run the recipe first"):
        build_context(recipe, None, None, clone)
    make_weights(Path("runs/models/SmolLM2-135M-Instruct"), *BASE_FILES)
    weights = build_context(recipe, None, None, clone).weights
    assert (weights.base_model, weights.adapter) == (Path("runs/models/SmolLM2-135M-Instruct"), trained)


def test_pickled_weights_are_refused(clone: Path, tmp_path: Path) -> None:
    pickled = make_weights(tmp_path / "pickled", "config.json", "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pickled: no \.safetensors file"):
        context_of(clone, pickled)


def test_a_default_goes_to_exactly_one_argument() -> None:
    assert with_defaults("ARG A=1\nARG AB=2\n", {"A": "x"}) == "ARG A=x\nARG AB=2\n"
    for dockerfile in ("FROM x\n", "ARG A=1\nARG A=2\n"):
        with pytest.raises(ValueError, match="exactly one is needed"):
            with_defaults(dockerfile, {"A": "x"})
