"""Answer many groups of prompts on a Ray cluster: one engine a GPU, or one a machine where there are no GPUs.

Every machine needs this project installed and the base model at the same path (or a hub id). A worker that dies, or
whose machine is lost, is replaced where there is room; what it had in hand is done again, everything else stays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from oneday.ray_cluster import connect
from oneday.stage import StageError
from serve.batch import BLANK_LINE, Answers, Group
from serve.engine import Engine, EngineChoice

Key = TypeVar("Key")
IN_HAND = 2  # pieces of work a worker: one in work, one waiting, so that no worker idles and few prompts are held
ROOM_SECONDS = 300  # without a single worker at work: the cluster has no room for one
RETRIES = 3  # how often one piece of work, or the start of a worker, may fail before it is taken for the cause


@dataclass
class Piece(Generic[Key]):
    """Groups of prompts that are answered together, and how often they have lost their worker."""

    key: Key
    groups: Sequence[Group]
    lost: int = 0


class Worker:
    """Lives in a process of the cluster and holds one engine, which it loads when it is first asked for something."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self.load = load

    @cached_property
    def engine(self) -> Engine:
        """The engine."""
        return self.load()

    def ready(self) -> None:
        """Answers once the process runs."""

    def answer(self, groups: Sequence[Group]) -> dict[tuple[str, str], str]:
        """The text generated for each (group name, id)."""
        answers: dict[tuple[str, str], str] = {}
        for group in groups:
            for batch in self.engine.generate(group.prompts, group.max_new_tokens, BLANK_LINE):
                answers |= {(group.name, group.ids[position]): text for position, text in batch}
        return answers


def answer_on_ray(
    work: Iterator[tuple[Key, Sequence[Group]]],
    address: str,
    choice: EngineChoice,
    base_model: str,
    load: Callable[..., Engine],
) -> Iterator[tuple[Key, Answers]]:
    """Yield each key with its answers, in the order in which the cluster finishes them.

    `address` is the cluster's (HOST:PORT, ray://..., auto) or `local`. `load(choice, base_model)` makes an engine.
    Raises ValueError if no cluster answers there, StageError if a piece of work has failed or has cost more than
    RETRIES workers their life, if workers cannot start, or if the cluster has no room for one.
    """
    first = next(work, None)  # with nothing to do no cluster is asked for anything
    if first is None:
        return
    ray = connect(address)
    try:
        crew = Crew[Key](ray, partial(load, *_for_workers(choice, base_model)))
        yield from crew.answer(Piece(*piece) for piece in chain([first], work))
    finally:
        ray.shutdown()


class Crew(Generic[Key]):
    """The workers on the cluster. One that dies is replaced, its work is given out again."""

    def __init__(self, ray: Any, load: Callable[[], Engine]) -> None:
        self.ray = ray
        count, self.resources = _room(ray)
        self.make = partial(
            ray.remote(max_restarts=0, scheduling_strategy="SPREAD", **self.resources)(Worker).remote, load
        )
        self.starting: dict[Any, Any] = {}  # reference -> worker
        self.in_hand: dict[Any, tuple[Piece[Key], Any]] = {}
        self.free: list[Any] = []  # a worker once for each piece that it may still take
        self.gone: list[Any] = []
        self.failed_starts = 0
        for _ in range(count):
            self._start()

    def answer(self, pieces: Iterator[Piece[Key]]) -> Iterator[tuple[Key, Answers]]:
        """See `answer_on_ray`."""
        again: list[Piece[Key]] = []
        while True:
            while self.free and (piece := again.pop() if again else next(pieces, None)) is not None:
                worker = self.free.pop(0)
                self.in_hand[worker.answer.remote(piece.groups)] = piece, worker
            if not self.in_hand and self.free:
                return
            for done in self._wait():
                if done in self.starting:
                    self._started(done)
                    continue
                piece, worker = self.in_hand.pop(done)
                answers = self._result(done, piece, worker)
                if answers is None:
                    again.append(piece)
                    continue
                self.free.append(worker)
                yield piece.key, answers

    def _start(self) -> None:
        worker = self.make()
        self.starting[worker.ready.remote()] = worker

    def _wait(self) -> list[Any]:
        """The next reference that is done, if any is within ROOM_SECONDS."""
        done, _ = self.ray.wait([*self.in_hand, *self.starting], num_returns=1, timeout=ROOM_SECONDS)
        if not done and not self.in_hand:
            raise StageError(
                f"the cluster has had no room for a worker for {ROOM_SECONDS} s: one needs {self.resources}; "
                f"free some, then run again: what is finished stays"
            )
        return list(done)

    def _started(self, reference: Any) -> None:
        """A worker is ready for work, or has failed to start and is replaced."""
        worker = self.starting.pop(reference)
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self.failed_starts += 1
            if self.failed_starts > RETRIES:
                raise StageError(
                    f"no worker can start on the cluster: {error}; every machine needs this project installed"
                ) from error
            self._start()
            return
        self.free += [worker] * IN_HAND

    def _result(self, reference: Any, piece: Piece[Key], worker: Any) -> Answers | None:
        """What a worker answered; None if it is lost, and replaced, and the piece may be tried again."""
        try:
            answers: Answers = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise StageError(f"a worker failed in the work on {_name(piece.key)}: {error.cause}") from error
        except self.ray.exceptions.RayError as error:
            piece.lost += 1
            if piece.lost > RETRIES:
                raise StageError(
                    f"the work on {_name(piece.key)} has lost its worker {piece.lost} times (out of memory?): {error}; "
                    f"what is finished stays. Lower predict.batch_size or give the workers more memory, then run again"
                ) from error
            self._replace(worker)
            return None
        return answers

    def _replace(self, worker: Any) -> None:
        """Start another worker for one that is gone, once."""
        if worker in self.gone:
            return
        self.gone.append(worker)
        self.free = [other for other in self.free if other is not worker]
        self._start()


def _for_workers(choice: EngineChoice, base_model: str) -> tuple[EngineChoice, str]:
    """The choice and the model as they are to be named in another folder; a server keeps the name that it knows."""
    if not Path(base_model).is_dir():
        return choice, base_model
    named = replace(choice, served_model=choice.served_model or base_model) if choice.name == "server" else choice
    return named, str(Path(base_model).resolve())


def _room(ray: Any) -> tuple[int, dict[str, float]]:
    """How many workers, and what each gets: a GPU, or, one a machine, the processors of the smallest machine."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": 1}
    machines = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    processors = [count for count in machines if count >= 1]
    if not processors:
        raise ValueError("the Ray cluster has neither a GPU nor a processor to give; start its nodes with --num-cpus")
    return len(processors), {"num_cpus": min(processors)}


def _name(key: object) -> str:
    return str(getattr(key, "task", key))
