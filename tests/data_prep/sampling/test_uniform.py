"""The uniform rule: equal numbers of every task, blind to the scores, within the budget, every row counted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from data_prep.sampling.config import SampleUniform
from data_prep.sampling.rows import Choice, Floats, Integers, TaskRows
from data_prep.sampling.uniform import UniformRule
from oneday.records import TaskEntry


def task(
    name: str,
    scores: Sequence[float] | Floats,
    words: Sequence[int] | Integers | int = 5,
    references: Sequence[int] | Integers | int = 1,
    characters: Sequence[int] | Integers | int = 40,
) -> TaskRows:
    count = len(scores)
    entry = TaskEntry(
        task=name, rows=count, definition=["Say it."], categories=["Toy"], kind="exact_match", positive_examples=[]
    )
    return TaskRows(
        entry=entry,
        score=np.array(scores, dtype=np.float64),
        token_f1=np.array(scores, dtype=np.float64),
        input_words=np.broadcast_to(np.array(words, dtype=np.int64), count),
        references=np.broadcast_to(np.array(references, dtype=np.int64), count),
        characters=np.broadcast_to(np.array(characters, dtype=np.int64), count),
    )


def tokens_of(task: TaskRows, positions: Integers) -> Integers:
    """A toy's tokens: 3 a row and one for each four bytes."""
    return 3 + task.characters[positions] // 4


def choose(tasks: Sequence[TaskRows], seed: int = 0, **changes: Any) -> dict[str, Choice]:
    """The choices, after checking that every row is taken once or counted, and the budget kept."""
    values = {"rule": "uniform", "budget": {"rows": 30}, "max_input_words": 100, "single_reference": True} | changes
    config = SampleUniform.model_validate(values)
    choices = UniformRule(config, tokens_of).choose(tasks, seed)
    assert set(choices) == {task.name for task in tasks}
    for rows in tasks:
        choice = choices[rows.name]
        assert choice.taken.tolist() == sorted(set(choice.taken.tolist()))
        assert len(choice.taken) + choice.dropped.total() == len(rows)
        assert set(choice.dropped) == {"several_references", "input_too_long", "over_budget"}
        assert all(count >= 0 for count in choice.dropped.values())
    if config.budget.rows is not None:
        assert sum(len(choice.taken) for choice in choices.values()) <= config.budget.rows
    if config.budget.tokens is not None:
        assert spent(tasks, choices) <= config.budget.tokens
    return choices


def spent(tasks: Sequence[TaskRows], choices: dict[str, Choice]) -> int:
    return sum(int(tokens_of(rows, choices[rows.name].taken).sum()) for rows in tasks)


def numbers(choices: dict[str, Choice]) -> dict[str, int]:
    return {name: len(choice.taken) for name, choice in choices.items()}


def test_every_task_gives_the_same_number_however_large_it_is() -> None:
    tasks = [task("a", [0.0] * 500), task("b", [0.0] * 11), task("c", [0.0] * 40)]
    assert numbers(choose(tasks)) == {"a": 10, "b": 10, "c": 10}


def test_what_a_small_task_cannot_give_goes_to_the_others() -> None:
    tasks = [task("a", [0.0] * 500), task("b", [0.0] * 4), task("c", [0.0] * 40)]
    assert numbers(choose(tasks)) == {"a": 13, "b": 4, "c": 13}


def test_a_rest_goes_to_different_tasks_for_different_seeds() -> None:
    tasks = [task(name, [0.0] * 20) for name in "abc"]
    found = {tuple(numbers(choose(tasks, seed, budget={"rows": 10})).values()) for seed in range(40)}
    assert found == {(4, 3, 3), (3, 4, 3), (3, 3, 4)}


def test_a_budget_above_all_rows_takes_them_all() -> None:
    choices = choose([task("a", [0.0, 1.0]), task("b", [0.5] * 3)])
    assert numbers(choices) == {"a": 2, "b": 3}
    assert choices["a"].dropped.total() == 0


def test_right_and_wrong_rows_are_drawn_alike() -> None:
    """A sixth of 6,000 rows right; of 3,000 drawn, the share is within five standard errors of that."""
    rows = task("a", [1.0, 0.0, 0.0, 0.0, 0.0, 0.0] * 1000)
    right = (rows.score[choose([rows], budget={"rows": 3000})["a"].taken] == 1).sum()
    assert abs(right - 500) < 5 * np.sqrt(3000 * 5 / 36 / 2)


def test_the_choice_does_not_look_at_the_scores() -> None:
    wrong, right = task("a", [0.0] * 50), task("a", [1.0] * 50)
    assert choose([wrong])["a"].taken.tolist() == choose([right])["a"].taken.tolist()


@pytest.mark.parametrize(("single_reference", "several"), [(True, 2), (False, 0)])
def test_unusable_rows_are_counted_by_reason(single_reference: bool, several: int) -> None:
    rows = task("a", [0.0] * 6, words=[5, 101, 5, 101, 100, 5], references=[1, 1, 2, 2, 1, 1])
    choice = choose([rows], single_reference=single_reference)["a"]
    assert +choice.dropped == ({"several_references": 2, "input_too_long": 1} if several else {"input_too_long": 2})
    assert choice.taken.tolist() == ([0, 4, 5] if several else [0, 2, 4, 5])


def test_a_task_without_usable_rows_gives_none_and_the_others_fill_the_budget() -> None:
    choices = choose([task("a", [0.0] * 5, words=500), task("b", [0.0] * 60)])
    assert numbers(choices) == {"a": 0, "b": 30}


def test_the_same_seed_gives_the_same_rows_in_any_order_of_the_tasks() -> None:
    tasks = [task(name, [0.0] * 50) for name in "abc"]
    first, again, other = choose(tasks, 7), choose(tasks[::-1], 7), choose(tasks, 8)
    assert all(first[name].taken.tolist() == again[name].taken.tolist() for name in "abc")
    assert any(first[name].taken.tolist() != other[name].taken.tolist() for name in "abc")


def test_a_budget_of_tokens_is_filled_with_equal_numbers_of_short_and_long_tasks() -> None:
    tasks = [task("long", [0.0] * 400, characters=388), task("short", [0.0] * 400, characters=28)]
    choices = choose(tasks, budget={"tokens": 11_000})  # 100 and 10 tokens a row
    assert numbers(choices) == {"long": 100, "short": 100}
    assert spent(tasks, choices) == 11_000


def test_a_budget_of_tokens_is_kept_to_within_the_shortest_row() -> None:
    lengths = np.random.default_rng(5).integers(40, 900, 300)
    tasks = [task("a", [0.0] * 300, characters=lengths), task("b", [0.0] * 7, characters=lengths[:7])]
    assert 9_900 < spent(tasks, choose(tasks, budget={"tokens": 10_000})) <= 10_000


def test_a_budget_of_tokens_above_all_rows_takes_them_all() -> None:
    assert numbers(choose([task("a", [0.0] * 100), task("b", [])], budget={"tokens": 10**9})) == {"a": 100, "b": 0}


def test_the_rule_says_how_many_wrong_and_right_rows_it_took() -> None:
    assert choose([task("a", [0.0, 1.0, 0.5])])["a"].rule == "at random: 2 wrong, 1 right"


def test_no_tasks_give_no_choices() -> None:
    assert choose([]) == {}
    assert choose([], budget={"tokens": 10}) == {}


def test_a_budget_is_either_rows_or_tokens() -> None:
    for budget in ({}, {"rows": 1, "tokens": 1}):
        with pytest.raises(ValueError, match="give either rows or tokens"):
            choose([], budget=budget)
