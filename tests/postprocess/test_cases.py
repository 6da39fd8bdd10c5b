"""rules.yaml: which case a task or a prompt gets, and what is said of a mistake in the file."""

# ruff: noqa: RUF001 (full-width marks are meant)

import time
from pathlib import Path

import pytest

from oneday.config import ConfigError, load_config
from postprocess.cases import PromptMatch, RuleSet, options_of
from postprocess.chain import step

FILE = """
cases:
  - name: options
    tasks: [commonsenseqa, "bbq_*"]
    prompt: {options: 2}
    rules: [strip]
  - name: summaries
    prompt: {contains: ["Summarize", "TL;DR"], ends_with: ["Answer:"]}
    rules: [cut_at_blank_line]
  - name: evaluated
    tasks: [cnn_dm]
    rules: []
default: [strip, cut_at_blank_line]
"""
WHOLE = "default: [strip]\n"


def load(folder: Path, text: str) -> RuleSet:
    (folder / "rules.yaml").write_text(text, encoding="utf-8")
    return load_config(folder / "rules.yaml", RuleSet)


def faults(folder: Path, text: str) -> list[str]:
    """What is said of the file, from its name on."""
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(raised.value).splitlines()]


def case(name: str, *lines: str) -> str:
    """A file with one case of these further lines."""
    return "\n".join([f"cases:\n  - name: {name}", *(f"    {line}" for line in lines), WHOLE])


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return load(tmp_path, FILE)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("commonsenseqa", "options"),
        ("bbq_Age", "options"),
        ("BBQ_age", "default"),
        ("cnn_dm", "evaluated"),
        ("", "default"),
    ],
)
def test_a_task_gets_the_first_case_of_its_name(rules: RuleSet, task: str, name: str) -> None:
    assert rules.for_task(task).name == name


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Which?\nA. bank\nB. river", "options"),
        ("Which?\nA. bank", "default"),
        ("summarize this.\nAnswer: \n", "summaries"),
        ("summarize this.", "default"),
        ("tl;dr: which? A. x B. y Answer:", "options"),
        ("tl;dr by A. Bell and B. Smith. Answer:", "summaries"),
        ("", "default"),
    ],
)
def test_a_prompt_gets_the_first_case_that_fits(rules: RuleSet, prompt: str, name: str) -> None:
    assert rules.for_prompt(prompt).name == name


def test_default_has_the_rules_of_the_rest(rules: RuleSet) -> None:
    assert rules.for_task("other").rules == (step("strip"), step("cut_at_blank_line"))
    assert rules.case_called("default") == rules.for_task("other") == rules.for_prompt("other")


def test_a_case_is_found_by_its_name(rules: RuleSet) -> None:
    assert rules.case_called("summaries").rules == (step("cut_at_blank_line"),)
    with pytest.raises(KeyError):
        rules.case_called("other")


def test_steps_are_all_different_ones_in_order(rules: RuleSet) -> None:
    assert rules.steps == [step("strip"), step("cut_at_blank_line")]


def test_patterns_that_no_task_has_are_named(rules: RuleSet) -> None:
    assert rules.unknown_tasks(["commonsenseqa", "other"]) == [
        ("cases.0.tasks.1", "bbq_*"),
        ("cases.2.tasks.0", "cnn_dm"),
    ]
    assert rules.unknown_tasks(["commonsenseqa", "bbq_1", "cnn_dm"]) == []


def test_a_file_may_have_no_cases(tmp_path: Path) -> None:
    assert load(tmp_path, "default: []").for_task("any").rules == ()


def test_every_prompt_fits_every() -> None:
    assert PromptMatch(every=True).fits("")


def test_contains_and_ends_with_mind_no_case_and_ends_with_no_space_and_marks_at_the_end() -> None:
    assert PromptMatch(contains=("STRASSE",)).fits("straße")
    assert PromptMatch(ends_with=("Answer: ", "A:")).fits("Answer:\n")
    assert PromptMatch(ends_with=("Answer:",)).fits("the ANSWER:")
    assert PromptMatch(ends_with=("Answer:",)).fits("**Answer:** ")
    assert PromptMatch(ends_with=("**Answer:**", "x")).fits("**Answer:**\n")
    assert not PromptMatch(ends_with=("**",)).fits("Answer:")
    assert not PromptMatch(ends_with=("Answer:",)).fits("Answer: B")


