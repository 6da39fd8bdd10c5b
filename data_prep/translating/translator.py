"""Texts -> translations by a sequence-to-sequence model in this process, on CPU or one GPU, with beam search."""

import pickle
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.translating.config import Translate
from data_prep.translating.languages import Direction, set_direction
from data_prep.translating.model_folder import KEY, PICKLED, has_safetensors
from data_prep.translating.quality import Translation
from oneday.stage import StageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Which tokens a translation begins and ends with, and which it never has; all else that a model suggests is left out.
MODELS_OWN = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "bad_words_ids",
    "renormalize_logits",
)


class Translator:
    """A model in memory, set to one direction. An `Engine` of serve.batch, whose texts are Translations as JSON."""

    def __init__(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", direction: Direction, settings: Translate
    ) -> None:
        from transformers import GenerationConfig

        own = {name: getattr(model.generation_config, name, None) for name in MODELS_OWN}
        ends = own["eos_token_id"]
        self.ends = {*(ends if isinstance(ends, list) else [ends])}
        model.generation_config = GenerationConfig(  # in its place, as `generate` fills gaps from the model's own
            **{name: value for name, value in own.items() if value is not None},
            num_beams=settings.beams,
            do_sample=False,
            forced_bos_token_id=direction.first_token,
        )
        self.model, self.tokenizer = model.eval(), tokenizer
        self.prefix, self.settings = direction.prefix, settings

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        """See `Engine.generate`; `stop` is not looked for. Batches hold texts of like length, the longest first.

        So a batch that does not fit into the memory fails at once. A source counts with its special tokens.
        """
        limit = self.settings.max_input_tokens
        texts = [self.prefix + prompt for prompt in prompts]
        lengths = [len(ids) for ids in self.tokenizer(texts)["input_ids"]]
        tokens = self.tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        order = sorted(range(len(texts)), key=lambda position: (-lengths[position], position))
        for start in range(0, len(order), self.settings.batch_size):
            positions = order[start : start + self.settings.batch_size]
            if all(position in done for position in positions):
                continue
            rows = self._translate([tokens[position] for position in positions], max_new_tokens)
            written = self.tokenizer.batch_decode(rows, skip_special_tokens=True)
            yield [
                (position, _as_json(text, not self.ends & set(row), lengths[position] > limit))
                for position, row, text in zip(positions, rows, written, strict=True)
            ]

    def _translate(self, batch: list[list[int]], max_new_tokens: int) -> list[list[int]]:
        """The tokens of each translation, without the decoder's start token, which may be the end token too."""
        import torch

        width, padding = max(map(len, batch)), self.tokenizer.pad_token_id
        ids = [[*row, *[padding] * (width - len(row))] for row in batch]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in batch]
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    torch.tensor(ids, device=self.model.device),
                    attention_mask=torch.tensor(mask, device=self.model.device),
                    max_new_tokens=max_new_tokens,
                )
        except torch.OutOfMemoryError as error:
            size = f"{len(batch)} texts of up to {width} tokens with {self.settings.beams} beams"
            raise StageError(f"{size} do not fit into the GPU's memory; lower translate.batch_size") from error
        return [list(row) for row in output[:, 1:].tolist()]


def _as_json(text: str, cut_off: bool, source_cut: bool) -> str:
    plain = unicodedata.normalize("NFC", text).strip()
    return Translation(text=plain, cut_off=cut_off, source_cut=source_cut).model_dump_json()


def device() -> str:
    """Where the model runs: float32 on CPU, bfloat16 on CUDA."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_translator(folder: Path, settings: Translate) -> Translator:
    """The model of a folder, set to translate; no code from the folder is run.

    ValueError says what is wrong with the model, or with the languages or lengths that the recipe asks of it.
    """
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if not config.is_encoder_decoder:
            raise ValueError(f"it is a {config.model_type}, which is no sequence-to-sequence model; NLLB-200 is one")
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        direction = set_direction(tokenizer, settings.source_language, settings.target_language)
        _check_lengths(config, settings)
        model = _load_weights(folder).to(device())
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{KEY}: {folder}: {error}") from error
    return Translator(model, tokenizer, direction, settings)


def _check_lengths(config: Any, settings: Translate) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    for key in ("max_input_tokens", "max_new_tokens"):
        if positions is not None and getattr(settings, key) >= positions:
            raise ValueError(f"translate.{key} must be below the model's {positions} positions")


def _load_weights(folder: Path) -> Any:
    """The model; ValueError if the weights are not whole: transformers would draw what is missing at random."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSeq2SeqLM

    safe = has_safetensors(folder)
    if not safe:
        print(f"Note: {folder} has no safetensors; tensors alone are read from its {PICKLED}", file=sys.stderr)
    try:
        model, loading = AutoModelForSeq2SeqLM.from_pretrained(
            folder,
            dtype=torch.bfloat16 if device() == "cuda" else torch.float32,
            use_safetensors=safe,
            weights_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise ValueError(f"its weights are damaged ({error}); download them again") from error
    if missing := sorted(loading["missing_keys"]):
        raise ValueError(f"its weights lack {len(missing)} tensors, the first {missing[0]}; download them again")
    return model
