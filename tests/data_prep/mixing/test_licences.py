"""Licences in their authors' words."""

import pytest

from data_prep.mixing.licences import ADVICE, common_licence, hub_identifier, restrictions, warnings_of
from tests.data_prep.mixing.toy_manifest import toy_source


@pytest.mark.parametrize(
    ("licence", "identifier"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("MIT License", "mit"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc_by_nc_4.0", "cc-by-nc-4.0"),
        ("CC BY-NC-SA", None),
        ("Apache-2.0 (code)", None),
        ("", None),
    ],
)
def test_known_licences_have_the_name_of_the_hub(licence: str, identifier: str | None) -> None:
    assert hub_identifier(licence) == identifier


@pytest.mark.parametrize(
    ("licence", "heed"),
    [
        ("CC BY-NC-SA", ["non-commercial"]),
        ("cc-by-nc-4.0", ["non-commercial"]),
        ("some for non-commercial use", ["non-commercial"]),
        ("Noncommercial", ["non-commercial"]),
        ("not for commercial use", ["non-commercial"]),
        ("research only", ["non-commercial"]),
        ("for commercial use, by Example Inc.", []),
        ("for commercial and non-commercial use", []),
        ("Apache-2.0", []),
        ("", ["not stated"]),
        ("none", ["not stated"]),
        ("unknown", ["not stated"]),
        ("none stated by the authors", ["not stated"]),
        ("MIT (a), CC BY-NC 4.0 (b), none stated (c)", ["non-commercial", "not stated"]),
        ("that of each task, see its data set", ["differs by task"]),
    ],
)
def test_what_to_heed_is_found(licence: str, heed: list[str]) -> None:
    assert restrictions(licence) == heed


def test_each_restriction_names_its_sources_and_what_to_do() -> None:
    licences = {"a": "CC BY-NC 4.0", "b": "MIT", "c": "unknown", "d": "CC BY-NC 4.0 (x), none stated (y)"}
    found = warnings_of([toy_source(name, licence) for name, licence in licences.items()])
    assert [(warned.restriction, warned.sources) for warned in found] == [
        ("non-commercial", ["a", "d"]),
        ("not stated", ["c", "d"]),
    ]
    assert [warned.advice for warned in found] == [ADVICE["non-commercial"], ADVICE["not stated"]]
    assert warnings_of([toy_source("b", "MIT").model_copy(update={"remark": "the hub states none, NC"})]) == []


def test_only_one_known_licence_is_common() -> None:
    assert common_licence(["MIT", "MIT License"]) == "mit"
    assert common_licence(["MIT", "Apache-2.0"]) is None
    assert common_licence(["my own", "my other"]) is None
