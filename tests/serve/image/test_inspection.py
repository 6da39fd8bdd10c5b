from pathlib import Path
from typing import Any

import pytest

from serve.image.host_settings import Mount
from serve.image.inspection import config_faults, file_faults, record_faults

GOOD: dict[str, Any] = {
    "User": "10001",
    "ExposedPorts": {"80/tcp": {}},
    "Healthcheck": {"Test": ["CMD", "true"]},
    "Env": ["PATH=/bin", "ONEDAY_PORT=80"],
}
SECRET = "hf_" + 40 * "5"


def test_an_image_as_it_must_be_has_no_faults() -> None:
    assert config_faults(GOOD) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"User": ""}, "runs as root"),
        ({"User": "0:0"}, "runs as 0:0"),
        ({"ExposedPorts": {"8080/tcp": {}}}, "does not expose port 80"),
        ({"Healthcheck": None}, "has no health check"),
        ({"Env": ["HF_TOKEN=x"]}, "its environment has HF_TOKEN"),
        ({"Env": ["PIP_INDEX_URL=x"]}, "its environment has PIP_INDEX_URL"),
    ],
)
def test_each_fault_of_the_configuration_is_told(change: dict[str, Any], fault: str) -> None:
    assert config_faults(GOOD | change) == [fault]


def test_the_history_may_hold_neither_addresses_nor_secrets() -> None:
    settings = {"global.index-url": "https://user:word@mirror.example/simple", "global.timeout": "60"}
    assert record_faults("RUN pip install x", settings, SECRET) == []
    assert record_faults("ENV I=https://user:word@mirror.example/simple", settings, SECRET) == [
        "its history has https://user:word@mirror.example/simple"
    ]
    assert record_faults(f"ARG HF_TOKEN={SECRET}", settings, SECRET) == ["its history has a secret"]
    assert record_faults("ARG T=hf_" + 34 * "z", settings, SECRET) == ["its history has a secret"]


def test_what_was_lent_may_leave_an_empty_place_and_no_more(tmp_path: Path) -> None:
    root, host = tmp_path / "root", tmp_path / "host"
    for folder in (root / "etc", root / "opt/wheels", host / "wheels"):
        folder.mkdir(parents=True)
    (host / "pip.conf").write_text("[global]", encoding="utf-8")
    (root / "etc/pip.conf").write_text("", encoding="utf-8")
    mounts = [Mount(host / "pip.conf", "/etc/pip.conf"), Mount(host / "wheels", "/opt/wheels")]
    assert file_faults(root, mounts, SECRET) == []
    (root / "etc/pip.conf").write_text("[global]", encoding="utf-8")
    (root / "opt/wheels/a.whl").write_text("a", encoding="utf-8")
    assert file_faults(root, mounts, SECRET) == ["/etc/pip.conf: left in the image", "/opt/wheels: left in the image"]


def test_a_secret_of_the_build_is_found_wherever_it_stayed(tmp_path: Path) -> None:
    for place in ("app", "home/oneday", "run/secrets"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "run/secrets/hf_token").write_text(SECRET, encoding="utf-8")
    (tmp_path / "app/.env").write_text("", encoding="utf-8")
    assert file_faults(tmp_path, [], SECRET) == [
        "app/.env: a file of this name holds settings or keys of one machine",
        "run/secrets/hf_token: has what looks like a secret at byte 0",
        "run/secrets/hf_token: has the build's secret",
    ]
