"""The lm-eval tasks on public data sets: asked as recipes/swahili-hausa-small asks, from folders of the hub's shape."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from data_prep.mixing.config import Mix
from data_prep.sources import afrisenti, mafand, xnli
from data_prep.sources.example_source import Draft
from eval.metrics.macro_f1 import f1_statistics, macro_f1
from oneday.buzuzu_mavi import labels_of, parse_task
from oneday.prompt import build_prompt
from oneday.recipe import load_recipe

ROOT = Path(__file__).parents[2]
HUB = ROOT / "eval/harness_tasks/hub"
DATA = ROOT / "../shared/data"
RECIPE = ROOT / "recipes/swahili-hausa-small"
GROUP = "oneday_swahili_hausa"
ROWS = 40  # of each data set
needs_data = pytest.mark.skipif(not (DATA / "afrisenti").is_dir(), reason=f"no data samples in {DATA}")
CONVERT: Mapping[str, Callable[..., Iterator[Any]]] = {
    "sentiment": afrisenti.convert,
    "entailment": xnli.convert,
    "translation": mafand.convert,
}


def tasks_of(group: str) -> list[str]:
    return list(yaml.safe_load((HUB / f"{group}.yaml").read_text(encoding="utf-8"))["task"])


def write_set(folder: Path, files: Mapping[str, Path]) -> None:
    """A data set as a hub repository has it: a card that names the file of each config."""
    folder.mkdir(parents=True)
    configs = []
    for config, source in files.items():
        shutil.copy(source, folder / f"{config}{source.suffix}")
        test = {"split": "test", "path": f"{config}{source.suffix}"}
        configs.append({"config_name": config, "data_files": [test]})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n", encoding="utf-8")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data sets in folders below the current one, where `datasets` looks before it asks the hub."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    codes = ("swa", "hau")
    write_set(tmp_path / "masakhane/afrisenti", {code: DATA / f"afrisenti/{code}/dev.tsv" for code in codes})
    write_set(tmp_path / "facebook/xnli", {"sw": DATA / "xnli_sw/validation.jsonl"})
    write_set(tmp_path / "masakhane/afrixnli", {"hau": DATA / "xnli_sw/validation.jsonl"})  # the same columns
    for code in codes:
        folder = tmp_path / f"masakhane/mafand/en-{code}"
        folder.mkdir(parents=True)
        pl.read_ndjson(DATA / f"mafand/en-{code}/validation.jsonl").write_parquet(folder / "mafand-test.parquet")
    return tmp_path


@needs_data
@pytest.mark.parametrize("name", tasks_of(GROUP))
def test_rows_of_the_hub_are_asked_as_the_recipe_asks_them(name: str, hub: Path) -> None:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(HUB), include_defaults=False)
    task = manager.load_task_or_group(name)[name]
    kind, language = parse_task(name.removeprefix("oneday_"))
    settings = settings_of(load_recipe(RECIPE).data.mix, kind, language)
    task.build_all_requests(limit=ROWS)
    asked = {instance.doc_id: instance.args[0] for instance in task.instances}
    assert len(asked) == ROWS
    for number, prompt in asked.items():
        doc = task.test_docs()[number]
        (draft,) = CONVERT[kind](doc, "a place", settings)
        assert isinstance(draft, Draft)
        assert prompt == build_prompt("", draft.instruction, draft.input)
        target, labels = task.doc_to_target(doc), labels_of(kind, language)
        assert (labels[target] if labels else target) == draft.answer


def settings_of(mix: Mix, kind: str, language: str) -> Any:
    """What the recipe says of that task; of entailment in Hausa, which it does not train, what it says of Swahili."""
    named = {source.name: source for source in mix.sources}
    wanted = f"{kind}_{language}"
    found = named[wanted] if wanted in named else named[f"{kind}_swahili"]
    return found.model_copy(update={"language": language})


def test_the_group_of_lm_eval_s_own_tasks_names_tasks_that_there_are() -> None:
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    own = Path(lm_eval.tasks.__file__).parent
    folders = [str(own / name) for name in ("afrixnli", "afrobench/afrisenti", "afrobench/ntrex", "xcopa", "xnli")]
    known = TaskManager(include_path=[*folders, str(HUB)], include_defaults=False)
    assert set(tasks_of("oneday_swahili_hausa_builtin")) <= set(known.all_subtasks)
    assert not {name for name in known.all_tasks if name.startswith("oneday")} - {
        path.stem for path in HUB.glob("*.yaml")
    }


def test_macro_f1_is_that_of_the_recipe_s_evaluation() -> None:
    from lm_eval.utils import load_yaml_config

    config = load_yaml_config(str(HUB / "oneday_sentiment_hausa.yaml"))
    aggregate = next(metric for metric in config["metric_list"] if metric["metric"] == "f1")["aggregation"]
    random = np.random.default_rng(3)
    for rows in (1, 2, 9):
        for _ in range(10):
            right, chosen = random.integers(0, 3, size=(2, rows)).tolist()
            ours = float(macro_f1(f1_statistics(chosen, right).sum(axis=0)))
            assert aggregate(list(zip(right, chosen, strict=True))) == pytest.approx(ours, abs=1e-12)
