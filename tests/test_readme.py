"""The README's commands and paths exist."""

import re
from pathlib import Path

import pytest

README = Path("README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_the_first_command_stands_within_forty_lines() -> None:
    assert "make quickstart" in "\n".join(README.splitlines()[:40])


@pytest.mark.parametrize("target", sorted({c.split()[1] for c in COMMANDS if c.startswith("make ")}))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", Path("Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "python" in c or "accelerate" in c])
def test_every_module_script_and_recipe_of_a_command_exists(command: str) -> None:
    for module in re.findall(r"-m (\S+)", command):
        path = Path(module.replace(".", "/"))
        there = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        assert there or module == "axolotl.cli.train", module
    for path in re.findall(r"(?:run\.py|recipes/\S+)", command):
        assert Path(path).exists() or path.startswith("recipes/mine"), path


def test_every_entry_of_the_tree_exists() -> None:
    (tree,) = re.findall(r"```\n(run\.py .*?)```", README, flags=re.DOTALL)
    entries = [line.split()[0] for line in tree.splitlines() if not line.startswith(" ")]
    assert len(entries) > 5
    assert [entry for entry in entries if not Path(entry).exists() and entry != "runs/"] == []
