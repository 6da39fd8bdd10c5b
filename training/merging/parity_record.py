"""The result of a parity check, as typed records, and what follows from it: which merged model is the better one.

Negative log-likelihoods a row -> differences with intervals -> the choice -> a table. Loads no model.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eval.config import Bootstrap
from eval.estimate import Estimate, Record
from oneday.files import read_json
from training.merging.merged_model import Weights

Floats = NDArray[np.float64]
PARITY = "parity.json"
LABELS = {
    "base_full": "base, full precision",
    "base_nf4": "base, NF4",
    "trained": "trained: adapter on its base",
    "merged_full": "merged into full precision",
    "merged_nf4": "merged into NF4",
}


class Agreement(Record):
    """How near a merged model is to the trained one, over the positions of the answers.

    `kl` is the mean Kullback-Leibler divergence from the trained model in nats; the differences are absolute ones of
    log-probabilities over the whole vocabulary; `top1` is the share of positions with the same most probable token;
    `same_text` the share of prompts whose greedy texts are equal.
    """

    kl: float
    max_difference: float
    mean_difference: float
    top1: float = Field(ge=0, le=1)
    same_text: float = Field(ge=0, le=1)


class ModelParity(Record):
    """One model: its answer loss (nats a token), how much above the trained model's that is, and the agreement."""

    name: str
    loss: float
    above_trained: Estimate | None = None
    agreement: Agreement | None = None


class Parity(Record):
    """All of `parity.json`. `made_from` is a hash of what was measured and how; `full_minus_nf4` is of losses."""

    made_from: str
    rows: int
    answer_tokens: int
    new_tokens: int
    device: str
    dtype: str
    confidence: float
    resamples: int
    models: list[ModelParity]
    full_minus_nf4: Estimate | None
    better: Weights
    reason: str


def read_parity(folder: Path) -> Parity:
    """The record of the stage's folder. Raises FileNotFoundError, or ValueError that names the file."""
    return read_json(folder / PARITY, Parity)


def loss_difference(one: Floats, other: Floats, tokens: Floats, settings: Bootstrap) -> Estimate:
    """Loss of `one` minus loss of `other`, in nats a token, with a percentile interval over resampled rows.

    All three arrays are of shape [rows]: sums of negative log-likelihoods, and the tokens that they sum over. Rows are
    drawn with replacement, the same for both models, so the difference is paired.
    """
    random = np.random.default_rng(settings.seed)
    gap = one - other
    drawn = random.integers(0, len(gap), size=(settings.resamples, len(gap)))
    values = gap[drawn].sum(axis=1) / tokens[drawn].sum(axis=1)
    low, high = np.percentile(values, [50 * (1 - settings.confidence), 50 * (1 + settings.confidence)])
    return Estimate(value=float(gap.sum() / tokens.sum()), low=float(low), high=float(high))


def choose(full_minus_nf4: Estimate | None, confidence: float) -> tuple[Weights, str]:
    """The better merge, and why in words: the lower answer loss where the rows show one.

    Where they do not, the full-precision merge: it bears one rounding less when it is quantised for serving.
    """
    if full_minus_nf4 is None:
        return "full", "it is the only merge: the adapter was not trained on a 4-bit base"
    gap = full_minus_nf4
    interval = f"{100 * confidence:g} % interval {gap.low:+.4f} to {gap.high:+.4f}"
    if gap.includes_zero:
        return "full", (
            f"the answer losses differ by {gap.value:+.4f} nats a token, full precision minus NF4 ({interval}; it "
            f"includes 0, so these rows do not show which is better); full precision is kept, since it bears one "
            f"rounding less and can still be rounded to any format"
        )
    better: Weights = "full" if gap.value < 0 else "nf4"
    return better, f"its answer loss is {abs(gap.value):.4f} nats a token lower ({interval}, full precision minus NF4)"


def table(parity: Parity) -> str:
    """The measurements as a Markdown table, the better merge marked, and the choice in words."""
    head = ["model", "answer loss", "above trained", "KL", "mean diff.", "max diff.", "same top-1", "same text"]
    lines = [head, *(_cells(model, model.name == f"merged_{parity.better}") for model in parity.models)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    shown = [_line(line, widths) for line in (lines[0], rule, *lines[1:])]
    legend = (
        f"* the better one: {parity.reason}.\n{parity.rows} rows of the recipe's evaluation set, "
        f"{parity.answer_tokens:,} answer tokens, {parity.new_tokens} new tokens of greedy text, "
        f"{parity.dtype} on {parity.device}."
    )
    return "\n".join([*shown, "", legend])


def _cells(model: ModelParity, better: bool) -> list[str]:
    above, fit = model.above_trained, model.agreement
    cells = [f"{LABELS.get(model.name, model.name)}{' *' if better else ''}", f"{model.loss:.4f}"]
    cells.append(f"{above.value:+.4f} ({above.low:+.4f} to {above.high:+.4f})" if above else "")
    if fit is None:
        return [*cells, "", "", "", "", ""]
    return [
        *cells,
        f"{fit.kl:.2g}",
        f"{fit.mean_difference:.2g}",
        f"{fit.max_difference:.2g}",
        f"{100 * fit.top1:.1f} %",
        f"{100 * fit.same_text:.1f} %",
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if not column else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *rest])} |"
