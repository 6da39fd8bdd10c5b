"""A plan as text for the terminal and as JSON: what was read, memory and hours by part, the verdict, the advice.

What is assumed says so. The tables are Markdown in ASCII, as those of `eval.table`.
"""

import io
from collections.abc import Sequence
from typing import Any

from training.planning.advice import Change
from training.planning.hours import LEAST, MOST
from training.planning.measure import Measurement
from training.planning.memory import FRAGMENTATION, GIB, NOT_OFFERED
from training.planning.outlook import Case, Outlook
from training.planning.packing import ASSUMED_FILLED, Epoch
from training.planning.settings import HOURS_OF_A_DAY
from training.planning.weights import state_kind, stored_bytes, trained_parameters

# Keys with an effect on memory or time that is not calculated.
NOT_CALCULATED = ("selective_checkpointing", "layer_offloading", "tiled_mlp", "torch_compile", "deepspeed", "relora")
MOMENTS = {
    "loss": "at the loss",
    "backward": "in the backward pass of a layer",
    "optimizer step": "in the optimizer's step",
    "evaluation": "in an evaluation",
}
TIGHT = 0.1  # of memory or hours left: the tests hold the calculated activations to 10 to 15 %
LABEL = 12  # characters of the first column
WIDTH = 118


def head_lines(case: Case, outlook: Outlook, source: str) -> list[str]:
    """What the plan is of: card, model, rows, batches, steps. `source` says where the rows' lengths come from."""
    geometry, settings, card = case.geometry, case.settings, case.card
    trained = sum(parameter.numbers for parameter in trained_parameters(geometry, settings))
    devices = "" if case.gpus == 1 else f"{case.gpus} x "
    speed = f"{card.bf16 if settings.half else card.fp32:.4g} TFLOP/s in {'bf16' if settings.half else 'float32'}"
    lines = [
        _line("card", f"{devices}{card.name}: {card.memory_gib:g} GiB, {speed} ({card.source})"),
        _line(
            "model",
            f"{settings.base_model}: {geometry.parameters:,} parameters, {trained:,} trained",
        ),
        _line("", f"shapes from {geometry.source}"),
        *([_line("teacher", f"{settings.oneday_teacher}: {case.teacher.source}")] if case.teacher else []),
        _line("rows", source),
    ]
    if outlook.train is not None and outlook.steps is not None:
        lines += _batch_lines(case, outlook, outlook.train)
    return lines


def _batch_lines(case: Case, outlook: Outlook, train: Epoch) -> list[str]:
    steps, settings = outlook.steps, case.settings
    assert steps is not None
    many = "about " if train.assumed else ""
    shape = train.widest
    size = f"{shape.rows} x {shape.length:,}" if shape.rows > 1 else f"{shape.length:,}"
    filled = f"{100 * train.filled:.1f} % of the computed tokens are of rows"
    if train.assumed:
        filled = f"{100 * ASSUMED_FILLED:.0f} % of them of rows is assumed"
    lines = []
    if train.rows is not None:
        long = f"{train.long_rows:,} longer than sequence_len" if train.long_rows else "none longer than sequence_len"
        lines.append(_line("", f"{train.rows:,} used, the longest has {train.longest:,} tokens; {long}"))
    batches = f"{many}{train.micro_batches:,} micro-batches of up to {size}"
    lines.append(_line("an epoch", f"{train.tokens:,} tokens in {batches}; {filled}"))
    lines.append(
        _line(
            "training",
            f"{many}{steps.total:,} steps of {settings.gradient_accumulation_steps} micro-batches"
            f"{f' on each of {case.gpus} cards' if case.gpus > 1 else ''} ({steps.epochs:.2f} epochs), "
            f"{steps.evaluations:,} evaluations, {steps.saves:,} saves",
        )
    )
    return lines


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def memory_rows(case: Case, outlook: Outlook) -> list[tuple[str, str, str]]:
    """Part, GiB, remark; the total last."""
    memory, settings = outlook.memory, case.settings
    kind = state_kind(settings.optimizer)
    paged = "; may move to the host when the card is full" if kind.paged and not case.card.is_cpu else ""
    assumed = "" if kind.known else "; unknown optimizer, 8 bytes a parameter assumed"
    peak = memory.peak_at
    rows = [
        ("weights", _gib(memory.weights), _weights_remark(case)),
        *_teacher_rows(case, outlook),
        ("adapters", _gib(memory.adapters), "" if memory.adapters else "none"),
        ("gradients", _gib(memory.gradients), ""),
        ("optimizer", _gib(memory.optimizer), f"{settings.optimizer}{paged}{assumed}"),
        ("activations", _gib(memory.activations.kept), _activations_remark(case, outlook)),
        ("one layer", _gib(memory.activations.layer), _at(peak == "backward", "while its backward pass runs")),
        ("logits", _gib(memory.logits), _at(peak == "loss", "at the loss, with their gradients")),
        ("evaluation", _gib(memory.evaluation), _at(peak == "evaluation", "logits of an evaluation batch")),
        ("overhead", _gib(memory.overhead), f"estimate: context, buffers, {100 * FRAGMENTATION:.0f} % lost in gaps"),
        (
            "peak",
            _gib(memory.peak),
            f"calculated, {MOMENTS[peak]}",
        ),
    ]
    if outlook.measured is not None:
        rows.append(("measured", _gib(outlook.measured.peak_gib * GIB), "the peak of the steps that --measure ran"))
    kept = "" if case.card.is_cpu else f"; the driver keeps {100 * NOT_OFFERED:.0f} %, an estimate"
    return [*rows, ("there are", _gib(outlook.room), f"of {case.card.memory_gib:g} GiB{kept}")]


