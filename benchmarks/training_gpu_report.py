"""What was measured and planned -> the targets, and a Markdown table for a recipe's README."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from benchmarks.gpu_device import Gpu
from benchmarks.gpu_trainings import BASE_MODEL, Bench, Plan, Training, cap_words, label
from oneday.stage import LIBRARIES

FASTER = 2.0  # times the tokens a second of the first recipe
MEMORY_OFF, TIME_OFF = 0.10, 0.15  # how far the plan may be off, as shares of what is measured
MEMORY_OFF, TIME_OFF = 0.10, 0.15  # how far the plan may be off, as shares of what is measured
NOTES = (
    "Tokens of rows are those that are not padding. The cap is on what PyTorch reserves and the CUDA context; paged "
    "optimizer states are managed memory outside it. What is in use on the device, by nvidia-smi, holds them too and "
    "is what the plan's peak is compared with. In brackets: how far the plan is off."
)


@dataclass(frozen=True)
class Target:
    """A promise, what was measured of it, and whether it is kept."""

    name: str
    found: str
    met: bool


def counted(trainings: Sequence[Training], recipe: str) -> Training:
    """The training of a recipe that its numbers are taken from: the one under the cap if it ended, else the other."""
    own = [training for training in trainings if training.recipe == recipe]
    return next((training for training in own if training.fault is None), own[-1])


def targets(bench: Bench, trainings: Sequence[Training], plans: Mapping[str, Sequence[Plan]]) -> list[Target]:
    """Every promise with what was measured. `plans` are by recipe, the card at hand first."""
    names = [label(recipe) for recipe in bench.recipes]
    first, found = counted(trainings, names[0]), []
    for name in names[1:]:
        own = counted(trainings, name)
        fits = own.fault is None and own.cap_gib is not None
        found.append(Target(f"{name} trains within {bench.memory_gib:g} GiB", "yes" if fits else "no", fits))
        found.append(_speed_target(own, first))
    for name in names:
        own, plan = counted(trainings, name), plans[name][0]
        of_memory = f"{name}: the plan's peak of memory within {100 * MEMORY_OFF:.0f} %"
        found.append(_off_target(of_memory, plan.peak_gib, own.device_gib if own.fault is None else None, MEMORY_OFF))
        of_time = f"{name}: the plan's time of a step within {100 * TIME_OFF:.0f} %"
        found.append(_off_target(of_time, plan.seconds_per_step, own.seconds_per_step, TIME_OFF))
    return found


def _speed_target(own: Training, first: Training) -> Target:
    name = f"{own.recipe}: at least {FASTER:g} times the tokens a second of {first.recipe}"
    if own.tokens_per_second is None or first.tokens_per_second is None:
        return Target(name, "not measured", False)
    ratio = own.tokens_per_second / first.tokens_per_second
    without = "" if first.cap_gib is not None else ", which had no cap"
    return Target(name, f"{ratio:.2f} times{without}", ratio >= FASTER)


def _off_target(name: str, planned: float, found: float | None, most: float) -> Target:
    if found is None:
        return Target(name, "not measured", False)
    return Target(name, f"{off(planned, found)} off", abs(planned - found) <= most * found)


def off(planned: float, found: float) -> str:
    """How far the plan is off, in percent of what was measured."""
    return f"{100 * (planned / found - 1):+.1f} %"


def table(trainings: Sequence[Training], plans: Mapping[str, Sequence[Plan]]) -> str:
    """The measurements, a column a training, in Markdown."""
    heads = [f"{one.recipe}, {cap_words(one.cap_gib)}" for one in trainings]
    rows: list[tuple[str, list[str]]] = [
        ("ended", ["out of memory" if one.fault else "saved" for one in trainings]),
        ("steps", [str(one.steps) for one in trainings]),
        ("tokens of rows a second", [_number(one.tokens_per_second, 0) for one in trainings]),
        ("tokens of rows a step", [_number(one.tokens_per_step, 0) for one in trainings]),
        ("of the computed tokens", ["-" if one.filled is None else f"{100 * one.filled:.1f} %" for one in trainings]),
        ("seconds a step", [_number(one.seconds_per_step) for one in trainings]),
        ("seconds an evaluation", [_number(one.seconds_per_evaluation) for one in trainings]),
        ("seconds a save", [_number(one.seconds_per_save) for one in trainings]),
        ("GiB reserved by PyTorch", [_number(one.reserved_gib) for one in trainings]),
        ("GiB in use on the device", [_number(one.device_gib) for one in trainings]),
    ]
    for position in range(max(len(of_one) for of_one in plans.values())):
        rows += _plan_rows(trainings, [plans[one.recipe][position] for one in trainings], compared=position == 0)
    lines = [("", heads), *rows]
    text = [f"| {name} | {' | '.join(cells)} |" for name, cells in lines]
    return "\n".join([text[0], f"|---|{'---:|' * len(heads)}", *text[1:]])


def _plan_rows(trainings: Sequence[Training], plans: Sequence[Plan], compared: bool) -> Iterator[tuple[str, list[str]]]:
    """What is planned on one card; with `compared`, beside what was measured."""
    for what, planned, found, digits in (
        ("GiB", [plan.peak_gib for plan in plans], [_held(one) for one in trainings], 2),
        ("seconds a step", [plan.seconds_per_step for plan in plans], [one.seconds_per_step for one in trainings], 2),
        ("tokens of rows a second", [p.tokens_per_second for p in plans], [t.tokens_per_second for t in trainings], 0),
    ):
        pairs = zip(planned, found, strict=True)
        cells = [_number(one, digits) + (f" ({off(one, other)})" if compared and other else "") for one, other in pairs]
        yield f"planned for {plans[0].card}: {what}", cells


def _held(training: Training) -> float | None:
    return training.device_gib if training.fault is None else None


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def target_table(found: Sequence[Target]) -> str:
    """The targets in Markdown."""
    lines = [f"| {one.name} | {one.found} | {'yes' if one.met else 'NO'} |" for one in found]
    return "\n".join(["| target | measured | met |", "|---|---:|---|", *lines])


def head_lines(bench: Bench, gpu: Gpu | None) -> list[str]:
    """The machine, and how it was measured."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    device = "no GPU" if gpu is None else f"{gpu.name} of {gpu.memory_gib:.1f} GiB, driver {gpu.driver}"
    attention = "flash-attn is not on this machine: " if bench.attention else "attention as in the recipes"
    keys = ", ".join(f"{key}: {json.dumps(value)}" for key, value in bench.attention.items())
    return [
        f"{device}, CUDA {_cuda_version()}; {versions}.",
        f"Random weights of {BASE_MODEL}'s shapes, made-up rows of {bench.tokens_per_row} tokens in the mean; "
        f"{bench.steps} steps, the first {bench.warmup} not counted for the speed, one evaluation, one save; "
        f"{attention}{keys}{' in all recipes' if keys else ''}.",
    ]


def _cuda_version() -> str:
    import torch

    return torch.version.cuda or "none"


def report(
    bench: Bench, gpu: Gpu | None, trainings: Sequence[Training], plans: Mapping[str, Sequence[Plan]]
) -> tuple[str, bool]:
    """The whole text in Markdown, and whether all targets are met."""
    found = targets(bench, trainings, plans)
    faults = [
        f"{one.recipe} ({cap_words(one.cap_gib)}) ran out of memory after {one.steps} steps: `{one.fault}`"
        for one in trainings
        if one.fault
    ]
    parts = ["\n".join(head_lines(bench, gpu)), table(trainings, plans), NOTES, *faults, target_table(found)]
    return "\n\n".join(parts) + "\n", all(one.met for one in found)
