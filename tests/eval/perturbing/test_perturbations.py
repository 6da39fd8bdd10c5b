"""The table of perturbations, and the files that some of them need."""

from pathlib import Path

import pytest

from eval.perturbing.perturbations import NAMES, OWN_NAMES, PERTURBATIONS, choose, make_ready


def test_chosen_perturbations_come_in_the_order_of_the_table() -> None:
    assert [each.name for each in choose(["gender", "typos"])] == ["typos", "gender"]
    assert len(set(NAMES)) == len(NAMES)


def test_an_unknown_perturbation_is_named_with_those_allowed() -> None:
    with pytest.raises(ValueError, match=r"'typo'; allowed: typos, lowercase"):
        choose(["typo"])


def test_without_its_file_the_dialect_is_told_to_be_missing_and_names_come_from_this_package() -> None:
    ready, missing = make_ready(PERTURBATIONS, None)
    assert set(missing) == {"dialect"}
    assert "SAE_to_AAVE_mapping.json" in missing["dialect"] and "https://" in missing["dialect"]
    (names,) = [each for each in ready if each.perturbation.name == "person_name"]
    assert names.arguments["name_file_path"] == str(OWN_NAMES)
    assert "of this package" in names.note
    assert names.file == OWN_NAMES and names.recorded()["name_file_path"] == OWN_NAMES.name
    assert names.recorded()["prob"] == 1.0


def test_files_that_are_given_are_taken(tmp_path: Path) -> None:
    for name in ("SAE_to_AAVE_mapping.json", "person_names.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    ready, missing = make_ready(choose(["dialect", "person_name"]), tmp_path)
    assert missing == {}
    assert [each.note for each in ready] == ["", ""]
    assert ready[0].arguments["mapping_file_path"] == str(tmp_path / "SAE_to_AAVE_mapping.json")
    assert ready[1].arguments["name_file_path"] == str(tmp_path / "person_names.txt")


def test_a_folder_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--perturbation-files .*absent is no folder"):
        make_ready(PERTURBATIONS, tmp_path / "absent")


def test_our_names_are_as_many_of_each_race_and_gender_none_twice() -> None:
    lines = [line.split(",") for line in OWN_NAMES.read_text(encoding="utf-8").splitlines()]
    assert len({line[0] for line in lines}) == len(lines) == 100
    kinds = [tuple(line[1:]) for line in lines]
    assert {kinds.count(kind) for kind in kinds} == {25} and len(set(kinds)) == 4
    assert all(line[0] == line[0].strip().lower() for line in lines)
