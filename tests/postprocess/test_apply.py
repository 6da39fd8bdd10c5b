"""The command that cleans a field of any JSON Lines by rules."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from postprocess.apply import main

RULES = """
cases:
  - name: options
    tasks: [commonsenseqa]
    prompt: {options: 2}
    rules: [strip, cut_at_blank_line]
default: [strip]
"""
Capture = pytest.CaptureFixture[str]
RAW = " B \n\nC"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


def write(folder: Path, *rows: dict[str, Any] | str) -> Path:
    """The rows as JSON Lines; a text is a line as it is."""
    path = folder / "in.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    return path


def cleaned(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    """The objects that the command prints."""
    assert main([str(argument) for argument in arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]


def fails(capsys: Capture, code: int, *arguments: object) -> str:
    """What the command says as it ends with that code."""
    assert main([str(argument) for argument in arguments]) == code
    return capsys.readouterr().err


def test_other_fields_and_their_order_stay(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    line = '{"z": [1, 2.50, null], "prediction": " \\u00e9 ", "a": {"b": true}, "big": 123456789012345678901}'
    assert main([str(rules), str(write(tmp_path, line))]) == 0
    assert capsys.readouterr().out == (
        '{"z":[1,2.5,null],"prediction":"é","a":{"b":true},"big":123456789012345678901}\n'
    )


def test_the_case_is_that_of_the_task_else_of_the_prompt_else_default(
    rules: Path, tmp_path: Path, capsys: Capture
) -> None:
    prompt = "Which?\nA. bank\nB. river"
    file = write(
        tmp_path,
        {"task": "commonsenseqa", "prediction": RAW},
        {"task": "other", "few_shot_prompt": prompt, "prediction": RAW},
        {"few_shot_prompt": prompt, "prediction": RAW},
        {"few_shot_prompt": "Why?", "prediction": RAW},
        {"prediction": RAW},
    )
    texts = [row["prediction"] for row in cleaned(capsys, rules, file)]
    assert texts == ["B ", "B \n\nC", "B ", "B \n\nC", "B \n\nC"]


def test_a_named_field_alone_decides_the_case(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"task": "commonsenseqa", "kind": "x", "question": "A. a\nB. b", "prediction": RAW})
    assert cleaned(capsys, rules, file, "--task-field", "kind")[0]["prediction"] == "B \n\nC"
    assert cleaned(capsys, rules, file, "--prompt-field", "question")[0]["prediction"] == "B "


def test_a_named_case_is_taken_for_all(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"task": "commonsenseqa", "prediction": RAW}, {"prediction": RAW})
    assert [row["prediction"] for row in cleaned(capsys, rules, file, "--case", "default")] == ["B \n\nC"] * 2
    assert [row["prediction"] for row in cleaned(capsys, rules, file, "--case", "options")] == ["B "] * 2


def test_another_field_may_be_cleaned(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"raw": " a ", "prediction": " b "})
    assert cleaned(capsys, rules, file, "--field", "raw") == [{"raw": "a", "prediction": " b "}]


def test_a_recipe_folder_gives_its_rules(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    assert cleaned(capsys, rules.parent, write(tmp_path, {"prediction": " a "})) == [{"prediction": "a"}]


def test_out_gets_the_lines_and_the_counts_go_to_standard_error(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "new/out.jsonl"
    file = write(tmp_path, {"prediction": " a "}, {"prediction": "b"})
    assert main([str(rules), str(file), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert out.read_text(encoding="utf-8") == '{"prediction":"a"}\n{"prediction":"b"}\n'
    assert (told.out, told.err) == ("", "texts: 2, changed: 1 (50.0 %), cases: default 2\n")


def test_an_empty_file_gives_an_empty_file(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.jsonl"
    assert main([str(rules), str(write(tmp_path)), "--out", str(out), "--explain"]) == 0
    assert out.read_bytes() == b""
    assert capsys.readouterr().err == "texts: 0, changed: 0\n"


def test_blank_lines_byte_order_mark_and_windows_line_ends_are_read(
    rules: Path, tmp_path: Path, capsys: Capture
) -> None:
    file = write(tmp_path, '\ufeff{"prediction": " a "}\r', "", " \t", '{"prediction": "b\u2028c "}')
    assert cleaned(capsys, rules, file) == [{"prediction": "a"}, {"prediction": "b\u2028c"}]


def test_a_lone_surrogate_comes_out_as_it_went_in(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.jsonl"
    file = write(tmp_path, '{"prediction": " \\ud800é ", "id": "\\udfff"}')
    assert main([str(rules), str(file), "--out", str(out), "--explain"]) == 0
    assert json.loads(out.read_text(encoding="utf-8")) == {"prediction": "\ud800é", "id": "\udfff"}
    assert "line 1 (id '\\udfff')" in capsys.readouterr().out


def test_standard_input_is_read_and_standard_output_written(rules: Path) -> None:
    command = [sys.executable, "-m", "postprocess.apply", str(rules), "-"]
    done = subprocess.run(command, input='{"prediction":" é "}\n'.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == '{"prediction":"é"}\n'
    done = subprocess.run(command, input=b'{"prediction":"a"}\n[]\n', capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b'{"prediction":"a"}\n')
    assert done.stderr.decode() == "Error: standard input:2: not a JSON object but a list\n"


@pytest.mark.parametrize("options", [(), ("--explain", "--out", "{folder}/out.jsonl")])
def test_a_closed_pipe_ends_the_command_as_it_ends_cat(rules: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    file = write(tmp_path, *[{"prediction": f" {number}"} for number in range(20_000)])
    options = tuple(option.format(folder=tmp_path) for option in options)
    command = [sys.executable, "-m", "postprocess.apply", str(rules), str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() in (b'{"prediction":"0"}\n', b"line 1, case default\n")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "rules.yaml"]


def test_a_pipe_that_was_closed_before_a_short_output_ends_the_command_quietly(rules: Path, tmp_path: Path) -> None:
    file = write(tmp_path, {"prediction": " a"})
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "postprocess.apply", str(rules), str(file)]
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, check=False)
    os.close(written)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_explain_prints_before_and_after_of_each_rule_and_a_table(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(
        tmp_path,
        {"id": "q-1", "task": "commonsenseqa", "prediction": RAW},
        {"id": 2, "prediction": "left"},
        {"id": 3, "prediction": " x\u00a0"},
    )
    assert main([str(rules), str(file), "--explain"]) == 0
    told = capsys.readouterr()
    assert told.out == (
        "line 1 (id 'q-1'), case options\n"
        "  strip\n"
        "    - ' B \\n\\nC'\n"
        "    + 'B \\n\\nC'\n"
        "  cut_at_blank_line\n"
        "    - 'B \\n\\nC'\n"
        "    + 'B '\n"
        "\n"
        "line 3 (id 3), case default\n"
        "  strip\n"
        "    - ' x\\xa0'\n"
        "    + 'x'\n"
        "\n"
        "case     rule               texts seen  changed    share\n"
        "options  strip                       1        1  100.0 %\n"
        "options  cut_at_blank_line           1        1  100.0 %\n"
        "default  strip                       2        1   50.0 %\n"
    )
    assert told.err == "texts: 3, changed: 2 (66.7 %), cases: default 2, options 1\n"


def test_explain_writes_the_lines_to_out_too(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out.jsonl"
    assert main([str(rules), str(write(tmp_path, {"prediction": " a"})), "--explain", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == '{"prediction":"a"}\n'
    assert capsys.readouterr().out.startswith("line 1, case default\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes at character 2"),
        ("[1]", "not a JSON object but a list"),
        ('"a"', "not a JSON object but a text"),
        ("true", "not a JSON object but true or false"),
        ("1", "not a JSON object but a number"),
        ('{"a": 1, "b": 2}', "no field 'prediction' (there are: a, b); name another with --field"),
        ('{"prediction": null}', "field 'prediction' is not a text but null; name another with --field"),
        ('{"prediction": ["a"]}', "field 'prediction' is not a text but a list; name another with --field"),
        ('{"task": 1, "prediction": "a"}', "field 'task' is not a text but a number; name another with --task-field"),
        (
            '{"few_shot_prompt": {}, "prediction": "a"}',
            "field 'few_shot_prompt' is not a text but an object; name another with --prompt-field",
        ),
        (
            '{"prediction": "a", "score": -1e400}',
            "the number -1e400 is beyond double precision, which ends at 1.8e308; write it as a text",
        ),
        ('{"prediction": "a", "score": NaN}', "not JSON: NaN; write null in its place"),
        ('{"prediction": "a", "score": [-Infinity]}', "not JSON: -Infinity; write null in its place"),
        ("[" * 100_000, "the JSON is nested too deep to read"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_written(
    rules: Path, tmp_path: Path, capsys: Capture, line: str, told: str
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before", encoding="utf-8")
    file = write(tmp_path, {"prediction": "a"}, "", line)
    assert fails(capsys, 1, rules, file, "--out", out) == f"Error: {file}:3: {told}\n"
    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "rules.yaml"]


def test_a_line_that_is_not_utf_8_is_named(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b'{"prediction": "\xe9"}\n')
    assert fails(capsys, 1, rules, file) == f"Error: {file}:1: not UTF-8: byte 17 of the line is 0xe9\n"


def test_a_named_field_that_is_not_there_is_an_error(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"prediction": "a"})
    for option in ("--task-field", "--prompt-field"):
        told = f"Error: {file}:1: no field 'x' (there are: prediction); name another with {option}\n"
        assert fails(capsys, 1, rules, file, option, "x") == told


def test_an_absent_file_or_a_folder_is_an_error(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    assert fails(capsys, 1, rules, tmp_path / "no.jsonl") == f"Error: No such file or directory: {tmp_path}/no.jsonl\n"
    assert fails(capsys, 1, rules, tmp_path) == f"Error: Is a directory: {tmp_path}\n"


def test_out_may_not_be_what_is_read_or_a_folder(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"prediction": " a"})
    (tmp_path / "link.jsonl").symlink_to(file)
    for out in (file, tmp_path / "link.jsonl", rules):
        assert fails(capsys, 1, rules, file, "--out", out) == (
            f"Error: --out {out} is the file that is read; name another\n"
        )
    assert f"--out {tmp_path} is a folder; name the file to write" in fails(capsys, 1, rules, file, "--out", tmp_path)
    assert file.read_text(encoding="utf-8") == '{"prediction": " a"}\n'


def test_a_wrong_rules_file_ends_with_2(tmp_path: Path, capsys: Capture) -> None:
    rules, file = tmp_path / "rules.yaml", write(tmp_path, {"prediction": " a"})
    rules.write_text("default: [stripp]\n", encoding="utf-8")
    told = fails(capsys, 2, rules, file)
    assert told.startswith(f"{rules}:1: default.0: there is no rule stripp; did you mean strip()?")
    rules.unlink()
    assert fails(capsys, 2, tmp_path, file).startswith(f"{rules}: no such file\n")


def test_a_case_that_is_not_there_ends_with_2(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"prediction": " a"})
    told = fails(capsys, 2, rules, file, "--case", "option")
    assert told.startswith(f"{rules}: cases: there is no case option (--case); did you mean options?\n")
    told = fails(capsys, 2, rules, file, "--case", "xyz")
    assert told.startswith(f"{rules}: cases: there is no case xyz (--case); there are: options, default\n")


def test_two_ways_to_choose_the_case_are_refused(rules: Path, tmp_path: Path, capsys: Capture) -> None:
    file = write(tmp_path, {"prediction": " a"})
    told = fails(capsys, 2, rules, file, "--case", "options", "--task-field", "task")
    assert "give one of them at most" in " ".join(told.split())


def on_terminal(command: list[str], stream: str) -> str:
    """What a command writes to its standard output or error if that is a terminal; the other one is none."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: theirs}
    read = b""
    with subprocess.Popen(command, **streams):
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while chunk := os.read(ours, 65536):
                read += chunk
    os.close(ours)
    return read.decode()


def test_an_explanation_is_coloured_on_a_terminal_alone(rules: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "postprocess.apply", str(rules), str(write(tmp_path, {"prediction": " a"}))]
    told = on_terminal([*command, "--explain"], "stdout")
    assert "\x1b[31m    - ' a'\x1b[0m" in told and "\x1b[32m    + 'a'\x1b[0m" in told
    assert b"\x1b" not in subprocess.run([*command, "--explain"], capture_output=True, check=True).stdout


def test_a_bar_is_shown_where_standard_error_is_a_terminal_alone(rules: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "postprocess.apply", str(rules), str(write(tmp_path, {"prediction": " a"}))]
    told = on_terminal(command, "stderr")
    assert "clean" in told and "%|" in told
    assert told.rstrip().endswith("texts: 1, changed: 1 (100.0 %), cases: default 1")
    assert b"%|" not in subprocess.run(command, capture_output=True, check=True).stderr
