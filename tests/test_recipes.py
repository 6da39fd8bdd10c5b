"""What the recipes promise: sets that share their predictions, pinned sources, a plan that fits the day."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

import data_prep.mix
from data_prep.config import load_data_config
from data_prep.mixing.config import TableSet
from data_prep.selection import load_selection
from data_prep.sources.hub import COMMIT, HUB_ID
from data_prep.sources.mix_config import DataSet
from oneday.config import load_document
from oneday.files import read_jsonl, write_jsonl
from oneday.prompt import build_prompt
from oneday.recipe import load_recipe
from oneday.records import Example
from oneday.run_paths import stage_input

RECIPES = Path(__file__).parents[1] / "recipes"
BIRBAL, ONEDAY, QWEN = (RECIPES / name for name in ("mistral-7b-birbal", "mistral-7b-oneday", "qwen3-8b-oneday"))
SETS = [BIRBAL / f"data-{size}.yaml" for size in ("200k", "400k", "700k")]
SAMPLES = Path(__file__).parents[1] / "../shared/data"
DATA_FILES = sorted(RECIPES.glob("*/data*.yaml"))


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is no mapping or list, with its key path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from leaves(inner, f"{key}.{position}")
    else:
        yield key, value


@pytest.mark.parametrize("path", SETS[1:], ids=lambda path: path.name)
def test_the_sets_of_birbal_differ_in_numbers_of_sample_and_mix_alone(path: Path) -> None:
    one, other = (load_data_config(file).model_dump(mode="json") for file in (SETS[0], path))
    for part in ("seed", "preamble", "collect", "predict", "score"):
        assert one[part] == other[part]
    here, there = dict(leaves(one)), dict(leaves(other))
    assert here.keys() == there.keys()
    names = [source["source"] for source in one["mix"]["sources"]]
    differing = {key for key in here if here[key] != there[key]}
    assert ".sample.exact_match.factor" in differing
    for key in differing:
        capped = re.fullmatch(r"\.mix\.sources\.(\d+)\.max_rows", key)
        if capped:
            assert names[int(capped[1])] in ("quac", "cnn_dailymail", "math_instruct")
        else:
            assert key == ".sample.exact_match.factor" or key.startswith(".sample.generation.keep_by_score.")


def test_the_sets_of_birbal_hold_the_whole_published_mixture_in_a_growing_size() -> None:
    sets = [load_data_config(path) for path in SETS]
    published = ["sampled", "lima", "open_platypus", "openbookqa", "quac", "cnn_dailymail", "math_instruct"]
    assert all([source.source for source in data.mix.sources] == published for data in sets)
    for before, after in pairwise(sets):
        for one, other in zip(before.mix.sources, after.mix.sources, strict=True):
            assert (one.max_rows or 0) <= (other.max_rows or 0)
        assert before.sample.rule == after.sample.rule == "birbal"
        assert before.sample.exact_match.factor < after.sample.exact_match.factor


def test_birbals_training_prompts_have_no_preamble_and_its_predictions_have_one() -> None:
    data = load_recipe(SETS[0]).sampling
    assert (data.preamble, data.prediction_preamble.split()[0]) == ("", "Below")


def test_our_mix_can_go_on_from_birbals_predictions() -> None:
    ours, theirs = load_recipe(ONEDAY), load_recipe(SETS[0])
    assert (ours.data.seed, ours.sampling.predict, ours.sampling.score) == (
        theirs.data.seed,
        theirs.sampling.predict,
        theirs.sampling.score,
    )
    assert ours.sampling.prediction_preamble == theirs.sampling.prediction_preamble
    collect = [recipe.sampling.collect.model_dump(exclude={"tasks": {"list"}}) for recipe in (ours, theirs)]
    assert collect[0] == collect[1]
    selections = [load_selection(recipe.sampling.collect.tasks, recipe.folder) for recipe in (ours, theirs)]  # type: ignore[union-attr, arg-type]
    assert selections[0] == selections[1]
    assert len(selections[0].listed or ()) == 462


def test_our_mix_samples_by_the_numbers_of_birbals_400k_set() -> None:
    """The weighted rule was lowest in benchmarks/sampling_pays.py; its table is in LOG.md."""
    assert load_recipe(ONEDAY).sampling.sample == load_recipe(SETS[1]).sampling.sample
    assert load_recipe(ONEDAY).sampling.sample.rule == "birbal"


def test_blank_lines_in_answers_stay_in_birbals_sets_and_become_line_ends_in_ours() -> None:
    assert {load_recipe(path).data.mix.blank_line_in_answer for path in SETS} == {"keep"}
    assert load_recipe(ONEDAY).data.mix.blank_line_in_answer == "join"


def test_questions_that_are_often_short_are_looked_for_with_their_options_and_without() -> None:
    decontaminate = load_recipe(ONEDAY).data.mix.decontaminate
    assert decontaminate is not None
    fields = {held.name: held.fields for held in decontaminate.eval_sets if isinstance(held, TableSet)}
    assert fields["mmlu"] == ["question", "choices"]
    assert fields["truthful_qa"] == ["question", "best_answer", "incorrect_answers"]
    assert fields["mmlu_question"] == fields["truthful_qa_question"] == ["question"]


@pytest.mark.parametrize(
    ("folder", "day"), [(ONEDAY, 120e6), (QWEN, 110e6)], ids=lambda value: getattr(value, "name", "")
)
def test_the_plan_of_our_mixes_fits_the_day(folder: Path, day: float) -> None:
    """Tokens trained on or, at a third of the cost, evaluated, against the least that a day is good for.

    Of the evaluation rows 1,000 are taken, whose tokens nobody knows; here all are.
    """
    data, train = load_recipe(folder).data, load_document(folder / "train.yaml").values
    assert data.mix.budget is not None
    tokens = data.mix.budget.tokens
    assert tokens is not None
    trained = tokens * (1 - data.mix.eval_share) * train["num_epochs"]
    step = train["micro_batch_size"] * train["gradient_accumulation_steps"] * train["sequence_len"]
    evaluated = trained / step / train["eval_steps"] * tokens * data.mix.eval_share
    assert 0.7 * day < trained + evaluated / 3 < 0.85 * day


def test_qwens_data_are_mistrals_but_for_the_size() -> None:
    """Its predictions are its own all the same: what is sampled follows from what the base model gets wrong."""
    one, other = (load_data_config(folder / "data.yaml").model_dump(mode="json") for folder in (ONEDAY, QWEN))
    here, there = dict(leaves(one)), dict(leaves(other))
    assert here.keys() == there.keys()
    assert {key for key in here if here[key] != there[key]} == {".mix.budget.tokens"}
    assert load_recipe(ONEDAY).eval == load_recipe(QWEN).eval
    assert load_recipe(ONEDAY).base_model != load_recipe(QWEN).base_model


def test_every_recipe_can_be_served() -> None:
    assert [folder.name for folder in RECIPES.iterdir() if not (folder / "serve.yaml").is_file()] == []


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_question_is_served_in_the_form_that_was_trained(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.serve.wrap is not None
    assert recipe.serve.wrap.preamble == recipe.data.preamble


def data_sets(path: Path) -> Iterator[DataSet]:
    """Every data set that a data file names, but those that a stage of the recipe makes."""
    data = load_data_config(path)
    mix = data.mix
    sets = [*mix.competition_rows, *(mix.decontaminate.eval_sets if mix.decontaminate is not None else [])]
    if data.translate is not None:
        yield data.translate.data
        sets += data.translate.competition_rows
    found = [source for source in mix.sources if isinstance(source, DataSet)]
    found += [held.data_set() for held in sets if isinstance(held, TableSet)]
    yield from (data_set for data_set in found if stage_input(data_set.path) is None)


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_hub_data_set_names_a_commit_or_says_that_it_moves(path: Path) -> None:
    for data_set in data_sets(path):
        if data_set.path.startswith("data/"):  # files that the user brings, which the recipe's README names
            assert data_set.revision is None
            continue
        assert HUB_ID.fullmatch(data_set.path)
        revision = data_set.revision
        assert revision is not None
        assert COMMIT.fullmatch(revision) or revision in ("main", "refs/convert/parquet")


def test_our_mix_is_checked_against_every_scenario_of_the_challenge() -> None:
    decontaminate = load_recipe(ONEDAY).data.mix.decontaminate
    assert decontaminate is not None
    names = " ".join(str(getattr(held, "name", "")) for held in decontaminate.eval_sets)
    for scenario in (
        *("mmlu", "truthful_qa", "big_bench", "gsm8k", "bbq"),
        *("cnn_dailymail", "sam_sum", "corr2cause", "math", "ethics"),
    ):
        assert scenario in names


def local_copies(folder: Path) -> dict[str, str]:
    """A file in the published columns for each source of the hub: real rows where there are some, else made up."""
    lines = (SAMPLES / "gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    maths = [json.loads(line) for line in lines]
    made = {
        "math_instruct": [
            {
                "source": "data/CoT/gsm_train.json",
                "instruction": row["question"],
                "output": row["answer"].replace("####", "The answer is:"),
            }
            for row in maths[:100]
        ],
        "lima": [
            {"conversations": [f"How do I cook dish number {n} of my book?", "Boil it well."], "source": "wikihow"}
            for n in range(20)
        ],
        "open_platypus": [
            {"instruction": f"What is {n} plus {n} in tens?", "input": "", "output": "It is.", "data_source": source}
            for n, source in enumerate(["airoboros", "leetcode_ne", "ARB", "reclor"] * 5)
        ],
    }
    for name, rows in made.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    real = {"openbookqa": "openbookqa/train.jsonl", "quac": "quac/quac_sample.json"}
    real["cnn_dailymail"] = "cnn_dailymail/train.jsonl"
    return {name: str(folder / f"{name}.jsonl") for name in made} | {
        name: str(SAMPLES / path) for name, path in real.items()
    }


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the real rows of OpenBookQA, QuAC, CNN/DailyMail and GSM8K")
@pytest.mark.parametrize("path", [SETS[0], ONEDAY / "data.yaml"], ids=lambda path: path.parent.name)
def test_the_mixture_is_made_from_local_copies_in_the_published_columns(
    path: Path, tmp_path: Path, tiny_model_dir: Path
) -> None:
    folder, run_dir, copies = tmp_path / "recipe", tmp_path / "run", local_copies(tmp_path)
    shutil.copytree(path.parent, folder)
    for name, change in ((path.name, data_from(copies)), ("train.yaml", {"base_model": str(tiny_model_dir)})):
        values = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        changed = change(values) if callable(change) else values | change
        (folder / name).write_text(yaml.safe_dump(changed), encoding="utf-8")
    text = "The row number {} is asked about its own number and nothing else at all."
    rows = [(build_prompt("", "Say it.", text.format(n)), text.format(n), str(n)) for n in range(30)]
    write_jsonl(
        run_dir / "04_sample/sampled.jsonl",
        [Example(question=q, answer="yes", source="sampled", task="t", id=id, input=i) for q, i, id in rows],
    )
    write_jsonl(run_dir / "01_collect/held_out.jsonl", [])
    data_prep.mix.run(load_recipe(folder / path.name), run_dir, run_dir / "05_mix")
    found = [row for name in ("train", "eval") for row in read_jsonl(run_dir / f"05_mix/{name}.jsonl", Example)]
    assert {row.source for row in found} == {"sampled", *copies}
    headed = {"sampled", "openbookqa", "quac", "cnn_dailymail"}
    for row in found:
        instruction, _, rest = row.question.partition("### Input:\n")
        assert instruction.startswith("### Instruction:\n") == (row.source in headed)
        assert rest.endswith("\n\n### Response:\n")
    assert {row.task for row in found if row.source == "open_platypus"} == {"ARB", "reclor"}


def data_from(copies: dict[str, str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Puts local files in place of the hub's data sets, and a small real test set in place of those of the hub."""

    def change(data: dict[str, Any]) -> dict[str, Any]:
        for source in data["mix"]["sources"]:
            if source["source"] in copies:
                source.pop("revision")
                source.pop("config", None)
                source["path"] = copies[source["source"]]
        if "decontaminate" in data["mix"]:
            held = {"source": "table", "name": "gsm8k", "fields": ["question"]}
            held["path"] = str(SAMPLES / "gsm8k/test.jsonl")
            data["mix"]["decontaminate"]["eval_sets"] = [held]
        return data

    return change
