"""Mix: only clean rows, none of them held out, split as the recipe says; the same bytes whoever does the work."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from data_prep import mix as mix_module
from data_prep.mix import STAGE, Execution, main, run
from data_prep.mixing import executor
from data_prep.mixing.part import make_part
from data_prep.mixing.records import TOKEN_EDGES, Manifest
from data_prep.same_input import normalised
from oneday.config import ConfigError
from oneday.files import read_json, read_jsonl, write_jsonl
from oneday.records import Example, HeldOut
from oneday.stage import Outcome, StageError, execute

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

HELD_OUT = HeldOut(task="toy", id="toy-0", input="Who wrote\nHamlet ?", output=["Shakespeare"])
FIELDS = {"question_answer": {"question": "q", "answer": "a"}}
NEAR = {
    "similarity": 0.9,
    "max_changes": 5,
    "min_words": 20,
    "shingle_words": 2,
    "permutations": 128,
    "bands": 32,
    "keep_other_answers": True,
}
LONG = " ".join(f"word{n}" for n in range(40))


def example(id: str, text: str, task: str = "toy", answer: str = "a") -> Example:
    return Example(question=f"Q {text}", answer=answer, source="s", task=task, id=id, input=text)


@pytest.fixture(autouse=True)
def _tiny_model(recipe: "RecipeFolder", tiny_model_dir: Path) -> None:
    recipe.use_model(tiny_model_dir)


def mixed(recipe: "RecipeFolder", run_dir: Path, *rows: Example, out: str = "05_mix", workers: int = 1) -> Outcome:
    """Run the stage on sampled rows; the toy's first row is held out."""
    write_jsonl(run_dir / "04_sample" / "sampled.jsonl", rows)
    write_jsonl(run_dir / "01_collect" / "held_out.jsonl", [HELD_OUT])
    return run(recipe.load(), run_dir, run_dir / out, Execution(workers=workers))


def numbered(count: int, first: int = 1) -> list[Example]:
    return [example(f"toy-{n}", f"this is row number {n}") for n in range(first, first + count)]


def ids(run_dir: Path, out: str = "05_mix") -> set[str]:
    return {row.id for name in ("train", "eval") for row in read_jsonl(run_dir / out / f"{name}.jsonl", Example)}


def manifest_of(run_dir: Path, out: str = "05_mix") -> Manifest:
    return read_json(run_dir / out / "manifest.json", Manifest)