def _teacher_rows(case: Case, outlook: Outlook) -> list[tuple[str, str, str]]:
    taught, peak = outlook.memory.teacher, outlook.memory.peak_at
    if taught is None or case.teacher is None:
        return []
    remark = f"{case.teacher.parameters:,} parameters in {'16 bits' if case.settings.half else 'float32'}"
    answers = _at(peak == "loss" and taught.forward > taught.loss, "a layer's forward pass")
    return [("teacher", _gib(taught.weights), remark), ("it answers", _gib(taught.forward), answers)]


def _at(counts: bool, what: str) -> str:
    return what if counts else f"{what}; not at the peak"


def _weights_remark(case: Case) -> str:
    settings = case.settings
    if settings.load_in_4bit:
        return (
            "4-bit linear layers with their scales; embeddings and norms in 16 bits"
            if settings.half
            else "4-bit linear layers"
        )
    return "8-bit linear layers" if settings.load_in_8bit else ("16 bits" if settings.half else "float32")


def _activations_remark(case: Case, outlook: Outlook) -> str:
    on_host = outlook.memory.activations.on_host
    if on_host:
        return f"of all layers; {_gib(on_host)} GiB more go to the host's memory"
    return "inputs of all layers; what is inside is recomputed" if case.settings.recomputes else "of all layers"


def _gib(count: float) -> str:
    return f"{count / GIB:.2f}"


def time_table(outlook: Outlook) -> str:
    """Where the time goes, in hours or for short trainings in minutes."""
    hours, steps = outlook.hours, outlook.steps
    assert hours is not None and steps is not None
    unit, seconds = ("hours", 3600) if hours.total >= 1 else ("minutes", 60)
    scale = 3600 / seconds
    rate = f"{hours.tokens_per_second:,.0f} tokens a second"
    if hours.efficiency is None:
        how, span = f"{rate}, measured", "of measured steps"
    else:
        how = f"{rate} at {100 * hours.efficiency:.0f} % of the peak, an assumption"
        low, high = scale * hours.at(MOST), scale * hours.at(LEAST)
        shares = f"{100 * MOST:.0f} to {100 * LEAST:.0f} % of the peak"
        span = f"{low:.1f} to {high:.1f} at {shares}; --measure N replaces it"
    parts = [
        ("start", hours.start, "loading and set-up, an assumption; no download"),
        ("steps", hours.train, how),
        ("evaluations", hours.evaluate, f"{steps.evaluations:,}"),
        ("saves", hours.save, f"{steps.saves:,}"),
        ("total", hours.total * 3600, span),
        ("may take", outlook.budget_hours * 3600, "the recipe's oneday_budget, else a day"),
    ]
    return render_table("time", unit, [(name, f"{amount / seconds:,.2f}", remark) for name, amount, remark in parts])


