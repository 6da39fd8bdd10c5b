"""The settings of `translate`: which rows of a data set are translated, by what, and which translations are kept."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from data_prep.mixing.config import TableSet
from data_prep.sources.mix_config import DataSet
from oneday.config import Settings
from oneday.run_paths import checked


class TranslationFilter(Settings):
    """Which translations are dropped; a row goes if any of its texts does.

    `max_repeats`: more than so many times the same word, or run of up to `repeat_words` words, on end, unless the
    source has as many. `min_length_ratio` and `max_length_ratio`: characters of the translation to those of the source,
    of sources of `min_characters` and more; such a source must not come back as it was, either. Beside these go empty
    translations and those that `max_new_tokens` cut off.
    """

    repeat_words: int = Field(ge=1)
    max_repeats: int = Field(ge=1)
    min_length_ratio: float = Field(gt=0)
    max_length_ratio: float = Field(gt=0)
    min_characters: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_length_ratio >= self.max_length_ratio:
            raise ValueError("min_length_ratio must be below max_length_ratio")
        return self


class Translate(Settings):
    """A data set whose `fields` are translated by a sequence-to-sequence model; all other columns stay.

    `model` is a hub id or a local folder (NLLB-200, M2M100, mBART-50 or OPUS-MT), `model_revision` a commit or branch
    of the hub's. `source_language` and `target_language` are the model's codes, such as swh_Latn for NLLB-200; an
    OPUS-MT model of one pair must be that of these two. Of each value of `label` the first `max_rows_per_label` rows in
    the file's order are taken. Texts longer than `max_input_tokens` are cut, and translations end at `max_new_tokens`.
    Rows of which a field equals a field of one of `competition_rows` (white space and case aside) are left out. Each of
    their `fields` is compared by itself: the fields of a set are not joined, as those of mix.competition_rows are.
    """

    data: DataSet
    fields: list[str] = Field(min_length=1)
    label: str = Field(min_length=1)
    max_rows_per_label: int = Field(ge=1)
    model: Annotated[str, AfterValidator(checked)] = Field(min_length=1)
    model_revision: str | None = Field(default=None, min_length=1)
    source_language: str = Field(min_length=1)
    target_language: str = Field(min_length=1)
    beams: int = Field(ge=1, le=32)
    batch_size: int = Field(ge=1)
    max_input_tokens: int = Field(ge=8)
    max_new_tokens: int = Field(ge=8)
    quality: TranslationFilter
    competition_rows: list[TableSet] = Field(default=[])

    @field_validator("data")
    @classmethod
    def _no_quota(cls, data: DataSet) -> DataSet:
        quota = sorted(data.model_fields_set & {"weight", "max_rows", "max_rows_per_answer", "max_tokens"})
        if quota:
            raise ValueError(f"{', '.join(quota)} has no effect here; use max_rows_per_label of translate")
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.fields)) < len(self.fields):
            raise ValueError("fields names a column twice")
        if self.label in self.fields:
            raise ValueError(f"label {self.label!r} is among fields; a label is not translated")
        if self.source_language == self.target_language:
            raise ValueError(f"source_language and target_language are both {self.source_language!r}")
        return self
