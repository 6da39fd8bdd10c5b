"""Steps: a rule with parameters as YAML lists it, several in turn, and what is said of a mistake."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from oneday.config import ConfigError, Settings, load_config
from postprocess.chain import Step, apply_rules, edits, step
from postprocess.rule import RULES, Edit


class Listed(Settings):
    """A file with a list of steps."""

    rules: tuple[Step, ...]


def load(folder: Path, text: str) -> tuple[Step, ...]:
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return load_config(folder / "rules.yaml", Listed).rules


def fault(folder: Path, text: str) -> str:
    """What is said of the file, from its name on."""
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return str(raised.value).removeprefix(f"{folder}/")


def test_rules_run_in_the_order_in_which_they_stand() -> None:
    text = "\n\n B \n\nC"
    assert apply_rules(text, [step("cut_at_blank_line"), step("strip")]) == ""
    assert apply_rules(text, [step("strip"), step("cut_at_blank_line")]) == "B "


def test_no_rules_leave_the_text_as_it_is() -> None:
    assert apply_rules(" B\n\n", []) == " B\n\n"


def test_windows_line_breaks_are_blank_lines_too() -> None:
    assert apply_rules("B\r\n\r\nC", [step("cut_at_blank_line"), step("strip")]) == "B"


def test_edits_are_those_of_the_steps_that_change_the_text() -> None:
    strip, cut = step("strip"), step("cut_at_blank_line")
    assert list(edits(" B \n\nC", [strip, cut, cut, strip])) == [
        (strip, Edit(1, 6), "B \n\nC"),
        (cut, Edit(0, 2), "B "),
        (strip, Edit(0, 1), "B"),
    ]


def test_yaml_gives_names_and_names_with_parameters(tmp_path: Path) -> None:
    text = "rules:\n  - strip\n  - cut_at_stop: {stops: ['Q:', '###']}\n  - strip: {}\n"
    assert load(tmp_path, text) == (step("strip"), step("cut_at_stop", stops=["Q:", "###"]), step("strip"))


def test_a_wrong_name_is_told_with_file_line_and_the_nearest_rule(tmp_path: Path) -> None:
    told = fault(tmp_path, "rules:\n  - strip\n  - cut_at_stops: {stops: ['Q:']}\n")
    assert told == (
        f"rules.yaml:3: rules.1: there is no rule cut_at_stops; did you mean {RULES['cut_at_stop'].signature}?"
    )


def test_a_name_unlike_all_others_is_told_with_all_rules(tmp_path: Path) -> None:
    told = fault(tmp_path, "rules: [xyz]")
    assert told.startswith("rules.yaml:1: rules.0: there is no rule xyz; there are: ")
    assert all(name in told for name in RULES)


def test_a_wrong_parameter_is_told_with_the_nearest_and_the_signature(tmp_path: Path) -> None:
    told = fault(tmp_path, "rules:\n  - cut_at_stop:\n      stops: ['Q:']\n      stop: ['#']\n")
    assert told == (
        f"rules.yaml:2: rules.0: {RULES['cut_at_stop'].signature}: stop: unknown key; did you mean 'stops'?"
    )


def test_all_faults_of_all_steps_are_told_at_once(tmp_path: Path) -> None:
    told = fault(tmp_path, "rules:\n  - cut_at_stop: {stopps: [a], xyz: 1}\n  - strip: {both: true}\n  - stripp\n")
    first, second, third = told.splitlines()
    assert first.startswith("rules.yaml:2: rules.0: cut_at_stop(stops: ")
    assert "stops is required; stopps: unknown key; did you mean 'stops'?; xyz: unknown key; allowed: stops" in first
    assert "rules.yaml:3: rules.1: strip(): both: the rule takes no parameters" in second
    assert "rules.yaml:4: rules.2: there is no rule stripp; did you mean strip()?" in third


def test_a_wrong_value_is_told_with_its_place_in_the_parameter(tmp_path: Path) -> None:
    told = fault(tmp_path, "rules:\n  - cut_at_stop: {stops: ['Q:', 3]}\n")
    assert told.startswith(f"rules.yaml:2: rules.0: {RULES['cut_at_stop'].signature}: stops.1: ")
    assert told.endswith("input should be a valid string; put it in quotes (given: 3)")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cut_at_stop: {stops: a}", "stops: input should be a list, as [a, b] (given: 'a')"),
        (
            "nearest_label: {labels: [yes, no]}",
            "labels.0: input should be a valid string; put it in quotes (given: True); "
            "labels.1: input should be a valid string; put it in quotes (given: False)",
        ),
        ("first_option_letter: {last: e}", "last: input should be a capital letter from B to Z (given: 'e')"),
    ],
)
def test_a_wrong_value_is_told_in_the_words_of_yaml(tmp_path: Path, given: str, message: str) -> None:
    told = fault(tmp_path, f"rules:\n  - {given}\n")
    assert told.startswith("rules.yaml:2: rules.0: ")
    assert told.endswith(f"): {message}")
    assert "text that matches" not in told


@pytest.mark.parametrize("given", ["3", "{strip: {}, first_line: {}}", "{}", "[strip]", "{strip: [a]}", "{1: {}}"])
def test_what_is_no_step_is_told_with_the_forms_of_one(tmp_path: Path, given: str) -> None:
    told = fault(tmp_path, f"rules:\n  - {given}\n")
    assert told.startswith("rules.yaml:2: rules.0: a rule is its name, or its name with a mapping of parameters")


def test_a_rule_without_parameters_may_have_an_empty_key(tmp_path: Path) -> None:
    assert load(tmp_path, "rules:\n  - strip:\n") == (step("strip"),)


def test_wrong_name_and_parameter_are_value_errors_in_code_too() -> None:
    with pytest.raises(ValueError, match="there is no rule stripp; did you mean strip"):
        step("stripp")
    with pytest.raises(ValueError, match=r"cut_at_stop.*: stops is required"):
        step("cut_at_stop")


def test_steps_are_equal_if_rule_and_parameters_are() -> None:
    a, again, b = (step("cut_at_stop", stops=stops) for stops in (["a"], ("a",), ["b"]))
    assert a == again and hash(a) == hash(again)
    assert a != b
    assert step("strip") != step("cut_at_blank_line")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param(step("strip"), "strip", id="no parameters"),
        pytest.param(step("cut_at_stop", stops=["Q:"]), "cut_at_stop: {stops: ['Q:']}", id="text"),
        pytest.param(step("cut_at_stop", stops=["\n"]), 'cut_at_stop: {stops: ["\\n"]}', id="line break"),
    ],
)
def test_a_step_is_shown_as_yaml_in_one_line(given: Step, shown: str, tmp_path: Path) -> None:
    assert str(given) == shown
    assert load(tmp_path, f"rules:\n  - {given}\n") == (given,)


def test_a_step_travels_between_processes() -> None:
    given = step("cut_at_stop", stops=["Q:"])
    again = pickle.loads(pickle.dumps(given))
    assert again == given
    assert again.apply("A Q: B") == given.apply("A Q: B") == "A "


def test_a_dumped_step_reads_as_the_step() -> None:
    given = Listed(rules=(step("strip"), step("cut_at_stop", stops=["Q:"])))
    dumped: dict[str, Any] = given.model_dump(mode="json")
    assert dumped == {"rules": [{"strip": {}}, {"cut_at_stop": {"stops": ["Q:"]}}]}
    assert Listed.model_validate(dumped) == given
    assert Listed.model_validate_json(given.model_dump_json()) == given


def test_stops_are_those_of_the_parameters() -> None:
    assert step("strip").stops == ()
    assert step("cut_at_blank_line").stops == ("\n\n",)
    assert step("cut_at_stop", stops=["Q:", "#"]).stops == ("Q:", "#")
