"""What the stage mix says of its result: the content of `manifest.json`, from which page and card are made."""

from pydantic import BaseModel


class TaskRows(BaseModel):
    """What is left of one task of a source: `rows` are those of `train`, `eval` and `test` together."""

    task: str
    rows: int
    tokens: int
    train: int
    eval: int
    test: int


class SourceResult(BaseModel):
    """One source, from first to last. `read` is `train`, `eval`, `test` and the sum of `dropped`, by reason.

    `path` and `revision` are as in the recipe; `commit` is what a hub's revision stood for; `sha256` is over all
    local files. `tokens` are of the rows used, prompt and answer; `token_histogram` counts rows by TOKEN_EDGES.
    """

    name: str
    source: str
    licence: str
    remark: str = ""
    origin: str
    path: str | None
    revision: str | None
    commit: str | None
    sha256: str | None
    read: int
    dropped: dict[str, int]
    train: int
    eval: int
    test: int
    tokens: int
    token_histogram: list[int]
    tasks: list[TaskRows]

    @property
    def used(self) -> int:
        """The rows of all files together."""
        return self.train + self.eval + self.test


class DuplicatePair(BaseModel):
    """A row that went because of another one that stayed. `similarity` is 1 for exact duplicates."""

    source: str
    id: str
    input: str
    kept_source: str
    kept_id: str
    kept_input: str
    similarity: float


class GivenAnswer(BaseModel):
    """An answer, and a row that gives it."""

    source: str
    id: str
    answer: str


class ContradictoryInput(BaseModel):
    """An input of a task with one right answer that has several; all its rows went."""

    task: str
    input: str
    answers: list[GivenAnswer]


class ContaminationExample(BaseModel):
    """A row that went because it holds a part of an evaluation row; `shared` are the words in common."""

    source: str
    id: str
    input: str
    eval_id: str
    eval_text: str
    shared: str


class EvalSetResult(BaseModel):
    """What was found of one evaluation set. `hit` are its rows that were found, `dropped` the training rows that went.

    `unchecked` rows are too short to be looked for but as a whole input.
    """

    name: str
    rows: int
    unchecked: int
    hit: int
    dropped: int
    examples: list[ContaminationExample]


class CompetitionResult(BaseModel):
    """What was found of one set of a competition's rows: `hit` of them are the whole input of a row that went."""

    name: str
    rows: int
    hit: int
    dropped: int


class OutputFile(BaseModel):
    """A file of the training set. A `subset` holds rows again that are in the file of all sources."""

    name: str
    subset: str | None = None
    rows: int
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """`05_mix/manifest.json`. `tokens_counted` is 'every row', or says from how many rows tokens were estimated.

    `replaced` counts personal data by kind, in the rows that were read. `subsets` are the sources of each subset,
    `contradictions` some examples.
    """

    recipe: str
    seed: int
    tokenizer: str
    tokens_counted: str
    sources: list[SourceResult]
    files: list[OutputFile]
    duplicates: list[DuplicatePair]
    near_duplicates: list[DuplicatePair]
    eval_sets: list[EvalSetResult]
    replaced: dict[str, int] = {}
    subsets: dict[str, list[str]] = {}
    contradictions: list[ContradictoryInput] = []
    competition_sets: list[CompetitionResult] = []


TOKEN_EDGES = (0, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)
"""Lower edges of the bins of a token histogram; the last is open."""
