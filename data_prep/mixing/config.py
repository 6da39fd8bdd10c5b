"""The settings of `mix`: what is clean, how much of it is used, and how it is written."""

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, field_validator, model_validator

from data_prep.mixing.language_codes import LANGUAGE_CODES, unknown_language
from data_prep.sampling.config import Budget
from data_prep.sources.mix_config import DataSet, MixSource, name_of
from oneday.config import Settings, chosen_by


class NearDuplicates(Settings):
    """Rows whose inputs differ in few words; of such a pair the first one stays.

    Two inputs of at least `min_words` words are near-duplicates if the share of words that need not be changed,
    added or taken away is `similarity` or more, and if no more than `max_changes` words need that: two questions about
    one long passage are none. Candidates come from MinHash over runs of `shingle_words` words, with
    so many `permutations` in so many `bands`: more bands find more. With `keep_other_answers` a row stays if its
    answer is another one: such a pair may be the contrast that is to be learnt.
    """

    similarity: float = Field(gt=0, le=1)
    max_changes: int = Field(ge=1)
    min_words: int = Field(ge=2)
    shingle_words: int = Field(ge=1)
    permutations: int = Field(ge=8, le=1024)
    bands: int = Field(ge=1)
    keep_other_answers: bool

    @model_validator(mode="after")
    def _whole_bands(self) -> Self:
        if self.permutations % self.bands:
            raise ValueError(f"bands must divide permutations ({self.permutations})")
        if self.shingle_words > self.min_words:
            raise ValueError("shingle_words is greater than min_words")
        return self


class HeldOutSet(Settings):
    """The rows that the stage collect set apart."""

    source: Literal["held_out"]


class HelmSet(Settings):
    """What HELM asks: the `instances.json` of its runs, all that lie below the folder `path`."""

    source: Literal["helm"]
    name: str = Field(min_length=1)
    path: str = Field(min_length=1)


class TableSet(Settings):
    """An evaluation set in a data set: the text of `fields`, joined, must not be trained on. See `DataSet`."""

    source: Literal["table"]
    name: str = Field(min_length=1)
    path: str = Field(min_length=1)
    revision: str | None = None
    config: str | None = None
    split: str = "test"
    fields: list[str] = Field(min_length=1)

    def data_set(self) -> DataSet:
        """Where the rows are."""
        return DataSet(name=self.name, path=self.path, revision=self.revision, config=self.config, split=self.split)


EvalSet = Annotated[
    Annotated[HeldOutSet, Tag("held_out")] | Annotated[HelmSet, Tag("helm")] | Annotated[TableSet, Tag("table")],
    chosen_by("source", "held_out", "helm", "table"),
]


class Decontaminate(Settings):
    """Rows that hold a part of an evaluation set are dropped. Case and punctuation do not count.

    An evaluation text is found by any run of `ngram` words that a row shares with it. A short text, of at most twice
    as many words, is found by any run of `short_ngram` words; one of at most twice `short_ngram` words also if all its
    words are there in their order, or all but one that is another word; one of fewer than `short_ngram` words only if
    it is the whole input. Instruction, input and answer of a row are read as one text.

    A run that more than `max_eval_rows` different evaluation texts hold is their template and counts for nothing. So
    does a text with one other word if more than so many evaluation texts are the same but for that word.
    """

    ngram: int = Field(ge=2)
    short_ngram: int = Field(ge=2)
    max_eval_rows: int = Field(ge=1)
    eval_sets: list[EvalSet] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.short_ngram > self.ngram:
            raise ValueError("short_ngram is greater than ngram")
        names = [eval_set_name(eval_set) for eval_set in self.eval_sets]
        if len(set(names)) < len(names):
            raise ValueError("two evaluation sets have the same name")
        return self


def eval_set_name(eval_set: EvalSet) -> str:
    """The evaluation set's name in the reports."""
    return "held_out" if isinstance(eval_set, HeldOutSet) else eval_set.name


class Language(Settings):
    """Rows in other languages are dropped. `keep` holds ISO 639-1 codes.

    Input and answer together are judged, if they have `min_words` words; a row goes if another language has at least
    `min_probability`.
    """

    keep: list[str] = Field(min_length=1)
    min_words: int = Field(ge=1)
    min_probability: float = Field(ge=0, le=1)

    @field_validator("keep")
    @classmethod
    def _known(cls, keep: list[str]) -> list[str]:
        for code in keep:
            if code not in LANGUAGE_CODES:
                raise ValueError(unknown_language(code))
        return keep


class PersonalData(Settings):
    """E-mail addresses and phone numbers become `email_as` and `phone_as`.

    Numbers without a country code are read as those of `phone_region` (ISO 3166, such as US); without it only
    international ones are found.
    """

    email_as: str
    phone_as: str
    phone_region: str | None = Field(default=None, pattern="^[A-Z]{2}$")


class Mix(Settings):
    """Everything about the training set. Lengths are counted in words of the input and tokens of prompt and answer.

    With `count_instruction` an instruction counts towards `max_input_words`; that of the sampled rows is in the rule of
    the stage sample.
    Exact duplicates are those with the same input, or the same whole question (prompt). Where a generation is cut at
    its first blank line, what follows one in an answer is learnt in vain: `blank_line_in_answer` says whether such a
    row is kept as it is, its blank lines become line ends (join), or it is dropped.
    """

    sources: list[MixSource] = Field(min_length=1)
    min_input_words: int = Field(ge=0, le=500)
    max_input_words: int = Field(ge=1)
    count_instruction: bool = False
    max_tokens: int | None = Field(default=None, ge=1)
    blank_line_in_answer: Literal["keep", "join", "drop"] = "keep"
    exact_duplicates: Literal["input", "question"]
    near_duplicates: NearDuplicates | None = None
    decontaminate: Decontaminate | None = None
    language: Language | None = None
    personal_data: PersonalData | None = None
    budget: Budget | None = None
    split_by: Literal["row", "task"] = "row"
    eval_share: float = Field(gt=0, lt=1)
    output: Literal["jsonl", "parquet"] = "jsonl"

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: list[MixSource]) -> list[MixSource]:
        names = [name_of(source) for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called '{twice[0]}'; give one a name")
        return sources

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_input_words > self.max_input_words:
            raise ValueError("min_input_words is greater than max_input_words")
        if self.budget is None and any("weight" in source.model_fields_set for source in self.sources):
            raise ValueError("a source's weight has an effect only with a budget: add budget, or remove weight")
        return self
