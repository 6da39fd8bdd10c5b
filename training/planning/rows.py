"""The rows of a recipe -> a function from settings to the batches of an epoch: from the files, else as planned."""

from collections.abc import Callable
from pathlib import Path

from training.planning.activations import masked
from training.planning.geometry import Geometry
from training.planning.lengths import Lengths, split_lengths
from training.planning.outlook import Rows, RowsOf
from training.planning.packing import epoch, planned_mix
from training.planning.settings import TrainSettings

NO_ROWS = "not mixed yet, or the tokenizer is not on this machine"
OF_PACKING = (
    "sequence_len",
    "micro_batch_size",
    "eval_batch_size",
    "attn_implementation",
    "sdpa_varlen",
)


def rows_from(folder: Path, settings: TrainSettings, geometry: Geometry) -> tuple[RowsOf, str]:
    """The function, and in words where the lengths come from. It gives None if nothing is known of the rows."""
    lengths = split_lengths(settings)
    if lengths is not None:
        names = ", ".join(str(entry.get("path")) for entry in settings.datasets)
        return packer(*lengths, geometry), f"counted in {names}"
    planned = planned_mix(folder)
    if planned is None:
        why = f"{NO_ROWS}, and no data file has a budget in tokens"
        return (lambda _: None), f"not known ({why}): run the stage mix first"
    return planned.epochs, f"{NO_ROWS}; as planned by mix.budget of {planned.file}"


def packer(train: Lengths, evaluation: Lengths, geometry: Geometry) -> Callable[[TrainSettings], Rows | None]:
    """A function from settings to the batches that Axolotl makes of rows of these lengths; packs each way once."""
    known: dict[str, Rows] = {}

    def pack(settings: TrainSettings) -> Rows:
        key = str([getattr(settings, name) for name in OF_PACKING])
        if key not in known:
            window, with_mask = geometry.sliding_window, masked(geometry, settings)
            tested = epoch(evaluation, settings, window, with_mask, training=False) if len(evaluation) else None
            known[key] = epoch(train, settings, window, with_mask), tested
        return known[key]

    return pack