def measured_rows(found: Measurement, plan: Outlook) -> list[tuple[str, str, str]]:
    """What was measured beside what the plan says of it without a measurement."""
    steps, hours = plan.steps, plan.hours
    planned: list[float | None] = [None] * 4
    if steps is not None and hours is not None:
        planned = [
            hours.train / steps.total,
            hours.evaluate / steps.evaluations if steps.evaluations else None,
            hours.save / steps.saves if steps.saves else None,
            hours.tokens_per_second,
        ]
    names = ("seconds a step", "seconds an evaluation", "seconds a save", "tokens a second")
    measured = (found.seconds_per_step, found.seconds_per_evaluation, found.seconds_per_save, found.tokens_per_second)
    rows = [(name, _number(one), _number(other)) for name, one, other in zip(names, measured, planned, strict=True)]
    of = "reserved on the card" if found.peak_memory_of == "cuda" else "resident in the process"
    return [*rows, (f"GiB {of}", _number(found.peak_memory_gib), _number(plan.memory.peak / GIB))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def render_table(title: str, unit: str, rows: list[tuple[str, str, str]], last: str = "") -> str:
    """A table of three columns."""
    from rich.box import MARKDOWN
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=MARKDOWN)
    table.add_column(title, min_width=11)
    table.add_column(unit, justify="right", min_width=6)
    table.add_column(last, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


def verdict(outlook: Outlook) -> str:
    """`fits`, or what is too much."""
    faults = []
    if not outlook.memory_fits:
        faults.append(f"{_gib(outlook.peak)} GiB of {_gib(outlook.room)} GiB")
    if outlook.hours is not None and not outlook.hours_fit:
        faults.append(f"{outlook.hours.total:.1f} hours of {outlook.budget_hours:g}")
    if not outlook.rows_fit:
        faults.append("there are too few rows for one batch")
    if faults:
        return f"DOES NOT FIT: {'; '.join(faults)}"
    room = outlook.room - outlook.peak
    if outlook.hours is None:
        return f"the memory fits, with {_gib(room)} GiB to spare; the hours are not known: run the stage mix"
    spare = outlook.budget_hours - outlook.hours.total
    tight = outlook.measured is None and (room < TIGHT * outlook.room or spare < TIGHT * outlook.budget_hours)
    doubt = "; that is less than the calculation may err, so --measure first" if tight else ""
    return f"fits, with {_gib(room)} GiB and {spare:.1f} hours to spare{doubt}"


def together(outlooks: Sequence[Outlook]) -> tuple[str, bool]:
    """What trainings in turn take together, in one line, and whether that is known to be within a day."""
    known = [outlook.hours.total for outlook in outlooks if outlook.hours is not None]
    if len(known) < len(outlooks):
        return "together: the hours are not known", False
    in_time = sum(known) <= HOURS_OF_A_DAY
    return f"together: {'' if in_time else 'DOES NOT FIT: '}{sum(known):.1f} hours of {HOURS_OF_A_DAY:g}", in_time


def advice_lines(singles: list[Change], smallest: Change | None) -> list[str]:
    """What to change, with what it leads to."""
    lines = ["", "In train.yaml, each change by itself:"] if singles else []
    lines += [f"  {_result(change.outlook)}  {change}" for change in singles]
    if smallest is None:
        return [*lines, "", "No set of these changes makes it fit: take a larger card or a smaller model."]
    return [*lines, "", "The fewest of them that make it fit together:", f"  {_result(smallest.outlook)}  {smallest}"]


def _result(outlook: Outlook) -> str:
    hours = "" if outlook.hours is None else f"  {outlook.hours.total:6.1f} h"
    return f"{_gib(outlook.peak):>7} GiB{hours}"


def notes(values: dict[str, Any], gpus: int) -> list[str]:
    """Lines on keys whose effect is assumed or left out."""
    given = [key for key in NOT_CALCULATED if values.get(key)]
    lines = [f"not calculated: the effect of {', '.join(given)}"] if given else []
    if values.get("fsdp_config"):
        lines.append(f"fsdp_config: weights, gradients and states are taken for shared evenly by the {gpus} cards")
    return lines


def as_json(case: Case, outlook: Outlook, singles: list[Change], smallest: Change | None) -> dict[str, Any]:
    """The same for programs; memory in bytes, times in seconds."""
    memory, hours, steps, train = outlook.memory, outlook.hours, outlook.steps, outlook.train
    trained = trained_parameters(case.geometry, case.settings)
    return {
        "card": case.card.name,
        "gpus": case.gpus,
        "parameters": case.geometry.parameters,
        "trained_parameters": sum(parameter.numbers for parameter in trained),
        "trained_bytes": stored_bytes(trained),
        "tokens": None if train is None else train.tokens,
        "computed_tokens": None if train is None else train.computed,
        "assumed_packing": None if train is None else train.assumed,
        "steps": None if steps is None else steps.total,
        "evaluations": None if steps is None else steps.evaluations,
        "memory": {
            "weights": memory.weights,
            "teacher": 0.0 if memory.teacher is None else memory.teacher.weights + memory.teacher.forward,
            "adapters": memory.adapters,
            "gradients": memory.gradients,
            "optimizer": memory.optimizer,
            "activations": memory.activations.kept,
            "layer": memory.activations.layer,
            "logits": memory.logits,
            "evaluation": memory.evaluation,
            "overhead": memory.overhead,
            "peak": outlook.peak,
            "offered": outlook.room,
        },
        "seconds": None
        if hours is None
        else {"start": hours.start, "train": hours.train, "evaluate": hours.evaluate, "save": hours.save},
        "budget_hours": outlook.budget_hours,
        "fits": outlook.fits and hours is not None,
        "changes": [{"keys": c.keys, "peak": c.outlook.peak, "fits": c.outlook.fits} for c in singles],
        "smallest_change": None if smallest is None else smallest.keys,
    }
