"""A model folder -> a smaller model folder: narrower, shallower, or both.

Two passes over the weights: one runs the calibration texts and decides, one slices or rotates what stays and writes it.
Never more than one decoder layer is in memory in float32, and two shards of what is written.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from compress.config import Prune
from compress.counts import count_parameters
from compress.model_folder import copy_tokenizer, new_folder
from compress.pruning.calibration import check_calibration
from compress.pruning.decisions import Decided, decide
from compress.pruning.depth import BlockInfluence, most_influential
from compress.pruning.parent import Model, child_config, open_model
from compress.pruning.report import PruneReport
from compress.pruning.report import Sizes as ReportedSizes
from compress.pruning.sizes import Sizes, target_sizes
from compress.pruning.slicing import Refitted, write_random, write_structured
from compress.pruning.streaming import LayerStream


def prune_model(source: Path, target: Path, settings: Prune, calibration_ids: torch.Tensor | None) -> PruneReport:
    """Prune the model in `source` into the new folder `target`, with its tokenizer; what was done and measured.

    `calibration_ids` (sequences, tokens), int64: what `settings.needs_text` asks for; given without need, the losses
    are measured on them. Raises ValueError, saying what would work, for sizes, a method or texts that do not fit the
    model, FileNotFoundError for absent files.
    """
    began = time.monotonic()
    parent = open_model(source)
    sizes = target_sizes(settings, parent.sizes, hasattr(parent.config, "validate_architecture"))
    tied = _tied(settings, parent)
    _check_method(settings, parent, tied)
    ids = calibration_ids
    if ids is not None or settings.needs_text:
        ids = check_calibration(ids, parent.config.vocab_size, parent.sizes.positions)
    with new_folder(target) as folder:
        before, influence = _measure_layers(parent, sizes, settings.method, ids)
        layers = _layers(settings, sizes.layers, influence)
        child = child_config(parent.config, layers, sizes.as_config() | {"tie_word_embeddings": tied})
        decided = _write(parent, child, sizes, layers, settings, ids, folder)
        child.save_pretrained(folder)
        _copy_rest(source, folder)
        after = loss_of(folder, ids) if ids is not None else None
    if before is None and decided is not None:
        before = decided.loss  # no layer went: the run that decided was the whole parent's
    return PruneReport(
        method=settings.method,
        depth=settings.depth,
        refit=settings.refit,
        seed=settings.seed,
        before=_reported(source, parent.sizes, parent.config),
        after=_reported(target, sizes, child),
        layers=list(layers),
        block_influence=influence,
        kept={} if decided is None else decided.kept,
        gain_error=None if decided is None else decided.gain_error,
        calibration_tokens=0 if ids is None else ids.numel(),
        loss_before=before,
        loss_after=after,
        seconds=round(time.monotonic() - began, 2),
    )


def loss_of(folder: Path, ids: torch.Tensor) -> float:
    """The loss of a model folder on sequences of ids, in nats a token, computed layer by layer in float32."""
    model = open_model(folder)
    layers = range(model.sizes.layers)
    return LayerStream(model.checkpoint, model.config, model.architecture, layers).run(ids, label="check")


def _tied(settings: Prune, parent: Model) -> bool:
    return bool(parent.config.tie_word_embeddings) if settings.head == "as_it_is" else settings.head == "tied"


def _check_method(settings: Prune, parent: Model, tied: bool) -> None:
    if settings.method != "pca":
        return
    if parent.architecture.branch_norms:
        raise ValueError(
            f"method: pca: {parent.architecture.model_type} normalises what its layers add to the residual stream "
            f"({', '.join(parent.architecture.branch_norms)}), and a rotation does not pass through these norms; "
            "method: importance works"
        )
    if tied:
        raise ValueError(
            "method: pca folds the final norm into the head, which the parent ties to its embedding; give head: "
            "untied, and pay for it with a smaller intermediate_size, or method: importance"
        )


def _measure_layers(
    parent: Model, sizes: Sizes, method: str, ids: torch.Tensor | None
) -> tuple[float | None, list[float] | None]:
    """The parent's loss and its layers' influence where a run beside the deciding one is needed for them.

    It is where layers go: heads, neurons and channels are then chosen by what is left. And where nothing else runs.
    """
    if ids is None or (sizes.layers == parent.sizes.layers and method != "random"):
        return None, None
    watch = BlockInfluence()
    layers = range(parent.sizes.layers)
    loss = LayerStream(parent.checkpoint, parent.config, parent.architecture, layers).run(ids, watch, "influence")
    return loss, [watch.scores[layer] for layer in layers]


def _layers(settings: Prune, keep: int, influence: list[float] | None) -> tuple[int, ...]:
    if influence is None or settings.depth == "first":
        return tuple(range(keep))
    return most_influential(influence, keep)


def _write(
    parent: Model,
    child: Any,
    sizes: Sizes,
    layers: tuple[int, ...],
    settings: Prune,
    ids: torch.Tensor | None,
    folder: Path,
) -> Decided | None:
    if settings.method == "random":
        write_random(parent, child, layers, settings.seed, folder)
        return None
    assert ids is not None
    with _scratch(folder) as scratch:
        decided = decide(parent, sizes, layers, settings, ids, Refitted(scratch))
        write_structured(parent, child, decided.plan, folder)
    return decided


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="refitted-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _copy_rest(source: Path, folder: Path) -> None:
    copy_tokenizer(source, folder)
    if (source / "generation_config.json").is_file():
        shutil.copyfile(source / "generation_config.json", folder / "generation_config.json")


def _reported(folder: Path, sizes: Sizes, config: Any) -> ReportedSizes:
    counts = count_parameters(folder)
    return ReportedSizes(
        hidden_size=sizes.hidden,
        intermediate_size=sizes.intermediate,
        attention_heads=sizes.heads,
        key_value_heads=sizes.groups,
        head_dim=sizes.head_dim,
        layers=sizes.layers,
        max_position_embeddings=sizes.positions,
        tied_head=bool(config.tie_word_embeddings),
        parameters=counts.parts,
        unique=counts.unique,
        stored=counts.stored,
    )
