"""How near merged models are to the trained one, measured on the recipe's own evaluation rows.

Adapter, base, merged folders and rows (`question` = the whole prompt, `answer`) -> `Parity`. Each row passes alone,
without padding, packing or a mask. The models are loaded one after another, float32 on a CPU and bfloat16 on a GPU; the
trained model is loaded as in training, its base in 4 bits where the recipe says so.
"""

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.config import Bootstrap
from oneday.console import progress
from oneday.files import read_jsonl
from oneday.records import Example
from oneday.stage import StageError
from serve.batch import BLANK_LINE
from training.four_bit import without_cpu_kernel
from training.merging.merged_model import Weights
from training.merging.parity_record import Agreement, Floats, ModelParity, Parity, choose, loss_difference

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Row:
    """A prompt with its tokens and those of its answer, the end of sequence included."""

    prompt: str
    prompt_ids: list[int]
    answer_ids: list[int]


@dataclass(frozen=True)
class Plan:
    """What is compared, and the recipe's numbers for it. `settings` is the recipe's train.yaml."""

    base_model: str
    adapter: Path
    merged: Mapping[Weights, Path]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    new_tokens: int
    batch_size: int
    bootstrap: Bootstrap
    work: Path
    made_from: str


@dataclass(frozen=True)
class Measured:
    """One model on all rows: sums of negative log-likelihoods [rows], greedy texts, agreement sums with the trained."""

    losses: Floats
    texts: list[str]
    agreement: Floats  # [rows, 4]: sum of KL, sum and maximum of the differences, positions with the same top token


def read_examples(path: Path, rows: int) -> list[Example]:
    """The first rows of an evaluation set, JSON Lines or Parquet; the stage mix has shuffled them by its seed."""
    if path.suffix == ".parquet":
        import polars as pl

        examples = [Example.model_validate(row) for row in pl.read_parquet(path, n_rows=rows).iter_rows(named=True)]
    else:
        examples = read_jsonl(path, Example)[:rows]
    if not examples:
        raise StageError(f"{path} has no rows to compare the models on; raise mix.eval_share (data.yaml)")
    return examples


def tokenise(examples: Iterable[Example], tokenizer: "PreTrainedTokenizerBase") -> list[Row]:
    """The rows as Axolotl tokenises them: prompt and answer apart, the answer without a beginning, with an end."""
    rows = []
    for example in examples:
        answer = list(tokenizer(example.answer)["input_ids"]) if example.answer else []
        if answer and answer[-1] != tokenizer.eos_token_id:
            answer.append(tokenizer.eos_token_id)
        if answer and answer[0] == tokenizer.bos_token_id:
            answer = answer[1:]
        rows.append(Row(example.question, list(tokenizer(example.question)["input_ids"]), answer))
    return [row for row in rows if row.prompt_ids and row.answer_ids]


def measure(plan: Plan, tokenizer: "PreTrainedTokenizerBase") -> Parity:
    """Load and measure every model once: the trained one with its base, the merged ones, the full-precision base."""
    steps = len(plan.rows) * (2 * len(plan.merged) + 3 + ("nf4" in plan.merged))
    plan.work.mkdir(parents=True, exist_ok=True)
    own_base = "base_nf4" if "nf4" in plan.merged else "base_full"
    measured: dict[str, Measured] = {}
    with progress(steps, "parity", "row") as bar:
        measured |= _measure_trained(plan, tokenizer, own_base, bar)
        for weights, folder in plan.merged.items():
            _free()
            measured[f"merged_{weights}"] = _measure(load_model(str(folder)), plan, tokenizer, bar, compare=True)
        if own_base != "base_full":
            _free()
            measured["base_full"] = _measure(load_model(plan.base_model), plan, None, bar)
    _free()
    return summarise(plan, measured)


def _measure_trained(
    plan: Plan, tokenizer: "PreTrainedTokenizerBase", own_base: str, bar: "tqdm[Any]"
) -> dict[str, Measured]:
    """The adapter on its base as in training; then the same base with the adapter switched off."""
    from peft import PeftModel

    wrapped: Any = PeftModel.from_pretrained(
        load_model(plan.base_model, quantisation(plan.settings)), str(plan.adapter)
    )
    wrapped.eval()
    with wrapped.disable_adapter():
        base = _measure(wrapped.get_base_model(), plan, None, bar)
    return {own_base: base, "trained": _measure(wrapped.get_base_model(), plan, tokenizer, bar)}


def _free() -> None:
    """Give the memory of a model that is no longer named back before the next one is loaded."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def quantisation(settings: Mapping[str, Any]) -> "BitsAndBytesConfig | None":
    """How Axolotl quantises the base for this recipe (0.19, loaders/model.py); None if it does not."""
    import torch
    from transformers import BitsAndBytesConfig

    if settings.get("adapter") == "lora" and settings.get("load_in_8bit"):
        return BitsAndBytesConfig(load_in_8bit=True)
    if settings.get("adapter") != "qlora" or not settings.get("load_in_4bit"):
        return None
    options = {"bnb_4bit_use_double_quant": True, "bnb_4bit_quant_type": "nf4"}
    options |= {"bnb_4bit_compute_dtype": torch.bfloat16 if torch.cuda.is_available() else torch.float32}
    return BitsAndBytesConfig(load_in_4bit=True, **options | (settings.get("bnb_config_kwargs") or {}))


def load_model(source: str, quantised: "BitsAndBytesConfig | None" = None) -> "PreTrainedModel":
    """A model in evaluation mode: bfloat16 on a GPU, float32 on a CPU. No code of its folder is run."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(
        source,
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
        quantization_config=quantised,
        device_map={"": device},
        use_safetensors=True,
        trust_remote_code=False,
    )
    without_cpu_kernel(model)
    evaluating: PreTrainedModel = model.eval()
    return evaluating


