"""The settings of `mix`: what is clean, how much of it is used, and how it is written."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Tag, field_validator, model_validator

from data_prep.mixing.language_codes import LANGUAGE_CODES, unknown_language
from data_prep.sampling.config import Budget
from data_prep.sources.mix_config import DataSet, MixSource, Sampled, name_of
from oneday.config import Settings, chosen_by
from oneday.run_paths import checked


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
    path: Annotated[str, AfterValidator(checked)] = Field(min_length=1)
    revision: str | None = None
    config: str | None = None
    split: str = "test"
    fields: list[str] = Field(min_length=1)

    def data_set(self) -> DataSet:
        """Where the rows are."""
        return DataSet(name=self.name, path=self.path, revision=self.revision, config=self.config, split=self.split)


ALL_ROWS = "default"  # as the dataset card calls them
SubsetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
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


class JointCap(Settings):
    """At most `max_rows` rows of several sources together, drawn as if they were one."""

    sources: list[str] = Field(min_length=2)
    max_rows: int = Field(ge=1)


class Mix(Settings):
    """Everything about the training set. Lengths are counted in words of the input and tokens of prompt and answer.

    With `count_instruction` an instruction counts towards `max_input_words`; that of the sampled rows is in the rule of
    the stage sample.
    Exact duplicates are those with the same input, or the same whole question (prompt). Where a generation is cut at
    its first blank line, what follows one in an answer is learnt in vain: `blank_line_in_answer` says whether such a
    row is kept as it is, its blank lines become line ends (join), or it is dropped.
    An input of one of the `one_answer_tasks` has one right answer: where there are several, all its rows go. A row
    goes for `competition_rows` if its input is that of a row of these sets; an input of two sentences (Sentence A,
    Sentence B) also if it is the second one alone, or both without these names. In both, and for `split_by: input`,
    two inputs that differ in case and white space alone are the same one.
    Beside the rows for training, `eval_share` are for the loss during training and `test_share` for the evaluation
    afterwards: single rows, all rows of an input (of whatever source) or whole tasks, as `split_by` says. Rows by rows,
    an input that is asked in several ways may be trained on and tested. By inputs, all rows with one Sentence A stay
    together too: data sets ask of a premise for each answer in turn, so that the answers to two give the third away.
    `subsets` are named lists of sources; the rows of each are also written by themselves, as train-NAME, eval-NAME and
    test-NAME.
    """

    sources: list[MixSource] = Field(min_length=1)
    min_input_words: int = Field(ge=0, le=500)
    max_input_words: int = Field(ge=1)
    count_instruction: bool = False
    max_tokens: int | None = Field(default=None, ge=1)
    blank_line_in_answer: Literal["keep", "join", "drop"] = "keep"
    exact_duplicates: Literal["input", "question"]
    one_answer_tasks: list[str] = Field(default=[])
    competition_rows: list[TableSet] = Field(default=[])
    near_duplicates: NearDuplicates | None = None
    decontaminate: Decontaminate | None = None
    language: Language | None = None
    personal_data: PersonalData | None = None
    joint_caps: list[JointCap] = Field(default=[])
    budget: Budget | None = None
    split_by: Literal["row", "input", "task"] = "row"
    eval_share: float = Field(gt=0, lt=1)
    test_share: float = Field(default=0, ge=0, lt=1)
    subsets: dict[SubsetName, list[str]] = Field(default={})
    output: Literal["jsonl", "parquet"] = "jsonl"

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: list[MixSource]) -> list[MixSource]:
        names = [name_of(source) for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called '{twice[0]}'; give one a name")
        return sources

    @field_validator("competition_rows")
    @classmethod
    def _unique_sets(cls, sets: list[TableSet]) -> list[TableSet]:
        names = [table.name for table in sets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sets are called '{twice[0]}'; give one another name")
        return sets

    @property
    def eval_sets(self) -> list[EvalSet]:
        """The sets that the rows are compared with word by word."""
        return [] if self.decontaminate is None else self.decontaminate.eval_sets

    @property
    def reads_held_out(self) -> bool:
        """Whether there are rows that the stage collect held out."""
        held_out = any(isinstance(eval_set, HeldOutSet) for eval_set in self.eval_sets)
        return held_out or any(isinstance(source, Sampled) for source in self.sources)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_input_words > self.max_input_words:
            raise ValueError("min_input_words is greater than max_input_words")
        if self.eval_share + self.test_share >= 1:
            raise ValueError("eval_share and test_share together leave nothing to train on; they must be below 1")
        names = {name_of(source) for source in self.sources}
        for place, listed in [*((f"subsets.{name}", own) for name, own in self.subsets.items())] + [
            (f"joint_caps.{number}.sources", cap.sources) for number, cap in enumerate(self.joint_caps)
        ]:
            unknown = [name for name in listed if name not in names]
            if unknown or not listed or len(set(listed)) < len(listed):
                wrong = f"there is no source {unknown[0]}" if unknown else "it is empty or names a source twice"
                raise ValueError(f"{place}: {wrong}; allowed: {', '.join(sorted(names))}")
        if ALL_ROWS in self.subsets:
            raise ValueError(f"subsets.{ALL_ROWS}: so the rows of all sources are called; give it another name")
        if self.budget is None and any("weight" in source.model_fields_set for source in self.sources):
            raise ValueError("a source's weight has an effect only with a budget: add budget, or remove weight")
        return self
