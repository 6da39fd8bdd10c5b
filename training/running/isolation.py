"""Whether packed rows see one another: the model's own answer, by the path that training takes.

Two rows are put through the training's collator and model, packed and alone; the second must come out the same.
A check on the settings alone would miss an attention that ignores where a row begins.
"""

from collections.abc import Mapping
from typing import Any

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}  # of the logits' spread
LONGEST = 512  # tokens of a row that is looked at


def check_batch(trainer: Any, pad_token: int | None) -> str | None:
    """What is wrong with a collated batch of the first rows: padding that would be trained on. None if nothing is."""
    rows = [trainer.train_dataset[number] for number in range(min(2, len(trainer.train_dataset)))]
    if len(rows) < 2:
        return None
    batch = _collated(trainer, rows)
    labels, ids = batch["labels"], batch["input_ids"]
    lengths = [len(row["input_ids"]) for row in rows]
    ends = [sum(lengths)] if trainer.args.sample_packing else lengths
    for line, end in enumerate(ends):
        if bool((labels[line, end:] != -100).any()) and bool((ids[line, end:] == pad_token).any()):
            return "the collator leaves padding unmasked; use Axolotl's own collator (no other plugin may replace it)"
    return None


def packing_difference(trainer: Any) -> float | None:
    """How much a row's logits change when another row is packed before it, as a share of their spread.

    None where it cannot be asked: no packing, fewer than two rows, or weights spread over processes.
    """
    import torch

    args = trainer.args
    if not args.sample_packing or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return None
    rows = _short_rows(trainer.train_dataset)
    if rows is None:
        return None
    model, training = trainer.model, trainer.model.training
    model.eval()
    try:
        with torch.no_grad():
            packed = _logits(trainer, model, rows)[len(rows[0]["input_ids"]) :]
            alone = _logits(trainer, model, rows[1:])
    finally:
        model.train(training)
        if torch.cuda.is_available():  # the peak that is recorded is that of the training
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    return float((packed - alone).abs().mean() / alone.std().clamp_min(1e-12))


def packing_fault(difference: float, dtype: str, settings: Mapping[str, Any]) -> str | None:
    """The fault for such a difference; None if it is within what rounding explains."""
    if difference <= TOLERANCE.get(dtype, 0.1):
        return None
    return (
        f"packed rows see one another: a row's logits change by {difference:.1%} of their spread when another row is "
        f"packed before it (attn_implementation: {settings.get('attn_implementation')}); use flash_attention_2 or "
        "sdpa, or sample_packing: false"
    )


def _short_rows(rows: Any) -> list[dict[str, Any]] | None:
    found = []
    for number in range(min(len(rows), 1000)):
        row = rows[number]
        if 2 < len(row["input_ids"]) <= LONGEST:
            found.append(row)
        if len(found) == 2:
            return found
    return None


def _collated(trainer: Any, rows: list[dict[str, Any]]) -> Any:
    """The batch that the trainer would make of these rows: one line if it packs."""
    dropped = {"attention_mask"} if trainer.args.sample_packing_drop_attention_mask else set()
    kept = [{key: value for key, value in row.items() if key not in {*dropped, "length"}} for row in rows]
    return trainer.data_collator([kept] if trainer.args.sample_packing else kept)


def _logits(trainer: Any, model: Any, rows: list[dict[str, Any]]) -> Any:
    """Logits of the tokens of packed rows, float32 (tokens, vocabulary). Padding behind the rows is not computed."""
    import torch

    tokens = sum(len(row["input_ids"]) for row in rows)
    batch = {name: tensor[:, :tokens].to(model.device) for name, tensor in _collated(trainer, rows).items()}
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bool(trainer.args.bf16)):
        _, outputs = trainer.compute_loss(model, batch, return_outputs=True)
    return outputs["logits"][0].float()