@pytest.mark.parametrize(
    ("prompt", "most"),
    [
        pytest.param("Which?\nA. bank\nB. river\nC. tree", 3, id="lines"),
        pytest.param("Which? A. bank B. river", 2, id="one line"),
        pytest.param("(A) bank\n(B) river", 2, id="brackets"),
        pytest.param("Which?\n(A) bank (B) river (C) tree", 3, id="brackets in one line behind a question"),
        pytest.param("Options: (A) bank, (B) river", 2, id="in one line behind a heading"),
        pytest.param("**Answer choices:**\nA) bank B) river", 2, id="in one line below a bold heading"),
        pytest.param("Tell what it is; A. a bank; B. a river.", 2, id="in one line behind a semicolon"),
        pytest.param("**A.** bank\n**B.** river", 2, id="bold"),
        pytest.param("**A**. bank\n**B**. river", 0, id="bold letters alone"),
        pytest.param("- A. bank\n- B. river", 2, id="bullets"),
        pytest.param("[A] bank\n[B] river", 2, id="square brackets"),
        pytest.param("(a) bank\n(b) river", 2, id="small letters in brackets"),
        pytest.param("  a) bank\n  b) river", 2, id="small letters, indented"),
        pytest.param("A) bank\r\nB) river\r\n", 2, id="Windows line ends"),
        pytest.param("A.bank\nB.river", 2, id="no space"),
        pytest.param("(A)bank\n(B)river", 2, id="brackets, no space"),
        pytest.param("A、银行\nB、河", 2, id="Chinese comma"),
        pytest.param("（A）银行\n（B）河", 2, id="Chinese brackets"),
        pytest.param("Options:\nA: bank\nB: river", 2, id="colons behind a heading"),
        pytest.param("A) bank\nB: river", 1, id="two forms"),
        pytest.param("A. bank\nb. river", 1, id="two cases"),
        pytest.param("A: Hello, how are you?\nB: Fine.\nA: Good.\nB: Yes.\nSummarize the dialogue.", 0, id="dialogue"),
        pytest.param("Options: yes, no.\nA: Hello.\nB: Fine.", 0, id="dialogue behind other words"),
        pytest.param("Person A: Hello. Person B: Fine.", 0, id="persons in one line"),
        pytest.param("Person A: Hello.\nPerson B: Fine.", 0, id="persons"),
        pytest.param("class A: pass\nclass B: pass", 0, id="classes"),
        pytest.param("Mr. A. Bell and Mrs. B. Smith have 3. How many?", 0, id="initials behind titles"),
        pytest.param("A text by A. Smith, B. Jones and C. Lee", 0, id="authors"),
        pytest.param("A. Smith, B. Jones and C. Lee wrote it.", 1, id="authors at the start"),
        pytest.param("Plan A. Do it. Plan B. Do not.", 0, id="plans"),
        pytest.param("Section A. The law.\nSection B. The rest.", 0, id="sections"),
        pytest.param("Options: A: bank B: river", 2, id="colons in one line behind a heading"),
        pytest.param("A: How are you? B: Well? A: Yes. B: Good.", 0, id="dialogue in one line"),
        pytest.param("A. U.S. law\nB. J. K. Rowling", 2, id="letters with full stops"),
        pytest.param("A.D. 500\nB.C. 500", 0, id="years"),
        pytest.param("(A bank\n(B river", 0, id="half a bracket"),
        pytest.param("[A) bank\n[B) river", 0, id="brackets that do not fit"),
        pytest.param("A. John F. Kennedy\nB. Harry S. Truman", 2, id="initials"),
        pytest.param("A. a\nB. b\n\nA. a\nB. b\nC. c", 3, id="two questions"),
        pytest.param("A. a\nB. b\nC. c\nB. b\nD. d", 4, id="one letter twice"),
        pytest.param("B. b\nC. c", 0, id="not from A on"),
        pytest.param("Vitamin A. is", 0, id="one"),
        pytest.param("GAA. bank\nxB. river", 0, id="in a word"),
        pytest.param("", 0, id="nothing"),
    ],
)
def test_options_are_counted_from_a_on(prompt: str, most: int) -> None:
    assert options_of(prompt) == most


