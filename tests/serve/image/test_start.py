import os
import subprocess
import sys
from pathlib import Path

import pytest

from serve.image.context import ROOT
from serve.image.start import base_on_hub, found_weights, server_command
from tests.serve.image.image_clone import make_weights

ENVIRONMENT = {"ONEDAY_RECIPE": "quickstart", "ONEDAY_PORT": "80"}
SERVER = [sys.executable, "-m", "serve", "recipes/quickstart", "--name", "quickstart"]
SERVER += ["--host", "0.0.0.0", "--port", "80"]


def test_weights_in_the_image_are_served_on_all_addresses(tmp_path: Path) -> None:
    base = make_weights(tmp_path / "base", "config.json")
    assert server_command(ENVIRONMENT, tmp_path, []) == [*SERVER, "--base-model", str(base)]
    adapter = make_weights(tmp_path / "adapter", "adapter_config.json")
    both = [*SERVER, "--base-model", str(base), "--adapter", str(adapter), "--device", "cpu"]
    assert server_command(ENVIRONMENT, tmp_path, ["--device", "cpu"]) == both


def test_what_is_named_at_start_wins_over_what_the_image_has(tmp_path: Path) -> None:
    make_weights(tmp_path / "base", "config.json")
    mine = make_weights(tmp_path / "mine", "config.json")
    named = ENVIRONMENT | {"ONEDAY_BASE_MODEL": str(mine)}
    assert server_command(named, tmp_path, []) == [*SERVER, "--base-model", str(mine)]
    assert found_weights(ENVIRONMENT | {"ONEDAY_ADAPTER": "owner/name"}, tmp_path, "adapter") == "owner/name"


def test_a_base_model_that_is_named_does_not_get_the_adapter_of_another(tmp_path: Path) -> None:
    base, mine = (make_weights(tmp_path / name, "config.json") for name in ("base", "mine"))
    adapter = make_weights(tmp_path / "adapter", "adapter_config.json")
    named = ENVIRONMENT | {"ONEDAY_BASE_MODEL": str(mine)}
    assert server_command(named, tmp_path, []) == [*SERVER, "--base-model", str(mine)]
    given = named | {"ONEDAY_ADAPTER": str(adapter)}
    assert server_command(given, tmp_path, []) == [*SERVER, "--base-model", str(mine), "--adapter", str(adapter)]
    assert str(base) in server_command(ENVIRONMENT, tmp_path, [])


def test_an_adapter_alone_needs_a_base_model_that_the_hub_has(tmp_path: Path) -> None:
    make_weights(tmp_path / "adapter", "adapter_config.json")
    with pytest.raises(ValueError, match=r"an adapter but no base model.*SmolLM2.*Mount it at /model/base"):
        server_command(ENVIRONMENT, tmp_path, [])
    assert base_on_hub(ROOT / "recipes/mistral-7b-birbal/data-200k.yaml") == "mistralai/Mistral-7B-v0.1"


def test_a_folder_without_a_model_is_none(tmp_path: Path) -> None:
    make_weights(tmp_path / "base", "README.md")
    with pytest.raises(ValueError, match="the image has no weights, and none are named"):
        server_command(ENVIRONMENT, tmp_path, [])


def run_start(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "serve.image.start", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_the_process_becomes_the_server(tmp_path: Path) -> None:
    base = make_weights(tmp_path / "base", "config.json")
    done = run_start(ENVIRONMENT | {"ONEDAY_BASE_MODEL": str(base)}, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert str(base) in done.stdout
    assert "at 0.0.0.0, port 80" in done.stdout
    told_otherwise = run_start(ENVIRONMENT | {"ONEDAY_BASE_MODEL": str(base)}, "--dry-run", "--host", "127.0.0.1")
    assert "at 127.0.0.1, port 80" in told_otherwise.stdout


def test_a_name_that_is_neither_folder_nor_hub_id_ends_with_2() -> None:
    done = run_start(ENVIRONMENT | {"ONEDAY_BASE_MODEL": "no-such-folder"})
    assert done.returncode == 2
    assert "'no-such-folder' is no hub id" in done.stderr
    assert "Traceback" not in done.stderr
