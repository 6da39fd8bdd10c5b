"""The settings of `sample`, one model a rule."""

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, field_validator, model_validator

from oneday.config import Settings, chosen_by

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class BirbalExactMatch(Settings):
    """How many wrongly answered rows an exact-match task gives, by its tenth of accuracy ([0, 0.1) first).

    Only inputs of fewer than `below_words` words are taken; with `count_definition` the task's definition counts too.
    """

    take_by_accuracy: list[Count] = Field(min_length=10, max_length=10)
    factor: float = Field(gt=0)
    below_words: int = Field(ge=1)
    count_definition: bool


class BirbalGeneration(Settings):
    """Which share of a generation task's rows is kept, by their own score: `{0.0: 0.8, 0.2: 0.2}` keeps four fifths
    of the rows with a score below 0.2 and a fifth of the others.
    """

    keep_by_score: dict[float, Share]
    max_input_words: int = Field(ge=1)
    single_reference: bool

    @field_validator("keep_by_score")
    @classmethod
    def _ascending_from_zero(cls, shares: dict[float, float]) -> dict[float, float]:
        edges = list(shares)
        if not edges or edges[0] != 0 or edges != sorted(edges) or edges[-1] > 1:
            raise ValueError("the scores must ascend from 0.0 and be at most 1")
        return shares


class SampleBirbal(Settings):
    """Birbal's two rules, with their numbers."""

    rule: Literal["birbal"]
    exact_match: BirbalExactMatch
    generation: BirbalGeneration


class Budget(Settings):
    """How much to take in all: rows, or tokens of prompt and answer, counted by the base model's tokenizer."""

    rows: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.rows is None) == (self.tokens is None):
            raise ValueError("give either rows or tokens")
        return self


class CategoryLimits(Settings):
    """The least and the most of the budget that one category gets, as shares of it."""

    floor: Share
    cap: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor > self.cap:
            raise ValueError(f"the floor {self.floor} is above the cap {self.cap}")
        return self


class SampleWeighted(Settings):
    """Rows drawn with weight (1 - score) ** (1 / temperature), within a budget.

    A row is wrong if its score by the task's own metric is below 1. `graded` says how wrong: by that `metric` (0 or 1
    for exact match, ROUGE-L F for generation) or by `token_f1` (partly right answers weigh less, for both kinds). A
    category's part of the budget goes by the sum of its weights, within `categories`, or within its own entry of
    `category_limits`. `keep_right` is the share of the budget, and of a task's maximum, for rows that the model
    answers right, so that it does not forget them.
    """

    rule: Literal["weighted"]
    budget: Budget
    graded: Literal["metric", "token_f1"]
    temperature: float = Field(gt=0)
    keep_right: Share
    categories: CategoryLimits
    category_limits: dict[str, CategoryLimits] = Field(default_factory=dict)
    max_rows_per_task: int = Field(ge=1)
    max_input_words: int = Field(ge=1)
    single_reference: bool


class SampleUniform(Settings):
    """Rows drawn at random, whatever the model answered, the same number of every task within the budget.

    What a task with few rows cannot give goes to the others.
    """

    rule: Literal["uniform"]
    budget: Budget
    max_input_words: int = Field(ge=1)
    single_reference: bool


Sample = Annotated[
    Annotated[SampleBirbal, Tag("birbal")]
    | Annotated[SampleWeighted, Tag("weighted")]
    | Annotated[SampleUniform, Tag("uniform")],
    chosen_by("rule", "birbal", "weighted", "uniform"),
]
