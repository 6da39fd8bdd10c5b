"""The page of all rules: up to date, right in its YAML, and readable on GitHub."""

import re
from pathlib import Path

import pytest
import yaml

from postprocess.cases import RuleSet
from postprocess.chain import Step
from postprocess.gallery import PAGE, code, families, main, page, prose, quoted, result
from postprocess.rule import RULES, Example

AFRESH = "run: python -m postprocess.gallery"


def test_the_page_in_the_docs_is_that_of_the_rules() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), AFRESH


def test_every_rule_has_a_section_with_its_signature_and_all_examples() -> None:
    text = page()
    for rule in RULES.values():
        section = text.split(f"\n### {rule.name}\n")[1].split("\n### ")[0]
        assert rule.signature in section
        assert f"(#{rule.name})" in text
        assert all(quoted(example.text) in section for example in rule.examples)


def test_rules_stand_by_family() -> None:
    found = families(RULES.values())
    assert list(found) == sorted(found)
    assert [rule.name for rule in found["cuts"]][:1] == ["cut_at_blank_line"]
    assert sum(map(len, found.values())) == len(RULES)


def test_the_yaml_on_the_page_is_a_right_rules_file() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", page(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        assert RuleSet.model_validate(yaml.safe_load(block)).cases


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    rows = [re.findall(r"(?<!\\)\|", line) for line in page().splitlines() if line.startswith("|")]
    tables = re.findall(r"(?:^\|.*\n)+", page(), flags=re.MULTILINE)
    assert rows and all(row for row in rows)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}) == 1, table


def test_a_code_span_is_fenced_by_more_backticks_than_it_has() -> None:
    assert code("a") == "`a`"
    assert code("a`b``c") == "```a`b``c```"
    assert code("`a`") == "`` `a` ``"


def test_pipes_in_a_cell_are_escaped() -> None:
    assert code("a|b") == "`a\\|b`"
    assert prose("a|b") == "a\\|b"


def test_a_docstring_is_escaped_but_for_its_code() -> None:
    assert prose("a *b* `*c*` <d> _e") == "a \\*b\\* `*c*` \\<d> \\_e"


def test_a_text_is_shown_with_what_cannot_be_seen() -> None:
    assert quoted("a\n\u00a0\u200b") == "`'a\\n\\xa0\\u200b'`"
    assert quoted("cafe\u0301") == "`'cafe\\u0301'`" and quoted("caf\u00e9") == "`'caf\u00e9'`"
    assert result(Example("a", "a")) == "stays as it is"
    assert result(Example("a", "")) == "`''`"


def test_check_passes_on_the_page_that_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "docs/rules.md"
    assert main(["--out", str(file)]) == 0
    assert file.read_text(encoding="utf-8") == page()
    assert main(["--check", "--out", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{file} is up to date"


@pytest.mark.parametrize("left", [None, b"old", b"\xff\x00"])
def test_check_fails_on_an_old_page_and_writes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left: bytes | None
) -> None:
    file = tmp_path / "rules.md"
    if left is not None:
        file.write_bytes(left)
    assert main(["--check", "--out", str(file)]) == 1
    afresh = f"write it anew: python -m postprocess.gallery --out {file}"
    assert capsys.readouterr().err == f"Error: {file} is not up to date with the rules; {afresh}\n"
    assert (file.read_bytes() if file.exists() else None) == left


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_folder_cannot_be_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert main(["--out", str(tmp_path), *options]) == 1
    told = f"--out {tmp_path} is a folder; name the page's file, such as {tmp_path}/rules.md"
    assert capsys.readouterr().err == f"Error: {told}\n"
    assert not list(tmp_path.iterdir())


def test_steps_on_the_page_are_yaml() -> None:
    lines = [line for line in page().splitlines() if line.startswith("| `")]
    firsts = [re.match(r"\| `([a-z_]+: \{.*?\})` \|", line) for line in lines]
    steps = [found.group(1).replace("\\|", "|") for found in firsts if found]
    assert steps
    assert all(
        isinstance(RuleSet.model_validate({"default": [yaml.safe_load(each)]}).default[0], Step) for each in steps
    )
