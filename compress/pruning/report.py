"""What a pruning did, as a record and as lines of text."""

from pydantic import BaseModel

from compress.counts import aligned


class Sizes(BaseModel):
    """A model's shape and its parameters by part; `unique` counts shared weights once, `stored` what the files hold."""

    hidden_size: int
    intermediate_size: int
    attention_heads: int
    key_value_heads: int
    head_dim: int
    layers: int
    max_position_embeddings: int
    tied_head: bool
    parameters: dict[str, int]
    unique: int
    stored: int


class PruneReport(BaseModel):
    """All that a pruning decided and measured.

    `layers` are the parent's layers that stay, `block_influence` every layer's where it was measured. `kept` are mean
    shares, from 0 to 1: of the residual stream's energy, of the attention heads' output energy, of the neurons' score.
    `gain_error` is what a rotation before a shared MLP loses of its norms' gains (relative, Frobenius). Losses are in
    nats a token on the calibration texts, before any healing; absent where there are none.
    """

    method: str
    depth: str
    refit: bool
    seed: int
    before: Sizes
    after: Sizes
    layers: list[int]
    block_influence: list[float] | None = None
    kept: dict[str, float]
    gain_error: float | None = None
    calibration_tokens: int
    loss_before: float | None = None
    loss_after: float | None = None
    seconds: float


def table(report: PruneReport) -> str:
    """The report as aligned lines of text, a row for each size and each part."""
    before, after = report.before, report.after
    rows: list[tuple[str, str, str]] = [(_method(report), "before", "after")]
    for name in Sizes.model_fields:
        if name in ("parameters", "tied_head"):
            continue
        rows.append((name.replace("_", " "), f"{getattr(before, name):,}", f"{getattr(after, name):,}"))
    rows.append(("tied head", _yes(before.tied_head), _yes(after.tied_head)))
    rows += [
        (f"parameters: {part}", f"{number:,}", f"{after.parameters[part]:,}")
        for part, number in before.parameters.items()
        if number or after.parameters[part]
    ]
    if report.loss_before is not None and report.loss_after is not None:
        rows.append(("loss, nats a token", f"{report.loss_before:.3f}", f"{report.loss_after:.3f}"))
    return "\n".join([aligned(rows), *_notes(report)])


def _method(report: PruneReport) -> str:
    return f"{report.method} with refit" if report.refit else report.method


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _notes(report: PruneReport) -> list[str]:
    notes = [f"kept of {part}: {share:.1%}" for part, share in report.kept.items()]
    if report.gain_error is not None:
        notes.append(f"lost of the gains before the shared MLP: {report.gain_error:.1%}")
    if len(report.layers) < report.before.layers:
        notes.append(f"layers kept ({report.depth}): {', '.join(map(str, report.layers))}")
    return [*notes, f"{report.seconds:.1f} s"]
