from pathlib import Path

import pytest

from serve.image.context import ROOT
from serve.image.leaks import NAMES, leak, leaks

SECRETS = [
    "hf_" + 34 * "x",
    "ghp_" + 36 * "x",
    "github_pat_" + 50 * "x",
    "sk-" + 44 * "x",
    "AKIA" + 16 * "X",
    "-----BEGIN " + "PRIVATE KEY-----",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_token_or_key_is_found_and_not_repeated(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"key: {secret}\n", encoding="utf-8")
    assert leaks([("settings.yaml", path)]) == ["settings.yaml: has what looks like a secret at byte 5"]


@pytest.mark.parametrize("text", ["hf_hub_download", "hf_model_id_or_folder", "sk-learn", "AKIAXYZ", "BEGIN PRIVATE"])
def test_ordinary_words_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "code.py"
    path.write_text(text, encoding="utf-8")
    assert leak("code.py", path) is None


@pytest.mark.parametrize("name", [".env", ".env.local", ".netrc", "pip.conf", "id_rsa", "server.pem", "a/b/host.key"])
def test_names_of_settings_and_keys_are_refused_whatever_is_in_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    assert leak(name, path) == "a file of this name holds settings or keys of one machine"


def test_what_is_refused_by_name_is_not_in_any_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept_out = {line.removeprefix("**/") for line in ignored}
    assert [name for name in NAMES if name not in kept_out and ".env" not in name] == []
    assert ".env*" in kept_out


def test_weights_are_not_searched(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text(SECRETS[0], encoding="utf-8")
    assert leak("model.safetensors", path) is None
