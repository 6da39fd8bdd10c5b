"""The settings of `compress.yaml`: trim, prune, quantise."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from oneday.config import Settings
from oneday.run_paths import checked


class CorpusFile(Settings):
    """Texts of one language: JSON Lines, CSV, TSV or Parquet with the named fields, or plain text by the line.

    `fields` may be dotted (`translation.hau`). A path is relative to the folder in which the command runs, or starts
    with `RUN/`: then it is below the run folder, such as `RUN/05_mix/train.jsonl`.
    """

    path: str = Field(min_length=1)
    language: str = Field(pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")
    fields: list[str] = Field(default=[])
    split: Literal["count", "report"] = "count"

    @field_validator("path")
    @classmethod
    def _below_a_stage(cls, path: str) -> str:
        return checked(path)


class Trim(Settings):
    """Which tokens of the parent stay.

    The corpus files with `split: count` are counted, those with `split: report` are only measured: texts that no count
    has seen. `keep` holds texts whose tokens stay whatever their count: prompts, labels. With `fresh`, a new byte-pair
    tokenizer of the size `vocabulary` is trained on the counted texts instead, and its rows are made of the parent's.
    """

    corpus: list[CorpusFile] = Field(min_length=1)
    keep: list[str] = Field(default=[])
    vocabulary: int | None = Field(default=None, ge=300)
    min_count: int | None = Field(default=None, ge=1)
    fresh: bool = False

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.vocabulary is None) == (self.min_count is None):
            raise ValueError("give either vocabulary, the number of tokens to keep, or min_count")
        if self.fresh and self.vocabulary is None:
            raise ValueError("fresh: true needs vocabulary, the size of the new tokenizer")
        if self.fresh and self.keep:
            raise ValueError("keep: a fresh tokenizer has no tokens to keep; put those texts into a file of the corpus")
        if all(file.split == "report" for file in self.corpus):
            raise ValueError("corpus: at least one file must have split: count")
        return self


class Calibration(Settings):
    """The texts on which activations are measured: `sequences` of `tokens` each, drawn with the recipe's seed."""

    corpus: list[CorpusFile] = Field(min_length=1)
    sequences: int = Field(ge=1)
    tokens: int = Field(ge=8)


class Prune(Settings):
    """The sizes of the pruned model and how what stays is chosen; a size that is not given stays as it is.

    `random` is the published method: every row and column on its own, by chance. `importance` keeps what carries most
    on the calibration texts; `pca` first rotates the residual stream so that its main directions can be kept. `refit`
    solves the down and output projections again for what is left of their inputs. `depth` says which layers stay:
    the first ones, or those that change the residual stream most.
    """

    method: Literal["random", "importance", "pca"]
    seed: int = Field(ge=0)
    hidden_size: int | None = Field(default=None, ge=1)
    intermediate_size: int | None = Field(default=None, ge=1)
    attention_heads: int | None = Field(default=None, ge=1)
    key_value_heads: int | None = Field(default=None, ge=1)
    head_dim: int | None = Field(default=None, ge=2, multiple_of=2)
    layers: int | None = Field(default=None, ge=1)
    depth: Literal["first", "block_influence"] = "block_influence"
    head: Literal["tied", "untied", "as_it_is"] = "as_it_is"
    max_position_embeddings: int | None = Field(default=None, ge=1)
    refit: bool = False
    calibration: Calibration | None = None

    @property
    def needs_text(self) -> bool:
        """Whether anything is measured on calibration texts."""
        by_depth = self.layers is not None and self.depth == "block_influence"
        return self.method != "random" or by_depth or self.refit

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> Self:
        if self.needs_text and self.calibration is None:
            raise ValueError(
                "calibration is required: only method random without refit and with depth: first does without texts"
            )
        if self.method == "pca" and self.head == "tied":
            raise ValueError(
                "head: tied cannot hold after a rotation, whose final norm is folded into the head; "
                "give head: untied, and pay for it with a smaller intermediate_size, or method: importance"
            )
        if self.method == "random" and self.refit:
            raise ValueError("refit: the published method random has none; take method importance or pca")
        return self


class Quantise(Settings):
    """Weights of the linear layers in fewer bits, as the last step; embeddings, norms and the head stay.

    The first `texts_each` texts of each file are what the loss before and after is measured on.
    """

    texts: list[CorpusFile] = Field(min_length=1)
    texts_each: int = Field(ge=1)
    scheme: Literal["int8_weight_only", "int4_weight_only"]
    group_size: int = Field(ge=16, multiple_of=16)


class CompressConfig(Settings):
    """All of `compress.yaml`.

    `parent` is a hub id, at `parent_revision` if that is given, or a local folder; `parent_from` is what
    `oneday_base_model_from` is in train.yaml: the Python package that carries the parent.
    """

    parent: str = Field(min_length=1)
    parent_revision: str | None = Field(default=None, min_length=1)
    parent_from: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+:[^:]+\.gguf$")
    seed: int = Field(ge=0)
    trim: Trim | None = None
    prune: Prune | None = None
    quantise: Quantise | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.trim is None and self.prune is None and self.quantise is None:
            raise ValueError("nothing to do: give trim, prune or quantise")
        return self