def table(path: Path, rows: list[dict[str, Any]] | str, **changes: Any) -> dict[str, Any]:
    """A source of rows that are written to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return {"source": "table", "name": path.stem, "path": str(path), "licence": "none", **FIELDS} | changes


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(example("x", "two words"), "input_too_short", id="too short"),
        pytest.param(example("x", "one two three four five six seven"), "input_too_long", id="too long"),
        pytest.param(example("x", "this is kept"), "duplicate_input", id="duplicate"),
        pytest.param(example("x", "this is kept", task="other", answer="b"), "duplicate_input", id="of another task"),
        pytest.param(example("toy-0", "another text altogether"), "held_out", id="held out by id"),
        pytest.param(example("x", "Who wrote\nHamlet ?", task="other"), "held_out", id="held out by text"),
        pytest.param(example("x", "  WHO wrote   hamlet\t? "), "held_out", id="held out in other case and space"),
        pytest.param(example("x", " \n "), "empty_input", id="empty input"),
        pytest.param(example("x", "an empty answer", answer=" \n"), "empty_answer", id="empty answer"),
        pytest.param(example("x", "a long answer", answer="a" * 2**19), "text_too_long", id="half a megabyte"),
    ],
)
def test_each_reason_drops_a_row(recipe: "RecipeFolder", tmp_path: Path, row: Example, reason: str) -> None:
    recipe.edit("data.yaml", mix__min_input_words=3, mix__max_input_words=6)
    rows = [example("first", "this is kept"), *numbered(20)]
    outcome = mixed(recipe, tmp_path, *rows, row)
    assert outcome.dropped == {reason: 1}
    assert ids(tmp_path) == {row.id for row in rows}


@pytest.mark.parametrize("text", ["one two three", "one two three four five six"])
def test_rows_of_just_the_least_and_greatest_length_are_kept(recipe: "RecipeFolder", tmp_path: Path, text: str) -> None:
    recipe.edit("data.yaml", mix__min_input_words=3, mix__max_input_words=6)
    assert mixed(recipe, tmp_path, example("x", text), *numbered(20)).dropped == {}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([example("a", "one two three"), example("b", "One two three")], id="other case"),
        pytest.param([example("toy-0", "one two three", task="other")], id="held-out id of another task"),
        pytest.param(
            [example("toy-0", "one two three"), example("a", "one two three")], id="the first of two is dropped"
        ),
    ],
)
def test_a_row_that_only_looks_like_another_is_kept(
    recipe: "RecipeFolder", tmp_path: Path, rows: list[Example]
) -> None:
    recipe.edit("data.yaml", mix__min_input_words=3)
    mixed(recipe, tmp_path, *rows, *numbered(20))
    assert ids(tmp_path) >= {row.id for row in rows if (row.task, row.id) != ("toy", "toy-0")}


def test_rows_with_equal_inputs_but_other_questions_are_kept_where_the_recipe_compares_questions(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    same = [example("a", "one two three four five"), example("b", "one two three four five")]
    rows = [same[0], same[1].model_copy(update={"question": "Another question"}), *numbered(20)]
    recipe.edit("data.yaml", mix__exact_duplicates="question")
    assert mixed(recipe, tmp_path, *rows).dropped == {}
    assert ids(tmp_path) >= {"a", "b"}


def test_normalised_text_has_no_case_and_no_odd_white_space() -> None:
    assert normalised("\tWho  WROTE\u00a0it\n") == "who wrote it"


@pytest.mark.parametrize(("share", "for_eval"), [(0.05, 2), (0.1, 4), (0.5, 20), (0.97, 38)])
def test_the_split_has_the_share_of_the_recipe(
    recipe: "RecipeFolder", tmp_path: Path, share: float, for_eval: int
) -> None:
    recipe.edit("data.yaml", mix__eval_share=share)
    outcome = mixed(recipe, tmp_path, *numbered(40, first=0))
    assert {name: outcome.counts[name] for name in ("read", "train", "eval")} == {
        "read": 40,
        "train": 39 - for_eval,
        "eval": for_eval,
    }
    assert outcome.dropped == {"held_out": 1}
    assert ids(tmp_path) == {f"toy-{n}" for n in range(1, 40)}


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(recipe: "RecipeFolder", tmp_path: Path) -> None:
    mixed(recipe, tmp_path, *numbered(40), out="one")
    mixed(recipe, tmp_path, *numbered(40), out="two")
    recipe.edit("data.yaml", seed=43)
    mixed(recipe, tmp_path, *numbered(40), out="three")
    for name in ("train.jsonl", "eval.jsonl"):
        one, two, three = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two", "three"))
        assert one == two
        assert one != three


def test_a_split_with_an_empty_file_is_an_error_and_leaves_no_file(recipe: "RecipeFolder", tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"4 rows with mix.eval_share 0.05"):
        mixed(recipe, tmp_path, *numbered(4))
    assert not list((tmp_path / "05_mix").glob("*.jsonl"))


def mixture(tmp_path: Path) -> list[dict[str, Any]]:
    """Sampled rows, a table with near-duplicates, and one with every kind of bad row."""
    near = [{"q": f"{LONG} number{n} {' '.join(['tail' + str(n)] * 20)}", "a": "yes"} for n in range(30)]
    near += [{"q": row["q"].replace("word3 ", "other "), "a": "yes"} for row in near[:5]]
    near += [{"q": row["q"].replace("word3 ", "another "), "a": "no"} for row in near[:5]]
    bad = [
        '{"q": "a whole row with a question", "a": "and an answer"}',
        '{"a": "an answer without its question"}',
        '{"q": 7, "a": "a number for a question"}',
        '{"q": "a question with an empty answer", "a": "  "}',
        '{"q": "a question with no answer at all", "a": null}',
        '{"q": "half of a surrogate pair \\ud800 is no text", "a": "x"}',
        '{"q": "half of a surrogate pair", "a": "\\udfff"}',
        json.dumps({"q": "a megabyte in one field", "a": "x" * 2**20}),
        '{"q": "half a line',
        "[1, 2]",
    ]
    return [
        {"source": "sampled"},
        table(tmp_path / "data" / "near.jsonl", near),
        table(tmp_path / "data" / "bad.jsonl", "\n".join(bad) + "\n"),
    ]


BAD_REASONS = {
    "empty_answer": 1,
    "lone_surrogate": 2,
    "missing_field": 2,
    "not_json": 1,
    "text_too_long": 1,
    "wrong_type": 2,
}


def test_every_bad_row_is_dropped_by_a_named_reason_and_the_counts_add_up(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path), mix__near_duplicates=NEAR)
    outcome = mixed(recipe, tmp_path, *numbered(40, first=0))
    manifest = manifest_of(tmp_path)
    sources = {source.name: source for source in manifest.sources}
    assert sources["bad"].dropped == BAD_REASONS
    assert sources["near"].dropped == {"near_duplicate": 5}
    for source in manifest.sources:
        assert source.read == source.train + source.eval + sum(source.dropped.values())
        assert sum(task.rows for task in source.tasks) == source.train + source.eval == sum(source.token_histogram)
        assert sum(task.tokens for task in source.tasks) == source.tokens
        assert len(source.token_histogram) == len(TOKEN_EDGES)
    assert outcome.counts["read"] == sum(source.read for source in manifest.sources) == 40 + 40 + 10
    assert outcome.counts["read"] == outcome.counts["train"] + outcome.counts["eval"] + sum(outcome.dropped.values())
    assert [file.rows for file in manifest.files] == [outcome.counts["train"], outcome.counts["eval"]]
    assert {pair.similarity for pair in manifest.near_duplicates} == {60 / 61}
    assert not (tmp_path / "05_mix" / "work").exists()


def test_a_row_of_a_table_is_trained_with_the_prompt_of_the_project(recipe: "RecipeFolder", tmp_path: Path) -> None:
    rows = [{"q": f" question number {n} of this table\n", "a": f" answer {n} "} for n in range(20)]
    source = table(tmp_path / "mine.jsonl", rows, instruction="Answer.")
    recipe.edit("data.yaml", mix__sources=[source], preamble="Preamble.")
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    written = {
        row.id: row for name in ("train", "eval") for row in read_jsonl(tmp_path / f"05_mix/{name}.jsonl", Example)
    }
    row = written["mine-1"]
    assert row.question == (
        "Preamble.\n\n### Instruction:\nAnswer.\n\n### Input:\nquestion number 0 of this table\n\n### Response:\n"
    )
    assert (row.answer, row.source) == ("answer 0", "mine")


def test_an_unknown_column_is_an_error_that_lists_the_columns_found(recipe: "RecipeFolder", tmp_path: Path) -> None:
    source = table(tmp_path / "mine.jsonl", [{"prompt": "a b c d e", "reply": "x"}])
    recipe.edit("data.yaml", mix__sources=[source])
    with pytest.raises(ValueError, match=r"mix\.sources: mine: .*prompt.*reply"):
        run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert not list((tmp_path / "05_mix").rglob("train*"))


def test_a_source_of_which_nothing_can_be_used_is_an_error_that_says_why(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    good = table(tmp_path / "good.jsonl", [{"q": f"a question with number {n}", "a": "x"} for n in range(20)])
    bad = table(tmp_path / "bad.jsonl", [{"q": "too short", "a": "x"}] * 3)
    recipe.edit("data.yaml", mix__sources=[good, bad])
    with pytest.raises(StageError, match=r"mix\.sources: bad: none of its 3 rows can be used \(3 input too short\)"):
        run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))


def test_a_file_with_a_header_alone_is_an_error_that_names_it(recipe: "RecipeFolder", tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("q,a\n", encoding="utf-8")
    source = {"source": "table", "name": "empty", "path": str(tmp_path / "empty.csv"), "licence": "none", **FIELDS}
    recipe.edit("data.yaml", mix__sources=[source])
    with pytest.raises((StageError, ValueError), match=r"mix\.sources: empty: .*(none of its 0 rows|no rows)"):
        run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))


@pytest.mark.parametrize(
    ("setting", "answers", "dropped"),
    [
        ("keep", {"one\n \n\ntwo", "x"}, {}),
        ("join", {"one\ntwo", "x"}, {}),
        ("drop", {"x"}, {"blank_line_in_answer": 1}),
    ],
)
def test_blank_lines_in_answers_stay_or_go_as_the_recipe_says(
    recipe: "RecipeFolder", tmp_path: Path, setting: str, answers: set[str], dropped: dict[str, int]
) -> None:
    rows = [{"q": f"a question with number {n}", "a": "x"} for n in range(20)]
    rows.append({"q": "the question with blank lines", "a": "one\n \n\ntwo"})
    recipe.edit(
        "data.yaml", mix__sources=[table(tmp_path / "mine.jsonl", rows)], mix__blank_line_in_answer=setting, seed=1
    )
    assert run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1)).dropped == dropped
    files = [tmp_path / f"05_mix/{name}.jsonl" for name in ("train", "eval")]
    assert {row.answer for file in files for row in read_jsonl(file, Example)} == answers


def test_a_weight_without_a_budget_is_a_fault_of_the_recipe(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", mix__sources=[{"source": "sampled", "weight": 2}])
    with pytest.raises(ConfigError, match="a source's weight has an effect only with a budget"):
        recipe.load()


def test_a_chunk_without_a_clean_row_is_no_fault(recipe: "RecipeFolder", tmp_path: Path) -> None:
    table(tmp_path / "test.jsonl", [{"question": " ".join(f"eval{place}" for place in range(30))}])
    sets = [{"source": "table", "name": "toy_test", "path": str(tmp_path / "test.jsonl"), "fields": ["question"]}]
    leak = table(tmp_path / "leak.jsonl", [{"q": " ".join(f"eval{place}" for place in range(20)), "a": "x"}])
    short = table(tmp_path / "some.jsonl", [{"q": f"a question with number {n}", "a": "x"} for n in range(20)])
    (tmp_path / "parts").mkdir()
    for name, count in (("one", 1), ("two", 6)):
        rows = [{"q": " ".join(["word"] * count * 2 + [str(n)]), "a": "x"} for n in range(4)]
        table(tmp_path / "parts" / f"{name}.jsonl", rows)
    parts = {"source": "table", "name": "parts", "path": str(tmp_path / "parts"), "licence": "none", **FIELDS}
    recipe.edit(
        "data.yaml",
        mix__sources=[leak, short, parts],
        mix__near_duplicates=NEAR,
        mix__decontaminate={"ngram": 13, "short_ngram": 8, "max_eval_rows": 5, "eval_sets": sets},
    )
    outcome = run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert outcome.dropped == {"contaminated": 1, "input_too_short": 4}


def test_rows_that_hold_an_evaluation_text_are_dropped_and_reported(recipe: "RecipeFolder", tmp_path: Path) -> None:
    evaluation = [{"question": " ".join(f"eval{n}w{place}" for place in range(30))} for n in range(10)]
    table(tmp_path / "test.jsonl", evaluation)
    rows = [{"q": f"before {evaluation[0]['question'].upper()} after", "a": "x"}]
    rows += [{"q": f"a clean question number {n} of many", "a": "x"} for n in range(20)]
    sets = [{"source": "table", "name": "toy_test", "path": str(tmp_path / "test.jsonl"), "fields": ["question"]}]
    recipe.edit(
        "data.yaml",
        mix__sources=[table(tmp_path / "mine.jsonl", rows)],
        mix__decontaminate={"ngram": 13, "short_ngram": 8, "max_eval_rows": 5, "eval_sets": sets},
    )
    outcome = run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert outcome.dropped == {"contaminated": 1}
    (found,) = manifest_of(tmp_path).eval_sets
    assert (found.name, found.rows, found.unchecked, found.hit, found.dropped) == ("toy_test", 10, 0, 1, 1)
    (shown,) = found.examples
    assert shown.shared in evaluation[0]["question"]
    assert shown.shared.split()[0].startswith("eval0")


def test_held_out_rows_are_looked_for_inside_longer_inputs_where_the_recipe_names_them(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    rows = [example("x", "So then: who wrote hamlet, do you know?"), *numbered(20)]
    write_jsonl(tmp_path / "01_collect" / "held_out.jsonl", [HELD_OUT])
    recipe.edit(
        "data.yaml",
        mix__decontaminate={"ngram": 3, "short_ngram": 3, "max_eval_rows": 5, "eval_sets": [{"source": "held_out"}]},
    )
    assert mixed(recipe, tmp_path, *rows).dropped == {"contaminated": 1}


def test_other_languages_and_personal_data_go(recipe: "RecipeFolder", tmp_path: Path) -> None:
    english = "This is a plain English sentence about the weather in the north of the country"
    rows = [{"q": f"{english} {n}", "a": "Write to jane.doe@example.org please"} for n in range(20)]
    rows += [{"q": "Dies ist ein deutscher Satz, der vom Wetter im Norden handelt", "a": "Es regnet dort sehr viel"}]
    recipe.edit(
        "data.yaml",
        mix__sources=[table(tmp_path / "mine.jsonl", rows)],
        mix__language={"keep": ["en"], "min_words": 8, "min_probability": 0.5},
        mix__personal_data={"email_as": "[email]", "phone_as": "[phone]"},
    )
    outcome = run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert outcome.dropped == {"other_language": 1}
    answers = {row.answer for row in read_jsonl(tmp_path / "05_mix/train.jsonl", Example)}
    assert answers == {"Write to [email] please"}


def test_rows_with_too_many_tokens_go(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", mix__max_tokens=60)
    long = example("x", "five words are in this", answer="z" * 80)
    assert mixed(recipe, tmp_path, *numbered(20), long).dropped == {"too_many_tokens": 1}


def test_a_token_budget_counts_every_row_and_is_not_exceeded(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", mix__budget={"tokens": 1000})
    outcome = mixed(recipe, tmp_path, *numbered(200))
    manifest = manifest_of(tmp_path)
    assert manifest.tokens_counted == "every row"
    assert 950 < outcome.counts["tokens"] <= 1000
    assert set(outcome.dropped) == {"over_budget"}


def test_parquet_holds_the_same_rows_as_json_lines(recipe: "RecipeFolder", tmp_path: Path) -> None:
    mixed(recipe, tmp_path, *numbered(40))
    recipe.edit("data.yaml", mix__output="parquet")
    mixed(recipe, tmp_path, *numbered(40), out="parquet")
    for name in ("train", "eval"):
        rows = pl.read_ndjson(tmp_path / f"05_mix/{name}.jsonl").to_dicts()
        assert pl.read_parquet(tmp_path / f"parquet/{name}.parquet").to_dicts() == rows


def test_the_number_of_processes_changes_no_byte(
    recipe: "RecipeFolder", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path), mix__near_duplicates=NEAR)
    mixed(recipe, tmp_path, *numbered(40), out="one", workers=1)
    mixed(recipe, tmp_path, *numbered(40), out="two", workers=2)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"train.jsonl", "eval.jsonl", "manifest.json", "README.md", "report.html"}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_killed_run_goes_on_with_the_parts_that_are_there(
    recipe: "RecipeFolder", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path), mix__near_duplicates=NEAR)
    mixed(recipe, tmp_path, *numbered(40), out="whole")
    stage = replace(STAGE, inputs=(), run=lambda *args: run(*args, Execution(workers=1)))
    made: list[int] = []

    def stopped(context: Any, job: Any) -> Any:
        made.append(job.number)
        if len(made) == 2:
            raise KeyboardInterrupt
        return make_part(context, job)

    monkeypatch.setattr(executor, "make_part", stopped)
    with pytest.raises(KeyboardInterrupt):
        execute(stage, recipe.load(), tmp_path)
    first = (tmp_path / "05_mix/work/parts/000000/part.json").stat().st_mtime_ns
    seen: list[int] = []

    def noted(context: Any, job: Any) -> Any:
        path = context.parts / job.folder / "part.json"
        if path.is_file():
            seen.append(path.stat().st_mtime_ns)
        return make_part(context, job)

    monkeypatch.setattr(executor, "make_part", noted)
    report = execute(stage, recipe.load(), tmp_path)
    assert report.resumed
    assert seen == [first]
    for name in ("train.jsonl", "eval.jsonl", "manifest.json"):
        assert (tmp_path / "05_mix" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def stopped_after_the_parts(recipe: "RecipeFolder", run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that has made its parts and nothing else; the folder of the parts."""
    with monkeypatch.context() as patched:
        patched.setattr(mix_module, "load_rows", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(recipe.load(), run_dir, run_dir / "05_mix", Execution(workers=1))
    return run_dir / "05_mix/work/parts"


@pytest.mark.parametrize("file", ["lines.jsonl", "rows.parquet", "near/bands.npy", "part.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_part_that_is_not_whole_is_made_again(
    recipe: "RecipeFolder", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, damage: str
) -> None:
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path), mix__near_duplicates=NEAR)
    mixed(recipe, tmp_path, *numbered(40), out="whole")
    path = stopped_after_the_parts(recipe, tmp_path, monkeypatch) / "000001" / file
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    for name in ("train.jsonl", "manifest.json"):
        assert (tmp_path / "05_mix" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_part_of_other_data_is_made_again(
    recipe: "RecipeFolder", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"q": f"a question with number {n}", "a": "x"} for n in range(20)]
    recipe.edit("data.yaml", mix__sources=[table(tmp_path / "mine.jsonl", rows)])
    stopped_after_the_parts(recipe, tmp_path, monkeypatch)
    table(tmp_path / "mine.jsonl", [row | {"a": "y"} for row in rows])
    run(recipe.load(), tmp_path, tmp_path / "05_mix", Execution(workers=1))
    assert {row.answer for row in read_jsonl(tmp_path / "05_mix/train.jsonl", Example)} == {"y"}


