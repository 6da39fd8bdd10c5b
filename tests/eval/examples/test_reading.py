"""Rows of many kinds of files, and what is said of those that are none."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from eval.examples.fields import Fields
from eval.examples.reading import TaskPrompts, read_rows, template_prompts
from eval.examples.row import ExampleRow
from oneday.prompt import build_prompt
from oneday.records import PositiveExample

DATA = Path(__file__).parents[3] / "../shared/data"
TASK: dict[str, Any] = {
    "Definition": ["Name the capital."],
    "Categories": ["Geography", "Misc."],
    "Input_language": ["English"],
    "Output_language": ["Swahili"],
    "Positive Examples": [{"input": "Kenya", "output": "Nairobi"}],
    "Instances": [{"id": "c-1", "input": "Mali", "output": ["Bamako"]}, {"id": "c-2", "input": "", "output": ["x"]}],
}


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def one(path: Path, row: dict[str, Any], fields: Fields = Fields()) -> ExampleRow:  # noqa: B008 (frozen)
    (found,) = read_rows([lines(path / "rows.jsonl", row)], fields)
    return found


@pytest.mark.parametrize(
    ("row", "prompt", "references"),
    [
        pytest.param({"question": "q\n", "answer": "a", "source": "s"}, "q\n", ("a",), id="training example"),
        pytest.param(
            {"few_shot_prompt": "p", "answer": ["a", "b"], "prediction": "c"}, "p", ("a", "b"), id="prediction"
        ),
        pytest.param({"prompt": "p", "question": "q", "references": ["a"]}, "p", ("a",), id="prompt before question"),
        pytest.param({"prompt": "p", "answer": 7}, "p", ("7",), id="a number"),
    ],
)
def test_usual_fields_need_no_names(tmp_path: Path, row: dict[str, Any], prompt: str, references: tuple[str]) -> None:
    found = one(tmp_path, row)
    assert (found.prompt, found.references, found.options) == (prompt, references, ())
    assert (found.task, found.id) == ("rows", "1")


@pytest.mark.parametrize(
    ("row", "fields", "options", "references"),
    [
        pytest.param(
            {"question_stem": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"},
            Fields(),
            ("x", "y"),
            ("y",),
            id="openbookqa",
        ),
        pytest.param({"prompt": "q", "options": ["x", "y"], "answer": 0}, Fields(), ("x", "y"), ("x",), id="number"),
        pytest.param(
            {"prompt": "q", "options": ["1", "0"], "answer": "0"},
            Fields(answer_is="text"),
            ("1", "0"),
            ("0",),
            id="a text that could be a number",
        ),
        pytest.param(
            {"prompt": "q", "options": [1, 0], "answer": 0},
            Fields(answer_is="number"),
            ("1", "0"),
            ("1",),
            id="a number that could be a text",
        ),
        pytest.param(
            {"prompt": "q", "options": ["0", "1"], "answer": 1}, Fields(), ("0", "1"), ("1",), id="both are the same"
        ),
        pytest.param(
            {"prompt": "q", "options": ["x", "y"], "answer": [1, 0]}, Fields(), ("x", "y"), ("x",), id="a mask of two"
        ),
        pytest.param(
            {"prompt": "q", "options": list("xyz"), "answer": [False, True, True]},
            Fields(),
            ("x", "y", "z"),
            ("y", "z"),
            id="a mask of booleans, two right",
        ),
        pytest.param(
            {"prompt": "q", "options": ["A)5", "B)6", "C)7"], "answer": "B"},
            Fields(),
            ("A)5", "B)6", "C)7"),
            ("B)6",),
            id="aqua-rat",
        ),
        pytest.param(
            {"prompt": "q", "a0": "(a) 5", "a1": "(b) 6", "answer": "b"},
            Fields(options=("a0", "a1")),
            ("(a) 5", "(b) 6"),
            ("(b) 6",),
            id="letters of options in fields",
        ),
        pytest.param({"prompt": "q", "options": [], "answer": "x"}, Fields(), (), ("x",), id="an empty list is none"),
        pytest.param(
            {"prompt": "q", "a0": "x", "a1": "y", "label": 1},
            Fields(answer="label", options=("a0", "a1")),
            ("x", "y"),
            ("y",),
            id="a field an option",
        ),
        pytest.param(
            {"prompt": "q", "in": {"list": ["x", "y", "z"], "names": ["i", "ii", "iii"]}, "answer": ["ii", "i"]},
            Fields(options=("in.list",), labels="in.names"),
            ("x", "y", "z"),
            ("y", "x"),
            id="nested, labels, two right",
        ),
        pytest.param(
            {"prompt": "q", "answer": "2"}, Fields(fixed_options=("x", "y", "z")), ("x", "y", "z"), ("z",), id="fixed"
        ),
    ],
)
def test_options_and_answers_are_found(
    tmp_path: Path, row: dict[str, Any], fields: Fields, options: tuple[str, ...], references: tuple[str, ...]
) -> None:
    found = one(tmp_path, row, fields)
    assert (found.options, found.references) == (options, references)


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        ({"text": "q", "answer": "a"}, Fields(), r"none of the fields prompt, .*\(there are: text, answer\).*--prompt"),
        ({"prompt": "q"}, Fields(), r"none of the fields references.*--answer"),
        (
            {"prompt": "q", "answer": "a"},
            Fields(prompt="x.y"),
            r"no field 'x.y' \(there are: prompt, answer\).*--prompt",
        ),
        ({"prompt": ["q"], "answer": "a"}, Fields(), r"field 'prompt' is no text but \['q'\]; .*--prompt"),
        ({"prompt": " \n", "answer": "a"}, Fields(), "prompt: String should match pattern"),
        ({"prompt": "q", "answer": []}, Fields(), "field 'answer' is an empty list"),
        (
            {"prompt": "q", "answer": None},
            Fields(answer="answer"),
            "field 'answer' is empty; name another with --answer",
        ),
        (
            {"prompt": "q", "answer": "c", "options": ["a", "b"]},
            Fields(),
            r"'c', which is no option; allowed: a, b, 0 to 1",
        ),
        (
            {"prompt": "q", "answer": 2, "options": ["a", "b"]},
            Fields(),
            r"2, which is no option; allowed: a, b, 0 to 1",
        ),
        ({"prompt": "q", "answer": -1, "options": ["a", "b"]}, Fields(), r"-1, which is no option"),
        ({"prompt": "q", "answer": ["a", "a"], "options": list("abc")}, Fields(), "names an option twice"),
        ({"prompt": "q", "answer": [0, 0, 0], "options": list("abc")}, Fields(), "marks no option"),
        ({"prompt": "q", "answer": [1, 1], "options": ["a", "b"]}, Fields(), "all options, .*, are right answers"),
        ({"prompt": "q", "answer": ["a", "b"], "options": ["a", "b"]}, Fields(), "at least one must be wrong"),
        ({"prompt": "q", "answer": math.nan}, Fields(), "field 'answer' is no text but nan"),
        ({"prompt": "q", "answer": "E", "options": ["A) x", "D) y"]}, Fields(), "'E', which is no option"),
        (
            {"prompt": "q", "answer": 1, "options": {"text": ["a", "b"], "label": ["1", "1"]}},
            Fields(),
            "2 options and 2 labels, 1, 1; each option needs a label of its own",
        ),
        (
            {"prompt": "q", "answer": "a", "options": "ab"},
            Fields(),
            r"field 'options' is no list of texts but 'ab'.*--opt",
        ),
        ({"prompt": "q", "answer": "a", "options": ["a"]}, Fields(), "there is one option, 'a'; give two or more"),
        ({"prompt": "q", "answer": "a", "options": ["a", "a"]}, Fields(), "not all different"),
        (
            {"prompt": "q", "answer": "a", "options": {"text": ["a", "b"], "label": ["A"]}},
            Fields(),
            "2 options and 1 lab",
        ),
        ({"prompt": "q", "answer": "a", "task": 1.5, "options": [True, "a"]}, Fields(), "no text but True"),
        (["q"], Fields(), "no JSON object"),
    ],
)
def test_a_row_that_is_none_is_told_with_its_line(tmp_path: Path, row: Any, fields: Fields, message: str) -> None:
    path = lines(tmp_path / "rows.jsonl", {"prompt": "p", "answer": "0", "x": {"y": "p"}, "options": ["0", "1"]}, row)
    with pytest.raises(ValueError, match=rf"rows.jsonl:2: .*{message}"):
        read_rows([path], fields)


def test_what_the_answers_are_is_decided_once_for_a_file(tmp_path: Path) -> None:
    numbers = {"prompt": "q", "options": ["2", "1", "0"], "answer": 1}
    places = lines(tmp_path / "places.jsonl", numbers, numbers | {"options": ["7", "8", "9"]})
    texts = lines(tmp_path / "texts.jsonl", numbers | {"answer": "2"}, numbers | {"answer": 7, "options": ["9", "7"]})
    assert [row.references for row in read_rows([places, texts], Fields())] == [("1",), ("8",), ("2",), ("7",)]
    labels = {"prompt": "q", "choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, "answerKey": "1"}
    with pytest.raises(
        ValueError, match=r"l.jsonl:1: field 'answerKey' is '1'.*by label 'x', by number 'y'.*label or n"
    ):
        read_rows([lines(tmp_path / "l.jsonl", labels)], Fields())
    (first, last) = read_rows([lines(tmp_path / "l.jsonl", labels, labels | {"answerKey": "3"})], Fields())
    assert (first.references, last.references) == (("x",), ("z",))


def test_answers_of_two_ways_in_a_file_are_refused(tmp_path: Path) -> None:
    row = {"prompt": "q", "options": ["x", "y"], "answer": "x"}
    path = lines(tmp_path / "rows.jsonl", row, row | {"answer": 1})
    with pytest.raises(ValueError, match=r"rows.jsonl:2: field 'answer' is 1, an option's number, but .*option's text"):
        read_rows([path], Fields())
    with pytest.raises(
        ValueError, match=r"rows.jsonl:1: field 'answer' is 'x', which is no option's number; .*-answer-is"
    ):
        read_rows([path], Fields(answer_is="number"))


def test_a_line_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "p", "answer": "a"}\n\n{"prompt"\n')
    with pytest.raises(ValueError, match=r"rows.jsonl:3: no JSON"):
        read_rows([tmp_path / "rows.jsonl"], Fields())


def test_ids_tasks_and_counts(tmp_path: Path) -> None:
    row = {"prompt": "p", "answer": "a", "task": "t", "kind": "k", "lang": ["sw", "en"]}
    first = lines(tmp_path / "one.jsonl", row | {"id": 5}, row | {"id": 5}, row | {"id": 6}, row | {"task": "u"})
    second = lines(tmp_path / "set" / "test.jsonl", {"prompt": "p", "answer": "a"})
    fields = Fields(category="kind", language="lang")
    found = read_rows([first], fields, max_rows=2)
    assert [each.key for each in found] == [("t", "5"), ("t", "5#2"), ("u", "4")]
    assert {(each.category, each.language) for each in found} == {("k", "sw")}
    assert [each.key for each in read_rows([second], Fields())] == [("set", "1")]


def test_no_two_rows_get_one_key(tmp_path: Path) -> None:
    row = {"prompt": "p", "answer": "a", "task": "t"}
    path = lines(tmp_path / "rows.jsonl", *[row | {"id": id} for id in ("a", "a", "a#2", "a", "a#2")])
    assert [each.id for each in read_rows([path], Fields())] == ["a", "a#2", "a#2#2", "a#3", "a#2#3"]


def test_tables_and_lists_are_read(tmp_path: Path) -> None:
    import polars as pl

    (tmp_path / "a.tsv").write_text('prompt\tanswer\n"Quoted only at its start\t1\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text('prompt,answer\n"one, two",x\n', encoding="utf-8")
    pl.DataFrame({"prompt": ["p"], "answer": [["x", "y"]]}).write_parquet(tmp_path / "c.parquet")
    (tmp_path / "d.json").write_text('[{"prompt": "p", "answer": 3}]', encoding="utf-8")
    found = read_rows([tmp_path / name for name in ("a.tsv", "b.csv", "c.parquet", "d.json")], Fields())
    assert [(row.prompt, row.references) for row in found] == [
        ('"Quoted only at its start', ("1",)),
        ("one, two", ("x",)),
        ("p", ("x", "y")),
        ("p", ("3",)),
    ]


def test_a_task_of_natural_instructions_has_training_s_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "task7_capital.json"
    path.write_text(json.dumps(TASK), encoding="utf-8")
    (row,) = read_rows([path], Fields(), TaskPrompts("Preamble.", 1))
    shown = [PositiveExample(input="Kenya", output="Nairobi")]
    assert row.prompt == build_prompt("Preamble.", "Name the capital.", "Mali", shown)
    assert (row.task, row.id, row.category, row.language) == ("task7_capital", "c-1", "Geography", "Swahili")
    assert "1 of 2 rows left out (1 blank_input)" in capsys.readouterr().err


def test_held_out_rows_get_their_task_s_prompt(tmp_path: Path) -> None:
    entry = {key: value for key, value in TASK.items() if key != "Instances"}
    lines(tmp_path / "tasks.jsonl", entry | {"task": "capital", "rows": 1, "Kind": "exact_match"})
    held_out = lines(tmp_path / "held_out.jsonl", {"task": "capital", "id": "1", "input": "Mali", "output": ["Bamako"]})
    (row,) = read_rows([held_out], Fields())
    assert row.prompt == build_prompt("", "Name the capital.", "Mali")
    assert (row.task, row.references, row.category) == ("capital", ("Bamako",), "Geography")


def test_a_template_makes_the_prompt_and_its_last_line_break_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "template.txt").write_text("{{ a }} & {{ row['b c'] }}\nAnswer:\n", encoding="utf-8")
    fields = Fields(make_prompt=template_prompts(tmp_path / "template.txt"))
    assert one(tmp_path, {"a": "<x>", "b c": "y", "answer": "z"}, fields).prompt == "<x> & y\nAnswer:"
    with pytest.raises(ValueError, match=r"rows.jsonl:1: .*template.txt: 'a' is undefined \(the row has: answer\)"):
        one(tmp_path, {"answer": "z"}, fields)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 1 // a }}", "division or modulo by zero|integer division"),
        ("{{ a + 'x' }}", "unsupported operand"),
        ("{{ 'x'.encode('no such') }}", "unknown encoding"),
    ],
)
def test_what_a_template_cannot_do_with_a_row_is_told(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "template.txt").write_text(template, encoding="utf-8")
    fields = Fields(make_prompt=template_prompts(tmp_path / "template.txt"))
    with pytest.raises(ValueError, match=rf"rows.jsonl:1: .*template.txt: ({message}).*change the template"):
        one(tmp_path, {"a": 0, "self": 1, "answer": "z"}, fields)


def test_a_template_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"latin.txt: .*write the template in UTF-8"):
        template_prompts(tmp_path / "latin.txt")
    (tmp_path / "template.txt").write_text("one\n{{ a\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"template.txt:\d: .*Jinja"):
        template_prompts(tmp_path / "template.txt")
    with pytest.raises(FileNotFoundError, match=r"nowhere.txt"):
        template_prompts(tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "", r"rows.txt: .*end in one of .jsonl, .json"),
        ("rows.jsonl", "\n", "rows.jsonl: no rows"),
        ("rows.json", "{]", "rows.json: not valid JSON"),
        ("rows.json", "{}", r"rows.json: no Definition; expected a list of objects or a task"),
        ("rows.json", "[1]", "rows.json, row 1: no JSON object"),
        ("rows.json", "3", "rows.json: .*expected a list of objects"),
        ("rows.csv", "", "rows.csv: no table that can be read: .*as many cells in every row"),
        ("rows.csv", "prompt,answer\na,b,c\n", "rows.csv: no table that can be read"),
        ("rows.csv", "prompt,answer\ncaf\xe9,b\n", "rows.csv: no table that can be read: .*UTF-8"),
        ("rows.parquet", "prompt", "rows.parquet: no table that can be read: .*a Parquet file"),
        ("rows.csv", "prompt,answer\nq,\n", "rows.csv, row 1: field 'answer' is empty; fill it in"),
    ],
)
def test_a_file_of_no_rows_is_told(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        read_rows([tmp_path / name], Fields())


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("openbookqa/test.jsonl", Fields()),
        ("bbq/Age.jsonl", Fields(options=("ans0", "ans1", "ans2"), answer="label")),
        ("xcopa_sw/test.jsonl", Fields(prompt="premise", options=("choice1", "choice2"), answer="label")),
        ("xnli_sw/validation.jsonl", Fields(prompt="premise", answer="label", fixed_options=("a", "b", "c"))),
        (
            "afrisenti/swa/dev.tsv",
            Fields(prompt="tweet", answer="label", fixed_options=("positive", "neutral", "negative")),
        ),
        ("ni_tasks/task1146_country_capital.json", Fields()),
        ("gsm8k/test.jsonl", Fields()),
        ("aqua_rat/test.jsonl", Fields(answer="correct")),
        ("mafand/en-swa/validation.jsonl", Fields(prompt="translation.en", answer="translation.swa")),
    ],
)
def test_real_files_are_read_whole(file: str, fields: Fields) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there")
    rows = read_rows([DATA / file], fields)
    assert len({row.key for row in rows}) == len(rows) > 10
    assert len(fields.fixed_options) in (0, len(rows[0].options))


def test_truthfulqa_is_read_with_its_masks(tmp_path: Path) -> None:
    path = DATA / "truthful_qa/multiple_choice.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    taken = path.read_text(encoding="utf-8").splitlines()[:100]
    rows = [json.loads(line) for line in taken]
    copy = lines(tmp_path / "rows.jsonl", *rows)
    one = read_rows([copy], Fields(options=("mc1_targets.choices",), answer="mc1_targets.labels"))
    several = read_rows([copy], Fields(options=("mc2_targets.choices",), answer="mc2_targets.labels"))
    assert [row.references for row in one] == [row.options[:1] for row in one]
    assert [len(row.references) for row in several] == [sum(row["mc2_targets"]["labels"]) for row in rows]
