"""The soak of benchmarks/serving.py: a real server under mixed requests, good and bad, and clients that leave.

    python -m benchmarks.serving soak [--requests 2000] [--clients 12]

The model is a random two-layer Llama with the real tokenizer, so that thousands of answers take minutes. The largest
requests that the limits allow come first; then all kinds in an order that the seed decides. Wrong are: an
answer of another status than the request deserves, or with faults in it; memory that changes by more than 5 % after
the first quarter; places that stay taken; a server that does not stop when told to. A 503 is retried after the time
that it names.
"""

import asyncio
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.beams import MODEL, PACKAGED
from benchmarks.serving_requests import Sent, largest_requests, mixed_requests
from benchmarks.serving_servers import Server, ours, recipe_to_serve, running
from oneday.console import progress, quiet_libraries

WINDOW, BODY_BYTES = 1024, 65_536
LIMITS = {
    "queue": 8,
    "deadline_seconds": 120,
    "body_bytes": BODY_BYTES,
    "completions": 4,
    "shutdown_seconds": 30,
}
LARGEST = 60  # requests beforehand
GROWTH = 0.05  # of the memory, from the first quarter to the end
RETRIES = 300
NAMED = 10  # faults that are printed
GONE = "client left"
IDLE_SECONDS = 15.0  # within which a server without clients must have given up all that they left