def _measure(
    model: "PreTrainedModel",
    plan: Plan,
    tokenizer: "PreTrainedTokenizerBase | None",
    bar: "tqdm[Any]",
    compare: bool = False,
) -> Measured:
    """A model's losses; with a tokenizer its greedy texts; with `compare` its agreement with the trained model.

    The trained model's log-probabilities are kept on disk, a file a row: a vocabulary wide, they may not fit in memory.
    """
    from safetensors.torch import load_file, save_file

    losses, sums = np.zeros(len(plan.rows)), np.zeros((len(plan.rows), 4))
    for number, row in enumerate(plan.rows):
        found = answer_log_probabilities(model, row)
        losses[number] = -float(found[range(len(row.answer_ids)), row.answer_ids].double().sum())
        kept = plan.work / f"{number}.safetensors"
        if compare:
            sums[number] = agreement_sums(load_file(kept)["trained"], found)
        elif tokenizer is not None:
            save_file({"trained": found.contiguous()}, kept)
        bar.update()
    return Measured(losses, _texts(model, plan, tokenizer, bar.update) if tokenizer is not None else [], sums)


def answer_log_probabilities(model: "PreTrainedModel", row: Row) -> "torch.Tensor":
    """The log-probability of every token at each position of the answer, float32 on the CPU, [answer, vocabulary]."""
    import torch

    ids = torch.tensor([[*row.prompt_ids, *row.answer_ids]], device=model.device)
    with torch.inference_mode():
        logits = model(ids, use_cache=False, logits_to_keep=len(row.answer_ids) + 1).logits[0, :-1]
        return torch.log_softmax(logits.float(), dim=-1).cpu()


def agreement_sums(trained: "torch.Tensor", found: "torch.Tensor") -> Floats:
    """Sum of the KL divergence, sum of each position's mean difference, largest difference, equal top tokens.

    Both are log-probabilities of shape [positions, vocabulary].
    """
    trained, found = trained.double(), found.double()
    difference = (trained - found).abs()
    kl = (trained.exp() * (trained - found)).sum()
    same = (trained.argmax(-1) == found.argmax(-1)).sum()
    return np.array([float(kl), float(difference.mean(-1).sum()), float(difference.max()), float(same)])


def _texts(
    model: "PreTrainedModel", plan: Plan, tokenizer: "PreTrainedTokenizerBase", advance: Callable[[int], object]
) -> list[str]:
    """The greedy text of each prompt, up to a blank line, where the engines stop."""
    from serve.transformers_engine import TransformersEngine

    engine = TransformersEngine(model, tokenizer, plan.batch_size)
    texts = [""] * len(plan.rows)
    for batch in engine.generate([row.prompt for row in plan.rows], plan.new_tokens, BLANK_LINE):
        for position, text in batch:
            texts[position] = text.partition(BLANK_LINE)[0]
        advance(len(batch))
    return texts


def summarise(plan: Plan, measured: Mapping[str, Measured]) -> Parity:
    """The record of a whole measurement, with the choice of the better merge."""
    import torch

    tokens = np.array([len(row.answer_ids) for row in plan.rows], dtype=np.float64)
    trained = measured["trained"]
    gap = None
    if "nf4" in plan.merged:
        full, nf4 = measured["merged_full"].losses, measured["merged_nf4"].losses
        gap = loss_difference(full, nf4, tokens, plan.bootstrap)
    better, reason = choose(gap, plan.bootstrap.confidence)
    on_gpu = torch.cuda.is_available()
    return Parity(
        made_from=plan.made_from,
        rows=len(plan.rows),
        answer_tokens=int(tokens.sum()),
        new_tokens=plan.new_tokens,
        device=torch.cuda.get_device_name(0) if on_gpu else "CPU",
        dtype="bfloat16" if on_gpu else "float32",
        confidence=plan.bootstrap.confidence,
        resamples=plan.bootstrap.resamples,
        models=[
            _model_parity(name, measured[name], trained, tokens, plan.bootstrap)
            for name in sorted(measured, key=_order)
        ],
        full_minus_nf4=gap,
        better=better,
        reason=reason,
    )


def _order(name: str) -> int:
    return ["base_full", "base_nf4", "trained", "merged_full", "merged_nf4"].index(name)


def _model_parity(name: str, model: Measured, trained: Measured, tokens: Floats, bootstrap: Bootstrap) -> ModelParity:
    loss = float(model.losses.sum() / tokens.sum())
    if name == "trained":
        return ModelParity(name=name, loss=loss)
    above = loss_difference(model.losses, trained.losses, tokens, bootstrap)
    if not name.startswith("merged_"):
        return ModelParity(name=name, loss=loss, above_trained=above)
    kl, difference, _, same = model.agreement.sum(axis=0) / tokens.sum()
    equal = sum(one == other for one, other in zip(model.texts, trained.texts, strict=True))
    agreement = Agreement(
        kl=max(float(kl), 0.0),
        mean_difference=float(difference),
        max_difference=float(model.agreement[:, 2].max()),
        top1=float(same),
        same_text=equal / len(model.texts),
    )
    return ModelParity(name=name, loss=loss, above_trained=above, agreement=agreement)
