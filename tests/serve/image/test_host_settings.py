from pathlib import Path

import pytest

from serve.image.host_settings import Mount, as_configuration, local_places, merged_settings, registry_mounts


def test_a_variable_wins_over_a_file_as_it_does_for_pip() -> None:
    lines = [":env:.find-links='/new'", "global.find-links='/old'", "global.timeout='60'", "install.no-compile='yes'"]
    assert merged_settings(lines) == {"global.find-links": "/new", "global.timeout": "60", "install.no-compile": "yes"}


def test_a_value_of_several_lines_stays_whole() -> None:
    (value,) = merged_settings(
        [r"global.extra-index-url='\nhttps://a.example/simple\nhttps://b.example/simple'"]
    ).values()
    assert value.split() == ["https://a.example/simple", "https://b.example/simple"]


def test_settings_take_the_form_that_pip_reads(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    with path.open("w", encoding="utf-8") as file:
        as_configuration(
            {"global.cert": "/a b.pem", "global.index-url": "https://x.example/%7E", "install.pre": "1"}
        ).write(file)
    assert path.read_text(encoding="utf-8").split("\n") == [
        "[global]",
        "cert = /a b.pem",
        "index-url = https://x.example/%7E",
        "",
        "[install]",
        "pre = 1",
        "",
        "",
    ]


def test_local_places_are_those_that_are_there_and_an_index_goes_with_its_files(tmp_path: Path) -> None:
    simple, wheels, inner = tmp_path / "index/simple", tmp_path / "wheels", tmp_path / "wheels/inner"
    for folder in (simple, inner):
        folder.mkdir(parents=True)
    settings = {
        "global.extra-index-url": f"file://{simple} https://x.example/simple",
        "global.find-links": f"{wheels} {inner} /no/such/folder",
    }
    assert local_places(settings) == [tmp_path / "index", wheels]


def test_mounts_are_read_only_and_hold_pips_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    first, *places = registry_mounts(tmp_path)
    assert first.option == ["--volume", f"{tmp_path / 'pip.conf'}:/etc/pip.conf:ro"]
    assert f"find-links = {wheels}\n" in first.source.read_text(encoding="utf-8")
    assert Mount(wheels, str(wheels)) in places