@dataclass
class Outcome:
    """What came of the requests so far."""

    statuses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    retries: int = 0
    memory: list[int] = field(default_factory=list)  # bytes, after each request

    def growth(self) -> float:
        """The memory of the last tenth over that of the requests from 20 % to 30 %, less one."""
        count = len(self.memory)
        warm = statistics.median(self.memory[count // 5 : max(count * 3 // 10, count // 5 + 1)])
        return statistics.median(self.memory[-max(count // 10, 1) :]) / warm - 1


def soak(tokenizer: Path, requests: int, clients: int, engine: str, device: str, seed: int) -> list[str]:
    """Start a server, send all requests, print what came of them; what is wrong."""
    quiet_libraries()
    from oneday.models import ensure_base_model

    if str(tokenizer) == MODEL:
        ensure_base_model(MODEL, PACKAGED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = make_model(tokenizer, folder / "model")
        batching = {"slots": 4, "prefix_cache_tokens": 2048}
        recipe = recipe_to_serve(folder, engine=engine, max_length=WINDOW, limits=LIMITS, batching=batching)
        sent = mixed_requests(requests, seed, WINDOW, BODY_BYTES, vocabulary)
        log = folder / "server.log"
        with running("oneday", ours(recipe, folder / "model", engine, device), 1, log) as server:
            # The memory that the largest requests take once is no leak later.
            first = asyncio.run(send_all(server, largest_requests(LARGEST, WINDOW, BODY_BYTES), clients))
            started = time.monotonic()
            outcome = asyncio.run(send_all(server, sent, clients))
            outcome.faults[:0] = first.faults
            seconds = time.monotonic() - started
            faults = [*outcome.faults[:NAMED], *left_over(server)]
            code = server.stop()
        faults += [f"the server stopped with code {code}"] if code else []
        faults += [f"the server's log has a traceback:\n{line}" for line in tracebacks(log)[:1]]
    if len(outcome.faults) > NAMED:
        faults.append(f"and {len(outcome.faults) - NAMED} more wrong answers")
    if abs(outcome.growth()) > GROWTH:
        faults.append(f"the server's memory changed by {outcome.growth():+.1%}; {GROWTH:.0%} are allowed")
    print_outcome(outcome, seconds, clients)
    return faults


def make_model(tokenizer: Path, folder: Path) -> int:
    """Save a random two-layer Llama for the tokenizer; the number of its tokens.

    Its heads are of size 32, the smallest that vLLM runs on CPU.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from serve.tokens import load_tokenizer

    torch.manual_seed(0)
    words = load_tokenizer(str(tokenizer))
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=WINDOW,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return len(words)


async def send_all(server: Server, sent: Sequence[Sent], clients: int) -> Outcome:
    """Send all requests, `clients` at a time."""
    outcome, waiting = Outcome(), iter(sent)
    with progress(len(sent), "soak", "request") as bar:

        async def client(http: httpx.AsyncClient) -> None:
            for one in waiting:
                await send(server, http, one, outcome)
                outcome.memory.append(server.memory())
                bar.update()

        async with httpx.AsyncClient(base_url=server.url, timeout=180) as http:
            await asyncio.gather(*(client(http) for _ in range(clients)))
    return outcome


async def send(server: Server, http: httpx.AsyncClient, one: Sent, outcome: Outcome) -> None:
    """Send a request, again after each 503, and note what came of it."""
    if one.gone is not None:
        await leave(server, one, one.gone)
        outcome.statuses[one.kind][GONE] += 1
        return
    for _ in range(RETRIES):
        try:
            response = await http.request(one.method, one.path, content=_content(one), headers=_headers(one))
        except httpx.TransportError as error:
            outcome.statuses[one.kind][type(error).__name__] += 1
            outcome.faults.append(f"{one.kind}: {type(error).__name__} {error}; body {shown(one)}")
            return
        if response.status_code != 503:
            break
        outcome.retries += 1
        await asyncio.sleep(float(response.headers["Retry-After"]))
    outcome.statuses[one.kind][str(response.status_code)] += 1
    fault = fault_of(one, response)
    if fault is not None:
        outcome.faults.append(f"{one.kind}: {fault}; body {shown(one)}")


def _content(one: Sent) -> bytes | AsyncIterator[bytes] | None:
    """The body; without its length beforehand, if it is to go in chunks."""
    body = one.body
    if body is None or not one.chunked:
        return body

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 8192):
            yield body[start : start + 8192]

    return chunks()


def _headers(one: Sent) -> dict[str, str]:
    return {} if one.body is None else {"Content-Type": "application/json"}


def shown(one: Sent) -> str:
    """The beginning of a body, for a person."""
    return (one.body or b"").decode(errors="replace")[:300]


def fault_of(one: Sent, response: httpx.Response) -> str | None:
    """What is wrong with an answer; None if nothing is."""
    if response.status_code not in one.statuses:
        return f"status {response.status_code}, not {sorted(one.statuses)}: {response.text:.200}"
    if response.status_code != 200 or one.path == "/metrics":
        return None
    return one.check(response.json())


async def leave(server: Server, one: Sent, seconds: float) -> None:
    """Send a request, or half of one that is given no time, and close the connection without waiting for an answer."""
    body = one.body or b""
    head = (
        f"POST {one.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(server.url).port)
    writer.write(head.encode() + (body if seconds else body[: len(body) // 2]))
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()


def left_over(server: Server) -> list[str]:
    """What the server still has in work without any client; waits for what was given up last."""
    names = ("oneday_completions_in_flight", "oneday_completions_running", "oneday_completions_queued")
    until = time.monotonic() + IDLE_SECONDS
    while True:
        values = gauges(httpx.get(f"{server.url}/metrics", timeout=30).text.splitlines())
        busy = [f"{name} is {values[name]:g} without a client" for name in names if values[name]]
        if not busy or time.monotonic() > until:
            return busy
        time.sleep(0.2)


def gauges(lines: Iterable[str]) -> dict[str, float]:
    """Prometheus' metrics without labels."""
    pairs = (line.split(" ") for line in lines if not line.startswith("#") and "{" not in line)
    return {name: float(value) for name, value in pairs}


def tracebacks(log: Path) -> list[str]:
    """The log's lines with a traceback."""
    return [line for line in log.read_text(encoding="utf-8").splitlines() if "Traceback" in line]


def print_outcome(outcome: Outcome, seconds: float, clients: int) -> None:
    """Print the table of kinds and statuses, and the memory."""
    count = sum(sum(found.values()) for found in outcome.statuses.values())
    print(f"{count} requests by {clients} clients in {seconds:.0f} s, {outcome.retries} retried after a 503\n")
    print("| request | sent | answered |\n|---|---:|---|")
    for kind, found in sorted(outcome.statuses.items()):
        answered = ", ".join(f"{status}: {number}" for status, number in sorted(found.items()))
        print(f"| {kind} | {sum(found.values())} | {answered} |")
    tenths = (outcome.memory[len(outcome.memory) * (tenth + 1) // 10 - 1] for tenth in range(10))
    print(f"\nmemory after each tenth, MiB: {', '.join(f'{size / 2**20:.0f}' for size in tenths)}")
    print(f"{outcome.growth():+.1%} from 20 to 30 % of the requests to the last tenth")
