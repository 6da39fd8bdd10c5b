"""Sample: Birbal's two rules, exact at every edge, with every row accounted for."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data_prep.config import SampleExactMatch, SampleGeneration
from data_prep.sample import run, sample_exact_match, sample_generation, tenth_of
from oneday.files import read_jsonl, write_json, write_jsonl
from oneday.records import Example, Instance, Kind, PositiveExample, Prediction, SampledTask, Task
from oneday.stage import Outcome

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

BIRBAL = [350, 350, 300, 300, 250, 250, 200, 150, 100, 50]
BIRBAL_SHARES = [0.8, 0.8, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 0.0]


def prediction(id: str, score: float | None, words: int = 5, references: int = 1, task: str = "toy") -> Prediction:
    answers = [f"answer {number}" for number in range(references)]
    return Prediction(
        task=task,
        id=id,
        orig_input=" ".join(["word"] * (words - 1) + [id]),
        few_shot_prompt="few",
        answer=answers,
        prediction="p",
        score=score,
    )


def exact_match_rows(right: int, total: int) -> list[Prediction]:
    return [prediction(f"r{number}", float(number < right)) for number in range(total)]


def exact_match_rule(table: list[int], factor: float = 1, max_input_words: int = 800) -> SampleExactMatch:
    return SampleExactMatch(take_by_accuracy=table, factor=factor, max_input_words=max_input_words)


def generation_rule(
    shares: list[float], single_reference: bool = True, max_input_words: int = 1100
) -> SampleGeneration:
    return SampleGeneration(keep_by_score=shares, max_input_words=max_input_words, single_reference=single_reference)


def taken(right: int, total: int, rule: SampleExactMatch) -> int:
    rows, _ = sample_exact_match(exact_match_rows(right, total), rule, random.Random(0), Counter())
    return len(rows)


@pytest.mark.parametrize("total", [10, 20, 30, 70, 90, 100])
@pytest.mark.parametrize("tenth", range(10))
def test_the_table_is_read_by_tenth_of_accuracy_at_every_edge(tenth: int, total: int) -> None:
    """The table takes 1 row for the tenth in question and none for any other."""
    rule = exact_match_rule([int(place == tenth) for place in range(10)])
    first = tenth * total // 10
    assert taken(first, total, rule) == 1
    assert taken((tenth + 1) * total // 10 - 1, total, rule) == (1 if (tenth + 1) * total // 10 > first else 0)
    if tenth > 0:
        assert taken(first - 1, total, rule) == 0
    if tenth < 9:
        assert taken((tenth + 1) * total // 10, total, rule) == 0


def test_a_task_that_is_all_right_gives_nothing() -> None:
    assert taken(10, 10, exact_match_rule([100] * 10)) == 0


def test_a_task_that_is_all_wrong_gives_its_first_quota() -> None:
    assert taken(0, 400, exact_match_rule(BIRBAL)) == 350


@pytest.mark.parametrize(("factor", "expected"), [(1, 250), (0.5, 125), (0.08, 20), (0.001, 0), (3, 500)])
def test_the_factor_scales_the_quota_up_to_what_there_is(factor: float, expected: int) -> None:
    assert taken(500, 1000, exact_match_rule(BIRBAL, factor)) == expected


def test_only_wrongly_answered_rows_are_taken() -> None:
    rows, rule = sample_exact_match(exact_match_rows(4, 10), exact_match_rule([100] * 10), random.Random(0), Counter())
    assert sorted(row.id for row in rows) == ["r4", "r5", "r6", "r7", "r8", "r9"]
    assert rule == "accuracy 4/10: up to 100 wrong rows"


def test_exact_match_takes_inputs_under_the_limit_only() -> None:
    rows = [prediction("short", 0.0, words=799), prediction("long", 0.0, words=800)]
    dropped: Counter[str] = Counter()
    kept, _ = sample_exact_match(rows, exact_match_rule(BIRBAL, max_input_words=800), random.Random(0), dropped)
    assert [row.id for row in kept] == ["short"]
    assert +dropped == {"input_too_long": 1}


def test_long_inputs_count_for_the_accuracy() -> None:
    rows = [prediction("a", 1.0, words=900), prediction("b", 0.0), prediction("c", 0.0)]
    kept, _ = sample_exact_match(rows, exact_match_rule([0, 0, 0, 2, 0, 0, 0, 0, 0, 0]), random.Random(0), Counter())
    assert len(kept) == 2


def test_several_references_are_no_reason_to_drop_an_exact_match_row() -> None:
    rows = [prediction("a", 0.0, references=3)]
    assert len(sample_exact_match(rows, exact_match_rule(BIRBAL), random.Random(0), Counter())[0]) == 1


@pytest.mark.parametrize("right", range(11))
def test_exact_match_counts_add_up(right: int) -> None:
    rows = [prediction(f"r{n}", float(n < right), words=5 if n % 3 else 900) for n in range(10)]
    dropped: Counter[str] = Counter()
    kept, _ = sample_exact_match(rows, exact_match_rule([3] * 10), random.Random(0), dropped)
    assert len(kept) + sum(dropped.values()) == 10
    assert dropped["answered_right"] == right


@pytest.mark.parametrize("tenth", range(11))
def test_a_score_at_an_edge_is_in_the_upper_tenth_however_it_was_computed(tenth: int) -> None:
    expected = min(tenth, 9)
    sums = sum([0.1] * tenth)
    assert [tenth_of(score) for score in (tenth / 10, 0.1 * tenth, 1 - (1 - tenth / 10), sums)] == [expected] * 4


@pytest.mark.parametrize("tenth", range(1, 11))
def test_a_score_just_below_an_edge_is_in_the_lower_tenth(tenth: int) -> None:
    assert tenth_of(tenth / 10 - 1e-6) == tenth - 1


def test_every_rouge_score_of_short_texts_is_in_its_exact_tenth() -> None:
    for prediction_words in range(1, 25):
        for reference_words in range(1, 25):
            for common in range(1, min(prediction_words, reference_words) + 1):
                precision, recall = common / prediction_words, common / reference_words
                f = 2 * precision * recall / (precision + recall)
                exact = min(20 * common // (prediction_words + reference_words), 9)
                assert tenth_of(f) == exact, (common, prediction_words, reference_words)


def generation_rows(score: float, number: int = 10) -> list[Prediction]:
    return [prediction(f"r{n}", score) for n in range(number)]


@pytest.mark.parametrize(
    ("score", "kept"),
    [(0.0, 80), (0.19, 80), (0.2, 20), (0.1 + 0.2, 20), (0.6, 20), (0.1 * 7, 20), (0.79, 20), (0.8, 0), (1.0, 0)],
)
def test_the_share_kept_depends_on_the_score(score: float, kept: int) -> None:
    rule = generation_rule(BIRBAL_SHARES)
    rows, _ = sample_generation(generation_rows(score, 100), rule, random.Random(0), Counter())
    assert len(rows) == kept


def test_each_tenth_gives_its_own_share() -> None:
    rows = [prediction(f"{tenth}-{n}", tenth / 10) for tenth in range(10) for n in range(10)]
    kept, rule = sample_generation(rows, generation_rule(BIRBAL_SHARES), random.Random(0), Counter())
    assert Counter(row.id[0] for row in kept) == {"0": 8, "1": 8, "2": 2, "3": 2, "4": 2, "5": 2, "6": 2, "7": 2}
    assert rule.startswith("8/10 of ROUGE-L 0.0+, 8/10 of ROUGE-L 0.1+, 2/10 of ROUGE-L 0.2+")


def test_generation_takes_inputs_up_to_the_limit() -> None:
    rows = [prediction("short", 0.0, words=1100), prediction("long", 0.0, words=1101)]
    dropped: Counter[str] = Counter()
    kept, _ = sample_generation(rows, generation_rule([1.0] * 10), random.Random(0), dropped)
    assert [row.id for row in kept] == ["short"]
    assert +dropped == {"input_too_long": 1}


@pytest.mark.parametrize(("single_reference", "kept"), [(True, ["one"]), (False, ["one", "two"])])
def test_rows_with_several_references_are_dropped_if_the_recipe_says_so(
    single_reference: bool, kept: list[str]
) -> None:
    rows = [prediction("one", 0.0), prediction("two", 0.0, references=2)]
    dropped: Counter[str] = Counter()
    found, _ = sample_generation(rows, generation_rule([1.0] * 10, single_reference), random.Random(0), dropped)
    assert sorted(row.id for row in found) == kept
    assert dropped["several_references"] == 2 - len(kept)


def test_a_generation_task_without_usable_rows_gives_none() -> None:
    rows = [prediction("two", 0.0, references=2)]
    assert sample_generation(rows, generation_rule([1.0] * 10), random.Random(0), Counter()) == ([], "no usable rows")


@pytest.mark.parametrize("seed", range(3))
def test_generation_counts_add_up(seed: int) -> None:
    draw = random.Random(seed)
    rows = [prediction(f"r{n}", draw.random(), draw.choice([5, 2000]), draw.choice([1, 2])) for n in range(60)]
    dropped: Counter[str] = Counter()
    kept, _ = sample_generation(rows, generation_rule(BIRBAL_SHARES), random.Random(0), dropped)
    assert len(kept) + sum(dropped.values()) == 60
    assert all(dropped[reason] for reason in ("several_references", "input_too_long", "not_sampled"))


@pytest.mark.parametrize("kind", ["exact_match", "generation"])
def test_equal_seeds_take_equal_rows_and_other_seeds_do_not(kind: Kind) -> None:
    rows = [prediction(f"r{number}", 0.5) for number in range(100)]

    def ids(seed: int) -> list[str]:
        rng = random.Random(seed)
        if kind == "exact_match":
            kept, _ = sample_exact_match(rows, exact_match_rule([20] * 10), rng, Counter())
        else:
            kept, _ = sample_generation(rows, generation_rule(BIRBAL_SHARES), rng, Counter())
        return sorted(row.id for row in kept)

    assert len(ids(0)) == 20
    assert ids(0) == ids(0)
    assert ids(0) != ids(1)


def toy_task(kind: Kind, rows: list[Prediction]) -> Task:
    return Task(
        definition=["Say it."],
        categories=["Toy"],
        kind=kind,
        positive_examples=[PositiveExample(input="shown", output="shown answer")],
        instances=[Instance(id=row.id, input=row.orig_input, output=row.answer) for row in rows],
        source=["the toy set"],
    )


def sampled(
    recipe: "RecipeFolder", run_dir: Path, out: Path, tasks: dict[str, tuple[Kind, list[Prediction]]]
) -> Outcome:
    for name, (kind, rows) in tasks.items():
        write_json(run_dir / "01_collect" / "tasks" / f"{name}.json", toy_task(kind, rows).model_dump(by_alias=True))
    write_jsonl(run_dir / "03_score" / "scored.jsonl", [row for _, rows in tasks.values() for row in rows])
    return run(recipe.load(), run_dir, out)


def two_tasks() -> dict[str, tuple[Kind, list[Prediction]]]:
    choice = [prediction(f"c{n}", float(n % 2), task="choice") for n in range(40)]
    text = [prediction(f"t{n}", n / 40, references=1 + (n % 8 == 0), task="text") for n in range(40)]
    return {"text": ("generation", text), "choice": ("exact_match", choice)}


def test_an_example_is_the_zero_shot_prompt_and_the_first_reference(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", preamble="Below.", sample__exact_match__factor=1)
    row = prediction("a", 0.0, words=2, references=2)
    sampled(recipe, tmp_path, tmp_path / "out", {"toy": ("exact_match", [row])})
    assert read_jsonl(tmp_path / "out" / "sampled.jsonl", Example) == [
        Example(
            question="Below.\n\n### Instruction:\nSay it.\n\n### Input:\nword a\n\n### Response:\n",
            answer="answer 0",
            source="the toy set",
            task="toy",
            id="a",
            input="word a",
        )
    ]


def test_available_rows_are_those_taken_and_each_drop(recipe: "RecipeFolder", tmp_path: Path) -> None:
    outcome = sampled(recipe, tmp_path, tmp_path / "out", two_tasks())
    examples = read_jsonl(tmp_path / "out" / "sampled.jsonl", Example)
    assert outcome.counts == {"scored": 80, "taken": len(examples)}
    assert outcome.counts["taken"] + sum(outcome.dropped.values()) == 80
    assert outcome.dropped["answered_right"] == 20
    assert outcome.dropped["several_references"] == 5


def test_the_summary_says_what_was_taken_of_each_task(recipe: "RecipeFolder", tmp_path: Path) -> None:
    sampled(recipe, tmp_path, tmp_path / "out", two_tasks())
    examples = Counter(example.task for example in read_jsonl(tmp_path / "out" / "sampled.jsonl", Example))
    content = json.loads((tmp_path / "out" / "tasks.json").read_text(encoding="utf-8"))
    choice, text = (SampledTask.model_validate(entry) for entry in content)
    assert (choice.task, choice.score, choice.available, choice.wrong) == ("choice", 0.5, 40, 20)
    assert (text.task, text.available, text.wrong) == ("text", 40, 40)
    assert text.score == pytest.approx(sum(range(40)) / 40 / 40)
    assert {choice.task: choice.taken, text.task: text.taken} == dict(examples)


def test_equal_recipes_give_equal_bytes_and_another_seed_other_rows(recipe: "RecipeFolder", tmp_path: Path) -> None:
    recipe.edit("data.yaml", sample__exact_match__factor=0.04)
    for name in ("one", "two"):
        sampled(recipe, tmp_path, tmp_path / name, two_tasks())
    recipe.edit("data.yaml", seed=1)
    sampled(recipe, tmp_path, tmp_path / "three", two_tasks())
    one, two, three = ((tmp_path / name / "sampled.jsonl").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_a_task_does_not_depend_on_the_tasks_beside_it(recipe: "RecipeFolder", tmp_path: Path) -> None:
    tasks = two_tasks()
    sampled(recipe, tmp_path / "both", tmp_path / "both" / "out", tasks)
    sampled(recipe, tmp_path / "one", tmp_path / "one" / "out", {"text": tasks["text"]})
    both, one = (read_jsonl(tmp_path / name / "out" / "sampled.jsonl", Example) for name in ("both", "one"))
    assert [example for example in both if example.task == "text"] == one


def test_a_row_without_a_score_is_an_error(recipe: "RecipeFolder", tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the prediction toy/a has no score; run the stage 'score' again"):
        sampled(recipe, tmp_path, tmp_path / "out", {"toy": ("generation", [prediction("a", None)])})
