"""The server's Prometheus metrics, in a registry of their own: several servers in one process count apart."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from serve.completing.request import CompletionEngine
from serve.facts import Facts
from serve.limits import Admission

if TYPE_CHECKING:
    from serve.completing.slots import Counts

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


@runtime_checkable
class CountingEngine(Protocol):
    """An engine that counts its tokens; vLLM does not."""

    @property
    def counts(self) -> "Counts":
        """What was done so far."""
        ...


class EngineTokens(Collector):
    """The engine's own counts, read when they are asked for."""

    def __init__(self, engine: CountingEngine) -> None:
        self.engine = engine

    def collect(self) -> Iterable[CounterMetricFamily]:
        """One metric for each."""
        counts = self.engine.counts
        yield CounterMetricFamily("oneday_engine_read_tokens", "Prompt tokens that the model read", counts.read)
        yield CounterMetricFamily("oneday_engine_cached_tokens", "Prompt tokens from the prefix cache", counts.cached)
        yield CounterMetricFamily("oneday_engine_generated_tokens", "Tokens generated, ends too", counts.generated)
        yield CounterMetricFamily("oneday_engine_steps", "Passes through the model", counts.steps)


class Metrics:
    """All metrics, their names beginning with `oneday_`. `paths` are told apart; any other path is "other"."""

    def __init__(self, engine: CompletionEngine, admission: Admission, paths: frozenset[str]) -> None:
        self.paths = paths
        self.registry = registry = CollectorRegistry()
        by_answer = ("path", "status")
        self.requests = Counter("oneday_requests", "Requests answered", by_answer, registry=registry)
        self.seconds = Histogram(
            "oneday_request_seconds", "Time to answer", ("path",), registry=registry, buckets=SECONDS
        )
        self.rejected = Counter("oneday_rejected", "Requests refused, by reason", ("reason",), registry=registry)
        self.cancelled = Counter("oneday_cancelled", "Requests given up, by reason", ("reason",), registry=registry)
        self.prompt_tokens = Counter("oneday_prompt_tokens", "Tokens of the prompts answered", registry=registry)
        self.new_tokens = Counter("oneday_new_tokens", "Tokens generated for the answers", registry=registry)
        self.http_requests = Gauge("oneday_http_requests", "Requests being answered, of any path", registry=registry)
        in_flight = Gauge("oneday_completions_in_flight", "Completions in the model or waiting", registry=registry)
        in_flight.set_function(lambda: admission.in_flight)
        running = Gauge("oneday_completions_running", "Completions that the model works on", registry=registry)
        running.set_function(lambda: engine.running)
        queued = Gauge("oneday_completions_queued", "Completions that wait", registry=registry)
        queued.set_function(lambda: max(admission.in_flight - engine.running, 0))
        if isinstance(engine, CountingEngine):
            registry.register(EngineTokens(engine))

    def count(self, facts: Facts, seconds: float) -> None:
        """Count a request that is done."""
        path = facts.path if facts.path in self.paths else "other"
        self.requests.labels(path, str(facts.status)).inc()
        self.seconds.labels(path).observe(seconds)
        if facts.gone:
            self.cancelled.labels("disconnect").inc()
        elif facts.refused == "deadline":
            self.cancelled.labels("deadline").inc()
        elif facts.refused is not None:
            self.rejected.labels(facts.refused).inc()
        self.prompt_tokens.inc(facts.prompt_tokens)
        self.new_tokens.inc(facts.new_tokens)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
