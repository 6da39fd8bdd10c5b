"""Mix of published data alone: contradictions, competition rows, caps, test rows, subsets, rows of earlier stages."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from data_prep.mix import STAGE, Execution, main, run
from data_prep.mixing.eval_sets import read_compared
from data_prep.mixing.output import SCHEMA
from data_prep.mixing.plan import check_local, locate, source_fingerprints
from data_prep.mixing.records import Manifest
from data_prep.mixing.rules import rules_in_words
from data_prep.same_input import normalised
from oneday.buzuzu_mavi import entailment_input
from oneday.files import read_json, read_jsonl, sha256_json
from oneday.records import Example
from oneday.stage import Outcome, StageError, execute
from tests.data_prep.sources.tables_written import write_rows
from tests.data_prep.translating.toys import translate_settings

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

SAMPLING = ("collect", "predict", "score", "sample")
FIELDS = {"question_answer": {"question": "q", "answer": "a"}, "task_column": "t", "licence": "none"}
ZINDI = """
models: [untuned]
decoding: {label_answers: generate, normalise: none, max_new_tokens: {label: 15, translation: 100}, beams: 4,
           repetition_penalty: 1.0, batch_size: 8}
parameter_size: 400000000
bootstrap: {resamples: 100, confidence: 0.95, seed: 1}
"""
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _published_data_alone(recipe: "RecipeFolder", tiny_model_dir: Path) -> None:
    """A recipe that samples nothing; a fifth of the rows for evaluation, a tenth for the test."""
    recipe.use_model(tiny_model_dir)
    recipe.remove("data.yaml", *SAMPLING)
    (recipe.path / "eval.yaml").unlink()
    (recipe.path / "zindi.yaml").write_text(ZINDI, encoding="utf-8")
    recipe.edit("data.yaml", mix__min_input_words=1, mix__eval_share=0.2, mix__test_share=0.1)


def write_table(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def source(path: Path, rows: Rows, **changes: Any) -> dict[str, Any]:
    """A source of rows that are written to `path`."""
    write_table(path, rows)
    return {"source": "table", "name": path.stem, "path": str(path), **FIELDS} | changes


def rows(count: int, word: str = "row", task: str = "mood", answer: str = "yes") -> Rows:
    return [{"q": f"{word} number {n}", "a": answer, "t": task} for n in range(count)]


def mixed(recipe: "RecipeFolder", run_dir: Path, *sources: dict[str, Any], **changes: Any) -> Outcome:
    recipe.edit("data.yaml", mix__sources=list(sources), **{f"mix__{name}": value for name, value in changes.items()})
    return run(recipe.load(), run_dir, run_dir / "05_mix", Execution(workers=1))


def written(run_dir: Path, *names: str) -> list[Example]:
    return [row for name in names for row in read_jsonl(run_dir / f"05_mix/{name}.jsonl", Example)]


def all_rows(run_dir: Path) -> list[Example]:
    return written(run_dir, "train", "eval", "test")


def manifest_of(run_dir: Path) -> Manifest:
    return read_json(run_dir / "05_mix/manifest.json", Manifest)


def test_three_files_have_every_row_once_and_the_shares_of_the_recipe(recipe: "RecipeFolder", tmp_path: Path) -> None:
    outcome = mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", rows(40)))
    assert [len(written(tmp_path, name)) for name in ("train", "eval", "test")] == [28, 8, 4]
    assert len({row.input for row in all_rows(tmp_path)}) == 40
    assert {name: outcome.counts[name] for name in ("train", "eval", "test")} == {"train": 28, "eval": 8, "test": 4}
    (result,) = manifest_of(tmp_path).sources
    assert (result.train, result.eval, result.test, result.read) == (28, 8, 4, 40)
    (task,) = result.tasks
    assert (task.task, task.rows, task.train, task.eval, task.test) == ("mood", 40, 28, 8, 4)


def test_a_test_share_takes_rows_from_training_alone(recipe: "RecipeFolder", tmp_path: Path) -> None:
    mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", rows(40)))
    loaded = recipe.load()
    mix = loaded.data.mix.model_copy(update={"test_share": 0.0})
    untested = replace(loaded, data_settings=loaded.data.model_copy(update={"mix": mix}))
    run(untested, tmp_path / "other", tmp_path / "other/05_mix", Execution(workers=1))
    assert not (tmp_path / "other/05_mix/test.jsonl").exists()
    assert written(tmp_path / "other", "eval") == written(tmp_path, "eval")
    assert written(tmp_path / "other", "train") == written(tmp_path, "test", "train")


def test_an_input_with_several_answers_loses_all_its_rows_in_all_sources(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    first = [*rows(20), {"q": "a b", "a": "yes", "t": "mood"}, {"q": "a b", "a": "yes", "t": "mood"}]
    second = [*rows(20, "other"), {"q": " a b\n", "a": "no", "t": "mood"}, {"q": "c d", "a": "no", "t": "free"}]
    third = [*rows(20, "third"), {"q": "c d", "a": "yes", "t": "mood"}]
    sources = [source(tmp_path / f"{n}.jsonl", own) for n, own in enumerate((first, second, third))]
    outcome = mixed(recipe, tmp_path, *sources, one_answer_tasks=["mood"])
    assert outcome.dropped == {"contradictory_answers": 3, "duplicate_input": 1}
    assert "a b" not in {row.input.strip() for row in all_rows(tmp_path)}
    manifest = manifest_of(tmp_path)
    assert [result.dropped.get("contradictory_answers", 0) for result in manifest.sources] == [2, 1, 0]
    (shown,) = manifest.contradictions
    assert (shown.task, shown.input) == ("mood", "a b")
    assert [(given.source, given.answer) for given in shown.answers] == [("0", "yes"), ("1", "no")]
    left = {row.input for row in all_rows(tmp_path)}
    recipe.edit("data.yaml", mix__sources=sources[::-1])
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert {row.input for row in all_rows(tmp_path)} == left


def test_contradictions_are_looked_for_where_whole_questions_are_compared(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    one = source(tmp_path / "one.jsonl", [*rows(20), {"q": "a b", "a": "yes", "t": "mood"}], instruction="Say.")
    two = source(tmp_path / "two.jsonl", [*rows(20), {"q": "a b", "a": "no", "t": "mood"}], instruction="Tell.")
    outcome = mixed(recipe, tmp_path, one, two, one_answer_tasks=["mood"], exact_duplicates="question")
    assert outcome.dropped == {"contradictory_answers": 2}


def test_variants_of_an_input_contradict_each_other(recipe: "RecipeFolder", tmp_path: Path) -> None:
    variants = ["Na  GODE\u0301 da", "na god\u00e9 da\n", "na gode da", "na gode da."]
    data = [{"q": text, "a": answer, "t": "mood"} for text, answer in zip(variants, "ynyn", strict=True)]
    outcome = mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", rows(20) + data), one_answer_tasks=["mood"])
    assert outcome.dropped == {"contradictory_answers": 2}
    assert {row.input for row in all_rows(tmp_path)} >= set(variants[2:])


@pytest.mark.parametrize(("test_share", "sizes"), [(0.1, [112, 32, 16]), (0.0, [128, 32])])
def test_an_input_asked_in_several_ways_is_in_one_part_where_the_recipe_splits_by_input(
    recipe: "RecipeFolder", tmp_path: Path, test_share: float, sizes: list[int]
) -> None:
    loud = [{**row, "q": f" {row['q'].upper()}"} for row in rows(40)]
    sources = [
        source(tmp_path / f"{n}.jsonl", own, instruction=f"Say {n}.")
        for n, own in enumerate((rows(40), loud, rows(40), rows(40)))
    ]
    if not test_share:
        (recipe.path / "zindi.yaml").unlink()  # it would score the rows of the test
    together = {"split_by": "input", "exact_duplicates": "question", "test_share": test_share}
    mixed(recipe, tmp_path, *sources, **together)
    parts = [written(tmp_path, name) for name in ("train", "eval", "test")[: len(sizes)]]
    assert [len(part) for part in parts] == sizes
    inputs = [{normalised(row.input) for row in part} for part in parts]
    assert sum(map(len, inputs)) == len(set.union(*inputs)) == 40
    mixed(recipe, tmp_path, *sources, **together | {"split_by": "row"})
    assert {row.input for row in written(tmp_path, "train")} & {row.input for row in written(tmp_path, "eval")}


def test_the_rows_of_a_premise_are_in_one_part_where_the_recipe_splits_by_input(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    answers = ("entailment", "neutral", "contradiction")
    data = [
        {"q": entailment_input(f"Cat {number} is asleep.", f"It is {answer} {number}."), "a": answer, "t": "follows"}
        for number in range(40)
        for answer in answers
    ]
    mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", data), split_by="input", test_share=0.1)
    parts = [written(tmp_path, name) for name in ("train", "eval", "test")]
    assert [len(part) for part in parts] == [84, 24, 12]
    premises = [{row.input.splitlines()[0] for row in part} for part in parts]
    assert [len(own) for own in premises] == [28, 8, 4]
    assert len(set.union(*premises)) == 40


def test_a_task_that_no_row_has_is_an_error(recipe: "RecipeFolder", tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"no clean row is of the task 'modo'; tasks there: mood"):
        mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", rows(40)), one_answer_tasks=["modo"])


def competition(path: Path, name: str, fields: list[str], *texts: dict[str, str]) -> dict[str, Any]:
    return {"source": "table", "name": name, "path": str(write_table(path, list(texts))), "fields": fields}


def test_rows_of_a_competition_go_and_are_counted_by_set(recipe: "RecipeFolder", tmp_path: Path) -> None:
    pair = {"q": entailment_input("A cat sleeps.", "It is tired."), "a": "neutral", "t": "follows"}
    data = [*rows(30), {"q": "Caf\u00e9 is  GOOD", "a": "yes", "t": "mood"}, pair]
    moods = competition(tmp_path / "m.jsonl", "moods", ["inputs"], {"inputs": "cafe\u0301 is good"}, {"inputs": "x"})
    pairs = competition(tmp_path / "p.jsonl", "pairs", ["inputs"], {"inputs": "it is tired.", "premise": "y"})
    outcome = mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", data), competition_rows=[moods, pairs])
    assert outcome.dropped == {"competition_row": 2}
    found = {one.name: (one.rows, one.hit, one.dropped) for one in manifest_of(tmp_path).competition_sets}
    assert found == {"moods": (2, 1, 1), "pairs": (1, 1, 1)}
    assert len(all_rows(tmp_path)) == 30


def test_rows_of_a_competition_are_part_of_the_settings(recipe: "RecipeFolder", tmp_path: Path) -> None:
    moods = competition(tmp_path / "m.jsonl", "moods", ["inputs"], {"inputs": "row number 3"})
    recipe.edit("data.yaml", mix__sources=[source(tmp_path / "a.jsonl", rows(40))], mix__competition_rows=[moods])
    before = STAGE.settings(recipe.load())["competition_rows"]
    write_table(tmp_path / "m.jsonl", [{"inputs": "row number 4"}])
    after = STAGE.settings(recipe.load())["competition_rows"]
    assert set(before) == set(after) == {"moods"}
    assert before != after


def test_a_second_run_in_the_same_process_looks_for_its_own_competition_rows(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    table = source(tmp_path / "a.jsonl", rows(40))
    for number in (3, 7):
        moods = competition(tmp_path / "m.jsonl", "moods", ["inputs"], {"inputs": f"row number {number}"})
        mixed(recipe, tmp_path, table, competition_rows=[moods])
        assert {row.input for row in all_rows(tmp_path)} == {row["q"] for row in rows(40)} - {f"row number {number}"}


def test_a_cap_on_each_answer_and_a_joint_cap_are_counted_apart(recipe: "RecipeFolder", tmp_path: Path) -> None:
    first = source(tmp_path / "a.jsonl", [*rows(30), *rows(5, "b", answer="no")], max_rows_per_answer=10)
    second, third = (
        source(tmp_path / "b.jsonl", rows(25, "c")),
        source(tmp_path / "c.jsonl", rows(25, "d"), max_rows=20),
    )
    outcome = mixed(
        recipe,
        tmp_path,
        first,
        second,
        third,
        joint_caps=[{"sources": ["b", "c"], "max_rows": 30}],
        budget={"rows": 40},
    )
    assert outcome.dropped == {"over_answer_cap": 20, "over_source_cap": 5, "over_joint_cap": 15, "over_budget": 5}
    capped = {row.id for row in all_rows(tmp_path) if row.source == "a" and row.answer == "yes"}
    assert capped and capped <= {f"a-{number}" for number in range(1, 11)}
    assert len(all_rows(tmp_path)) == 40


def test_a_subset_is_also_in_files_of_its_own(recipe: "RecipeFolder", tmp_path: Path) -> None:
    sources = [source(tmp_path / f"{name}.jsonl", rows(40, name)) for name in ("a", "b", "c")]
    mixed(recipe, tmp_path, *sources, subsets={"most": ["c", "a"]})
    for name in ("train", "eval", "test"):
        whole = written(tmp_path, name)
        assert written(tmp_path, f"{name}-most") == [row for row in whole if row.source in ("a", "c")]
        assert len(whole) > len(written(tmp_path, f"{name}-most"))
    files = {file.name: (file.subset, file.rows) for file in manifest_of(tmp_path).files}
    assert list(files) == [f"{name}{end}.jsonl" for end in ("", "-most") for name in ("train", "eval", "test")]
    assert files["test-most.jsonl"] == ("most", len(written(tmp_path, "test-most")))


def test_parquet_files_of_subsets_hold_the_same_rows(recipe: "RecipeFolder", tmp_path: Path) -> None:
    import polars as pl

    sources = [source(tmp_path / f"{name}.jsonl", rows(40, name)) for name in ("a", "b")]
    mixed(recipe, tmp_path, *sources, subsets={"second": ["b"]})
    recipe.edit("data.yaml", mix__output="parquet")
    run(recipe.load(), tmp_path, tmp_path / "parquet", Execution(workers=1))
    for name in ("test", "train-second", "test-second"):
        lines = pl.read_ndjson(tmp_path / f"05_mix/{name}.jsonl", schema=SCHEMA)
        assert pl.read_parquet(tmp_path / f"parquet/{name}.parquet").to_dicts() == lines.to_dicts()


def test_a_subset_without_rows_leaves_no_file(recipe: "RecipeFolder", tmp_path: Path) -> None:
    few = source(tmp_path / "few.jsonl", rows(1, "few"))
    with pytest.raises(StageError, match=r"mix\.subsets\.few has no row in"):
        mixed(recipe, tmp_path, source(tmp_path / "a.jsonl", rows(40)), few, subsets={"few": ["few"]})
    assert not list((tmp_path / "05_mix").glob("*.jsonl"))


def below(recipe: "RecipeFolder", **changes: Any) -> None:
    """Make the rows of an earlier stage the only source."""
    table = {"source": "table", "name": "t", "path": "RUN/04a_translate/rows.jsonl", **FIELDS}
    translate = translate_settings(Path("sw.jsonl"), "facebook/nllb-200-3.3B")
    recipe.edit("data.yaml", translate=translate, mix__sources=[table | changes])


def test_rows_that_an_earlier_stage_wrote_are_read_below_the_run_folder(recipe: "RecipeFolder", tmp_path: Path) -> None:
    below(recipe)
    write_table(tmp_path / "04a_translate/rows.jsonl", rows(40))
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert len(all_rows(tmp_path)) == 40
    (result,) = manifest_of(tmp_path).sources
    assert result.path == "RUN/04a_translate/rows.jsonl"
    assert str(tmp_path) not in (tmp_path / "05_mix/manifest.json").read_text(encoding="utf-8").replace(
        recipe.load().base_model, ""
    )


def test_rows_of_an_earlier_stage_are_an_input_and_no_fingerprint(recipe: "RecipeFolder", tmp_path: Path) -> None:
    below(recipe)
    assert STAGE.inputs_for(recipe.load()) == ("04a_translate/rows.jsonl",)
    assert source_fingerprints(recipe.load().data.mix) == {}
    with pytest.raises(StageError, match="run the stage 'translate' first"):
        execute(STAGE, recipe.load(), tmp_path)


def test_rows_of_an_earlier_stage_are_checked_once_they_are_there(recipe: "RecipeFolder", tmp_path: Path) -> None:
    below(recipe)
    mix = recipe.load().data.mix
    check_local(mix, tmp_path)
    write_table(tmp_path / "04a_translate/rows.jsonl", [{"prompt": "x"}])
    with pytest.raises(ValueError, match=r"mix\.sources: t: .*no column q"):
        check_local(mix, tmp_path)


def test_the_command_mixes_published_data_and_says_what_it_would_read(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = source(tmp_path / "a.jsonl", rows(40), max_rows_per_answer=30)
    recipe.edit("data.yaml", mix__sources=[table])
    arguments = [str(recipe.path), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--dry-run"]) == 0
    assert "the first 30 rows of each answer" in capsys.readouterr().out
    assert main([*arguments, "--workers", "1"]) == 0
    assert "test 3" in capsys.readouterr().out
    assert (tmp_path / "run/05_mix/test.jsonl").is_file()


def test_no_rule_speaks_of_held_out_rows_where_there_are_none(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", mix__sources=[source(tmp_path / "a.jsonl", rows(40))])
    rules = " ".join(rules_in_words(recipe.load().data.mix))
    assert "No rows are held out before the mix." in rules
    assert "held out for the final evaluation" not in rules


def test_translated_rows_are_published_as_what_they_are(recipe: "RecipeFolder", tmp_path: Path) -> None:
    pairs = [{"premise": f"p {n}", "hypothesis": f"h {n}", "label": 0, "id": f"train-{n}"} for n in range(40)]
    write_table(tmp_path / "04a_translate/translated.jsonl", pairs)
    path = "RUN/04a_translate/translated.jsonl"
    hausa = {"source": "xnli", "path": path, "language": "hausa", "instruction": "Follows?"}
    translate = translate_settings(Path("sw.jsonl"), "facebook/nllb-200-3.3B")
    recipe.edit("data.yaml", translate=translate, mix__sources=[hausa])
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    (result,) = manifest_of(tmp_path).sources
    assert "facebook/nllb-200-3.3B" in result.licence
    assert result.remark.startswith("Machine-translated from swh_Latn to hau_Latn by facebook/nllb-200-3.3B; nobody")
    assert result.origin.endswith("facebook/xnli, machine-translated by facebook/nllb-200-3.3B")
    card, page = ((tmp_path / "05_mix" / name).read_text(encoding="utf-8") for name in ("README.md", "report.html"))
    assert f"machine-translated by facebook/nllb-200-3.3B, read from `{path}` |" in card
    assert f"machine-translated by facebook/nllb-200-3.3B, read from {path}</td>" in page
    before = STAGE.settings(recipe.load())
    recipe.edit("data.yaml", translate__model="facebook/nllb-200-1.3B")
    assert before["translated_by"] == "facebook/nllb-200-3.3B"
    assert STAGE.settings(recipe.load())["translated_by"] == "facebook/nllb-200-1.3B"


def test_a_split_of_the_hub_is_downloaded_once_for_all_that_read_it(recipe: "RecipeFolder", tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    downloads = tmp_path / "05_mix/work/downloads"
    path = downloads / sha256_json(["some/rows", None, "train", commit])[:16] / "train.parquet"
    write_rows(path, rows(40))
    hub = {"path": "some/rows", "revision": commit, "split": "train", "source": "table"}
    sources = [hub | FIELDS | {"name": name} for name in ("a", "b")]
    theirs = hub | {"name": "theirs", "fields": ["t"]}
    decontaminate = {"ngram": 13, "short_ngram": 8, "max_eval_rows": 10, "eval_sets": [theirs]}
    recipe.edit("data.yaml", mix__sources=sources, mix__competition_rows=[theirs], mix__decontaminate=decontaminate)
    mix = recipe.load().data.mix
    found = locate(mix, tmp_path, downloads.parent)
    assert {source.resolved.files for source in found} == {(path.resolve(),)}
    compared = read_compared(mix, tmp_path, downloads.parent)
    assert len(compared.eval_rows) == len(compared.competition_rows) == 40
