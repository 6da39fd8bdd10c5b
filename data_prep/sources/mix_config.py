"""The settings of `mix.sources`, one model a source of training rows."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Tag, field_validator, model_validator

from oneday.buzuzu_mavi import LANGUAGE_NAMES, Language
from oneday.config import Settings, chosen_by
from oneday.run_paths import checked

Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Quota(Settings):
    """What of a source is used, after everything that is not clean is gone.

    `weight` is its part of mix.budget, relative to the other sources. Without a budget all of it is used: of each
    answer the first `max_rows_per_answer`, in the order of the file; of these up to `max_rows` and `max_tokens`, drawn
    at random. `name` is its name in the data and the reports (default: the source).
    """

    name: str | None = Field(default=None, min_length=1)
    weight: float = Field(default=1, gt=0)
    max_rows: int | None = Field(default=None, ge=1)
    max_rows_per_answer: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)


class Sampled(Quota):
    """The rows of the stage sample: Natural Instructions, or what else `collect` reads."""

    source: Literal["sampled"]


class DataSet(Quota):
    """A data set: a hub id with its `revision`, or a local file or folder of Parquet, JSON (Lines), CSV or TSV files.

    `config` is the hub's name of a part of the data set. `split` also chooses among local files named after splits;
    several are joined by a plus sign, as train+validation. A path that starts with `RUN/` is below
    the run folder, as RUN/04a_translate/translated.jsonl.
    """

    path: Annotated[str, AfterValidator(checked)] = Field(min_length=1)
    revision: str | None = None
    config: str | None = None
    split: str = Field(default="train", min_length=1)

    @field_validator("split")
    @classmethod
    def _named_splits(cls, split: str) -> str:
        if not all(split.split("+")):
            raise ValueError("a plus sign joins two splits, as in train+validation")
        return split


class InOneLanguage(DataSet):
    """A data set with a config a language (hau), or a pair of languages (en-hau); `language` is that of the tasks."""

    language: Language

    @model_validator(mode="after")
    def _language_of_the_config(self) -> Self:
        parts = (self.config or "").lower().split("-")
        named = {part: LANGUAGE_NAMES[part] for part in parts if part in LANGUAGE_NAMES}
        other = [part for part, language in named.items() if language != self.language]
        if other:
            found = named[other[0]].title()
            raise ValueError(f"config {self.config} is {found}, but language is {self.language}; change one of them")
        return self


class Lima(DataSet):
    """LIMA: the first question and answer of each conversation."""

    source: Literal["lima"]


class OpenPlatypus(DataSet):
    """Open-Platypus without the rows whose `data_source` is named in `exclude_data_sources`."""

    source: Literal["open_platypus"]
    exclude_data_sources: list[str]


class OpenBookQA(DataSet):
    """OpenBookQA: the question and its options; the answer is the right option's text, as Birbal's, or its letter."""

    source: Literal["openbookqa"]
    instruction: str = Field(min_length=1)
    answer: Literal["text", "letter"] = "text"


class QuAC(DataSet):
    """QuAC: the passage, up to `history` earlier questions with their answers, and the question."""

    source: Literal["quac"]
    instruction: str = Field(min_length=1)
    history: int = Field(ge=0)
    unanswerable: Literal["keep", "drop"]


class CnnDailyMail(DataSet):
    """CNN/DailyMail: an article and its highlights."""

    source: Literal["cnn_dailymail"]
    instruction: str = Field(min_length=1)


class MathInstruct(DataSet):
    """MathInstruct: the rows of the `subsets` (such as gsm_train) that reason in words.

    `lower_case_share` of the questions are lower-cased, as in Birbal's data.
    """

    source: Literal["math_instruct"]
    subsets: list[str] = Field(min_length=1)
    lower_case_share: float = Field(ge=0, le=1)


class InkubaInstruct(DataSet):
    """Inkuba-Instruct: the rows of one task in one language.

    A sentiment row that has no instruction gets one of the `instructions`, by its text: each as often, and the same
    for a row that is there twice. In those of the others, each text that `replace` names becomes the other one. A
    translation row gets the one instruction in place of its own. Of the `data_sources`, such as wmt22 (all, if they are
    left out), the share `draw` of the rows is used; a row's text decides whether it is.
    """

    source: Literal["inkuba_instruct"]
    task: Literal["sentiment", "translation"]
    language: Language
    instructions: list[Text] = Field(min_length=1)
    replace: dict[Text, str] = Field(default={})
    data_sources: list[Text] | None = Field(default=None, min_length=1)
    draw: Share = 1

    @model_validator(mode="after")
    def _instructions_of_the_task(self) -> Self:
        if self.task == "translation" and len(self.instructions) > 1:
            raise ValueError("instructions: translation has exactly one, which takes the place of the rows' own")
        if self.task == "translation" and self.replace:
            raise ValueError("replace has an effect only on sentiment; remove it")
        return self


class AfriSenti(InOneLanguage):
    """AfriSenti: tweets and their sentiment.

    A tweet gets one of the `instructions`, by its text: each as often, and the same for a tweet that is there twice.
    """

    source: Literal["afrisenti"]
    instructions: list[Text] = Field(min_length=1)


class Xnli(InOneLanguage):
    """XNLI, or AfriXNLI as its `edition`: whether a sentence follows from another.

    Both have the same rows; the edition decides which licence and origin are published.
    """

    source: Literal["xnli"]
    edition: Literal["xnli", "afrixnli"] = "xnli"
    instruction: Text

    @model_validator(mode="after")
    def _as_the_path_says(self) -> Self:
        if self.config == "all_languages":
            raise ValueError("config: all_languages has every language in one row; name one language, as sw")
        if "afrixnli" in self.path.lower() and self.edition != "afrixnli":
            raise ValueError("edition: the path names AfriXNLI; add edition: afrixnli")
        return self


class Mafand(InOneLanguage):
    """MAFAND: news in English, to be translated."""

    source: Literal["mafand"]
    instruction: Text


class Wmt22African(InOneLanguage):
    """WMT22 African: English sentences of web pages, to be translated.

    Those with a score of at least `min_laser_score` count; of them the share `draw` is used, by a row's text.
    """

    source: Literal["wmt22_african"]
    instruction: Text
    min_laser_score: float | None = None
    draw: Share = 1


class Ntrex(DataSet):
    """NTREX-128: news in English, to be translated."""

    source: Literal["ntrex"]
    language: Language
    instruction: Text


class QuestionFields(Settings):
    """The columns of a table of questions and answers."""

    question: str
    answer: str


class InstructionFields(Settings):
    """The columns of a table of instructions; `input` may be left out."""

    instruction: str
    input: str | None = None
    output: str


class MessageFields(Settings):
    """A column of chat messages; each has a role and a content under these names.

    The first turn of the user and the assistant's answer to it are used; a system message before them is the
    instruction.
    """

    messages: str
    role: str = "role"
    content: str = "content"
    user: str = "user"
    assistant: str = "assistant"
    system: str = "system"


class Table(DataSet):
    """Any data set with named columns: exactly one of `question_answer`, `instruction_output`, `chat`.

    `instruction` is put before every row that has none of its own. `task_column` names the column with the task of
    a row, `id_column` that with its id. `licence` is stated by you, and `origin`, a URL or a sentence (default: the
    hub id, or the name of the local file or folder without its path); they go into the manifest, the card, the page.
    """

    source: Literal["table"]
    name: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    origin: str | None = Field(default=None, min_length=1)
    question_answer: QuestionFields | None = None
    instruction_output: InstructionFields | None = None
    chat: MessageFields | None = None
    instruction: str = ""
    task_column: str | None = None
    id_column: str | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if sum(layout is not None for layout in (self.question_answer, self.instruction_output, self.chat)) != 1:
            raise ValueError("give exactly one of question_answer, instruction_output, chat")
        return self


MixSource = Annotated[
    Annotated[Sampled, Tag("sampled")]
    | Annotated[Lima, Tag("lima")]
    | Annotated[OpenPlatypus, Tag("open_platypus")]
    | Annotated[OpenBookQA, Tag("openbookqa")]
    | Annotated[QuAC, Tag("quac")]
    | Annotated[CnnDailyMail, Tag("cnn_dailymail")]
    | Annotated[MathInstruct, Tag("math_instruct")]
    | Annotated[InkubaInstruct, Tag("inkuba_instruct")]
    | Annotated[AfriSenti, Tag("afrisenti")]
    | Annotated[Xnli, Tag("xnli")]
    | Annotated[Mafand, Tag("mafand")]
    | Annotated[Wmt22African, Tag("wmt22_african")]
    | Annotated[Ntrex, Tag("ntrex")]
    | Annotated[Table, Tag("table")],
    chosen_by(
        "source",
        *("sampled", "lima", "open_platypus", "openbookqa", "quac", "cnn_dailymail", "math_instruct"),
        *("inkuba_instruct", "afrisenti", "xnli", "mafand", "wmt22_african", "ntrex", "table"),
    ),
]


def name_of(source: MixSource) -> str:
    """The source's name in the data and the reports."""
    return source.name or source.source