@pytest.mark.parametrize(
    "piece", ["A. x ", "A: x\n", "Options:\n", "? A. x; ", ";", "options ", "*", "- ", " ", "\n", "(A) (", "a", "?A."]
)
def test_a_long_prompt_does_not_hang_a_matcher(piece: str) -> None:
    start = time.process_time()
    options_of(piece * (100_000 // len(piece)) + "x")
    assert time.process_time() - start < 5  # linear: a fraction of a second; else minutes


def test_a_matcher_that_asks_for_nothing_is_refused(tmp_path: Path) -> None:
    told = "rules.yaml:3: cases.0.prompt: give some of options, contains and ends_with, or every: true alone"
    assert faults(tmp_path, case("a", "prompt: {}", "rules: []")) == [told]
    assert faults(tmp_path, case("a", "prompt: {every: true, options: 2}", "rules: []")) == [told]


def test_a_case_for_nothing_is_refused(tmp_path: Path) -> None:
    told = "rules.yaml:2: cases.0: give tasks (for the evaluation), prompt (for the server) or both"
    assert faults(tmp_path, case("a", "rules: [strip]")) == [told]


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    one = "  - {name: a, tasks: [x], rules: []}\n"
    (told,) = faults(tmp_path, f"cases:\n{one}{one}{WHOLE}")
    assert told == "rules.yaml: two cases are called a; each needs a name of its own"


def test_a_case_called_default_is_refused(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, case("default", "tasks: [x]", "rules: []"))
    assert told == "rules.yaml: no case may be called default; put its rules under the key default"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("prompt: {options: 1}", "cases.0.prompt.options"),
        ("prompt: {options: 27}", "cases.0.prompt.options"),
        ('prompt: {contains: [""]}', "cases.0.prompt.contains.0"),
        ('prompt: {ends_with: [" "]}', "cases.0.prompt.ends_with.0"),
        ("prompt: {option: 2}", "cases.0.prompt.option"),
        ("tasks: x", "cases.0.tasks"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_and_key(tmp_path: Path, line: str, key: str) -> None:
    assert faults(tmp_path, case("a", line, "rules: []"))[0].startswith(f"rules.yaml:3: {key}: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("default: strip", "rules.yaml:1: default: input should be a list, as [a, b] (given: 'strip')"),
        (case("a", "tasks: x", "rules: []"), "rules.yaml:3: cases.0.tasks: input should be a list, as [a, b]"),
        (
            case("a", "prompt: {contains: Summarize}", "rules: []"),
            "rules.yaml:3: cases.0.prompt.contains: input should be a list, as [a, b] (given: 'Summarize')",
        ),
        (
            case("a", "tasks: [yes]", "rules: []"),
            "rules.yaml:3: cases.0.tasks.0: input should be a valid string; put it in quotes (given: True)",
        ),
    ],
)
def test_a_text_for_a_list_and_a_truth_value_for_a_text_are_told_in_the_words_of_yaml(
    tmp_path: Path, text: str, told: str
) -> None:
    assert faults(tmp_path, text)[0].startswith(told)


def test_all_faults_of_the_file_are_told_at_once(tmp_path: Path) -> None:
    text = """
cases:
  - name: Options
    tasks: [x]
    rules: [stripp]
default:
  - strip
  - cut_at_stop
other: 1
"""
    name, first, second, unknown = faults(tmp_path, text)
    assert name.startswith("rules.yaml:3: cases.0.name: ")
    assert first.startswith("rules.yaml:5: cases.0.rules.0: there is no rule stripp; did you mean strip()?")
    assert second.startswith("rules.yaml:8: default.1: cut_at_stop(stops: ")
    assert unknown.startswith("rules.yaml:9: other: unknown key")


def test_default_may_not_be_forgotten(tmp_path: Path) -> None:
    assert faults(tmp_path, "cases: []") == ["rules.yaml: default: this key is required"]
