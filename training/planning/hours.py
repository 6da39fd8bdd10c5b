"""The hours of a training by part: floating-point operations over the card's peak times an assumed efficiency.

Counted per token: 2 operations a weight in the forward pass, 2 in the backward pass towards the inputs, 2 for the
gradient of a trained weight, and the decoder's forward pass once more where it is recomputed; attention by the pairs
of tokens; a teacher's forward pass. Without a measurement (`--measure`) the efficiency is an assumption.
"""

from dataclasses import dataclass

from training.planning.cards import Card
from training.planning.geometry import Geometry
from training.planning.packing import Epoch
from training.planning.settings import TrainSettings
from training.planning.steps import Steps
from training.planning.teaching import teacher_operations
from training.planning.weights import (
    adapter_parameters,
    compute_width,
    optimizer_bytes,
    stored_bytes,
    trained_parameters,
)

# Assumptions, not measured by this project on any card: the share of the peak that a training reaches. The lower one is
# for adapters by peft's own layers, or attention with a mask: many small operations between the large products.
FUSED, PLAIN = 0.45, 0.35
LEAST, MOST = 0.25, 0.60  # the range within which the truth is expected, for the shown range of hours
ON_CPU = 0.6  # of the speed of one large product in float32, which is measured
DISK = 0.5e9  # bytes a second, for checkpoints and for loading the model
START = 90.0  # seconds for imports, tokenising and set-up
STORED_WIDTH = 2  # bytes of a published weight


@dataclass(frozen=True)
class Hours:
    """Seconds by part, and the efficiency that was assumed; None where a measurement is used."""

    start: float
    train: float
    evaluate: float
    save: float
    efficiency: float | None
    tokens_per_second: float

    @property
    def total(self) -> float:
        """All parts, in hours."""
        return (self.start + self.train + self.evaluate + self.save) / 3600

    def at(self, efficiency: float) -> float:
        """The total in hours if another share of the peak were reached."""
        if self.efficiency is None:
            return self.total
        computing = (self.train + self.evaluate) * self.efficiency / efficiency
        return (self.start + self.save + computing) / 3600


@dataclass(frozen=True)
class Measured:
    """What a few real steps took on this card with these settings: seconds, and GiB at the most."""

    step: float
    evaluation: float | None
    save: float | None
    peak_gib: float


@dataclass(frozen=True)
class Work:
    """All that is to be computed: the rows of a split once, and how often."""

    train: Epoch
    evaluate: Epoch | None
    steps: Steps
    gpus: int
    teacher: Geometry | None = None


def hours(geometry: Geometry, settings: TrainSettings, work: Work, card: Card, efficiency: float) -> Hours:
    """How long the training takes if it reaches this share of the card's peak; see the module."""
    speed, steps = _speed(card, settings, efficiency), work.steps
    operations = train_operations(geometry, settings, work.train)
    operations += teacher_operations(work.teacher, work.train) if work.teacher else 0.0
    one = operations / max(work.train.micro_batches, 1)
    training = steps.micro_batches * (one / speed + _reading(geometry, settings, card))
    testing = 0.0
    if work.evaluate:
        testing = steps.evaluations * forward_operations(geometry, settings, work.evaluate) / work.gpus / speed
    trained = trained_parameters(geometry, settings)
    saving = steps.saves * (stored_bytes(trained) + optimizer_bytes(trained, settings.optimizer)) / DISK
    loaded = geometry.parameters + (work.teacher.parameters if work.teacher else 0)
    start = START + loaded * STORED_WIDTH / DISK
    return Hours(start, training, testing, saving, efficiency, _rate(work, training))


def with_measured(calculated: Hours, work: Work, measured: Measured) -> Hours:
    """The same with what was measured in the place of what was assumed."""
    steps = work.steps
    training = steps.total * measured.step
    testing = calculated.evaluate if measured.evaluation is None else steps.evaluations * measured.evaluation
    saving = calculated.save if measured.save is None else steps.saves * measured.save
    return Hours(calculated.start, training, testing, saving, None, _rate(work, training))


def _rate(work: Work, seconds: float) -> float:
    """Tokens a second on all devices together, padding included."""
    computed = work.train.computed / max(work.train.micro_batches, 1) * work.steps.micro_batches * work.gpus
    return computed / seconds if seconds else 0.0


def assumed_efficiency(settings: TrainSettings, masked: bool, card: Card) -> float:
    """The share of the peak that is assumed: the higher one for fused adapters, or none, with attention by borders."""
    if card.is_cpu:
        return ON_CPU
    return PLAIN if masked or (settings.adapter and not settings.kernels) else FUSED


def forward_operations(geometry: Geometry, settings: TrainSettings, epoch: Epoch) -> float:
    """Of one pass over the rows without gradients, output layer included."""
    inner, adapters = _inner(geometry), sum(p.numbers for p in adapter_parameters(geometry, settings))
    return epoch.computed * 2.0 * (inner + adapters + _head(geometry)) + _attention(geometry, epoch)


def train_operations(geometry: Geometry, settings: TrainSettings, epoch: Epoch) -> float:
    """Of one epoch with gradients."""
    inner, head = _inner(geometry), _head(geometry)
    adapters = sum(p.numbers for p in adapter_parameters(geometry, settings))
    full = settings.adapter is None
    passes = 4.0 + (2.0 if full else 0.0) + (2.0 if settings.recomputes else 0.0)
    of_adapters = 6.0 + (2.0 if settings.recomputes else 0.0)
    per_token = passes * inner + of_adapters * adapters + (6.0 if full else 4.0) * head
    # A backward pass of attention is five products where the forward pass is two.
    attention = _attention(geometry, epoch) * (3.5 + (1.0 if settings.recomputes else 0.0))
    return epoch.computed * per_token + attention


def _inner(geometry: Geometry) -> int:
    return sum(matrix.parameters for matrix in geometry.linears)


def _head(geometry: Geometry) -> int:
    return geometry.vocabulary * geometry.hidden


def _attention(geometry: Geometry, epoch: Epoch) -> float:
    """Two products for each pair of tokens, in every head of every layer."""
    return 4.0 * epoch.pairs * geometry.query_width * geometry.layers


def _speed(card: Card, settings: TrainSettings, efficiency: float) -> float:
    """Operations a second. With tf32, float32 products run on tensor cores at half the 16-bit speed."""
    if settings.half:
        peak = card.bf16
    else:
        peak = max(card.fp32, card.bf16 / 2) if settings.tf32 and not card.is_cpu else card.fp32
    return peak * 1e12 * efficiency


def _reading(geometry: Geometry, settings: TrainSettings, card: Card) -> float:
    """Seconds a micro-batch to unpack 4-bit weights: read, and written in 16 bits, once for each pass."""
    if not settings.load_in_4bit or not card.bandwidth:
        return 0.0
    moved = _inner(geometry) * (0.5 + compute_width(settings))
    return moved * (3 if settings.recomputes else 2) / (card.bandwidth * 1e9)