def test_a_tokenizer_that_cannot_be_loaded_is_told_before_any_work(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.use_model(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"train\.yaml: base_model: the tokenizer of .*nothing cannot be loaded"):
        mixed(recipe, tmp_path, *numbered(20))
    assert not (tmp_path / "05_mix").exists()


def test_a_budget_below_every_row_is_an_error_that_names_it(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", mix__budget={"tokens": 3})
    with pytest.raises(StageError, match=r"no row is left of 20 \(20 over budget\); look at the settings"):
        mixed(recipe, tmp_path, *numbered(20))


def test_a_second_run_in_the_same_process_looks_for_its_own_evaluation_sets(
    recipe: "RecipeFolder", tmp_path: Path
) -> None:
    config: dict[str, Any] = {"ngram": 4, "short_ngram": 4, "max_eval_rows": 5}
    texts = [" ".join(f"{letter}{number}" for letter in "abcdef") for number in range(9)]
    for number in (3, 7):
        table(tmp_path / "test.jsonl", [{"question": texts[number]}])
        sets = [{"source": "table", "name": "toy", "path": str(tmp_path / "test.jsonl"), "fields": ["question"]}]
        recipe.edit("data.yaml", mix__decontaminate=config | {"eval_sets": sets}, mix__eval_share=0.2)
        mixed(recipe, tmp_path, *(example(f"toy-{n}", text) for n, text in enumerate(texts, start=1)))
        assert ids(tmp_path) == {f"toy-{n}" for n in range(1, 10)} - {f"toy-{number + 1}"}


@pytest.mark.slow
def test_two_workers_of_a_ray_cluster_give_the_same_bytes(recipe: "RecipeFolder", tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path), mix__near_duplicates=NEAR)
    mixed(recipe, tmp_path, *numbered(40), out="here")
    run(recipe.load(), tmp_path, tmp_path / "ray", Execution(ray="local"))
    for name in ("train.jsonl", "eval.jsonl", "manifest.json", "README.md"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes(), name


@pytest.mark.slow
def test_a_file_that_a_worker_of_the_cluster_cannot_read_is_named(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    rows = pl.DataFrame({"q": [f"a question with number {n}" for n in range(50)], "a": "x"})
    rows.write_parquet(tmp_path / "rows.parquet", compression="uncompressed")
    spoilt = bytearray((tmp_path / "rows.parquet").read_bytes())
    spoilt[4:60] = bytes(56)
    (tmp_path / "rows.parquet").write_bytes(spoilt)
    source = {"source": "table", "name": "rows", "path": str(tmp_path / "rows.parquet"), "licence": "none", **FIELDS}
    recipe.edit("data.yaml", mix__sources=[source])
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--ray", "local"]) == 1
    assert "rows.parquet" in capsys.readouterr().err


def test_the_command_says_what_it_would_read(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.edit("data.yaml", mix__sources=mixture(tmp_path))
    assert main([str(recipe.path), "--out", str(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "near.jsonl" in said
    assert "rows of the stage sample" in said
