"""A fingerprint of the code behind a stage: its module and every project module that it imports, in turn."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# How a stage is run, not what it makes (a recipe counts by its values): an edit here leaves finished work valid.
RUNNERS = frozenset(
    {
        "data_prep.mixing.executor",
        "oneday.code",
        "oneday.console",
        "oneday.machine",
        "oneday.parallel",
        "oneday.ray_cluster",
        "oneday.recipe",
        "oneday.stage",
    }
)
PACKAGES = ("compress", "data_prep", "eval", "oneday", "postprocess", "serve", "training")


@cache
def fingerprint(module: str) -> str:
    """The SHA-256 over the sources that `module` reaches, as syntax: comments and layout do not count."""
    digest = hashlib.sha256()
    for path in sorted(_reachable(module)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        digest.update(f"{path.relative_to(ROOT)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def _reachable(module: str) -> set[Path]:
    found: set[Path] = set()
    waiting = [module]
    if _source(module) is None:
        raise ValueError(f"{module} is no module of this project")
    while waiting:
        name = waiting.pop()
        if "." in name:
            waiting.append(name.rpartition(".")[0])  # its package's __init__ runs too
        path = _source(name)
        if path is not None and path not in found:
            found.add(path)
            waiting += _imports(path)
    return found


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _source(module: str) -> Path | None:
    if module.split(".")[0] not in PACKAGES or module in RUNNERS:
        return None
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
