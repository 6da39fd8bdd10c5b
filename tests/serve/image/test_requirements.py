"""The packages that the image installs are enough: a Python that has only them imports the server."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from serve.image.context import ROOT
from tests.serve.image.test_dockerfiles import wanted_packages

LIGHT = "import serve.__main__, serve.app, serve.openai_api, serve.model_choice, serve.running, serve.image.start"
LOAD = "from oneday.recipe import load_recipe; from pathlib import Path; load_recipe(Path('recipes/quickstart')).serve"
ENGINE = """
import bitsandbytes, peft
import serve.completing.transformers_completions as completions
from serve.transformers_engine import load_model
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, LlamaForCausalLM
from compress.inkuba import register
register()
"""


def linked_packages(folder: Path) -> Path:
    """A folder with links to what those packages installed, and to nothing else."""
    for name in wanted_packages():
        found = distribution(name)
        tops = {path.parts[0] for path in found.files or [] if path.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    return folder


def run_with_only(packages: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a Python without any site packages but these."""
    places = os.pathsep.join([str(ROOT), str(packages)])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": places, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_server_and_a_recipe_load_with_the_images_packages_alone(tmp_path: Path) -> None:
    packages = linked_packages(tmp_path)
    done = run_with_only(packages, f"{LIGHT}\n{LOAD}")
    assert done.returncode == 0, done.stderr
    assert "No module named 'axolotl'" in run_with_only(packages, "import axolotl").stderr


@pytest.mark.slow
def test_the_engine_loads_with_the_images_packages_alone(tmp_path: Path) -> None:
    done = run_with_only(linked_packages(tmp_path), ENGINE)
    assert done.returncode == 0, done.stderr
