"""What a run of HELM must hold, as lists of faults in words: `helm-run` ends with 0 also where it evaluated nothing."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from eval.helm.entries import WINDOW, Entry
from eval.helm.logs import failures, runs_planned
from eval.helm.outputs import RequestState, RunOutput
from eval.helm.running import THREADS, HelmRun

SHOWN_FAULTS = 5  # of one kind
CLOSE = 1e-3  # between a sum of log-probabilities and the server's own


def log_faults(run: HelmRun, entries: Sequence[Entry]) -> list[str]:
    """Retries and failures that HELM's log tells of, and runs that are too many or too few."""
    text = run.log.read_text(encoding="utf-8")
    faults = [f"{run.log} tells of a failed request: {line}" for line in failures(text)[:SHOWN_FAULTS]]
    planned = runs_planned(text)
    if not len(entries) == planned == len(run.runs):
        faults.append(
            f"{len(entries)} entries, but HELM planned {planned} runs and began {len(run.runs)}; see {run.log}"
        )
    return faults


def run_faults(entry: Entry, output: RunOutput, seconds: float) -> list[str]:
    """Everything that is wrong with one run."""
    faults = [*_count_faults(entry, output), *_time_faults(output.states, seconds)]
    for state in output.states:
        faults += [f"instance {state.instance.id}: {fault}" for fault in _answer_faults(state)]
    faults += _stat_faults(output)
    if output.mean(entry.metric) is None:
        faults.append(f"HELM computed no {entry.metric}")
    if len(faults) > SHOWN_FAULTS:
        faults = [*faults[:SHOWN_FAULTS], f"and {len(faults) - SHOWN_FAULTS} more"]
    return [f"{entry.name}: {fault}" for fault in faults]


def _count_faults(entry: Entry, output: RunOutput) -> Iterator[str]:
    """Instances and requests that are too many or too few; truncation where none, or none where it must be."""
    evaluated = {row.instance_id for row in output.instances}
    if len(evaluated) != entry.instances:
        yield f"{len(evaluated)} instances were evaluated, {entry.instances} must be"
    if len(output.states) != entry.requests:
        yield f"{len(output.states)} requests, {entry.requests} must be"
    truncated = sum(state.prompt_truncated for state in output.states)
    if truncated != (len(output.states) if entry.truncated else 0):
        wanted = "all" if entry.truncated else "none"
        yield f"{truncated} of {len(output.states)} prompts were cut, {wanted} must be; look at /tokenize and /decode"


def _time_faults(states: Sequence[RequestState], seconds: float) -> Iterator[str]:
    """Request times that are no seconds: HELM's threads cannot have waited longer than the run took."""
    times = [state.result.request_time for state in states]
    if any(not 0 < time < seconds for time in times):
        yield f"request_time is between {min(times)} and {max(times)}; it must be seconds, and the run took {seconds}"
    elif sum(times) > THREADS * seconds:
        yield f"the request_times add up to {sum(times):.1f} s, but {THREADS} threads took {seconds} s"


def request_faults(states: Sequence[RequestState]) -> list[str]:
    """Everything that is wrong with the requests of a run, whatever it asks; that it asks nothing is a fault too."""
    if not states:
        return ["0 instances were evaluated"]
    faults = [f"instance {state.instance.id}: {fault}" for state in states for fault in _answer_faults(state)]
    return [*faults[:SHOWN_FAULTS], *([f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else [])]


def refused(answered: Mapping[tuple[str, str], int]) -> list[str]:
    """The answers of the server that are no success, by its own count."""
    return [
        f"the server answered {count} requests to {path} with {status}"
        for (path, status), count in sorted(answered.items())
        if not status.startswith("2") and count
    ]


def _answer_faults(state: RequestState) -> Iterator[str]:
    """An answer that contradicts itself or its request."""
    request, completion = state.request, state.completion
    if not state.result.success:
        yield "HELM counts the request as failed"
    logprobs = [token.logprob for token in completion.tokens]
    if any(not math.isfinite(value) or value > CLOSE for value in (completion.logprob, *logprobs)):
        yield "a logprob is not finite or above 0"
    elif abs(sum(logprobs) - completion.logprob) > CLOSE * max(len(logprobs), 1):
        yield f"logprob is {completion.logprob}, but the tokens' add up to {sum(logprobs)}"
    if (joined := "".join(token.text for token in completion.tokens)) != completion.text:
        yield f"the text has {len(completion.text)} characters, but its tokens join to {len(joined)} others"
    if request.echo_prompt:
        if not completion.text.startswith(request.prompt):
            yield "echo_prompt, but the text does not begin with the prompt"
        return
    if len(completion.tokens) > request.max_tokens:
        yield f"{len(completion.tokens)} tokens, but max_new_tokens was {request.max_tokens}"
    if any(stop in completion.text for stop in request.stop_sequences):
        yield f"the text holds one of the stop sequences {request.stop_sequences}"


def _stat_faults(output: RunOutput) -> Iterator[str]:
    """Statistics that do not fit the answers: token counts that HELM took from /tokenize or from the tokens."""
    by_instance: dict[str, list[RequestState]] = {}
    for state in output.states:
        by_instance.setdefault(state.instance.id, []).append(state)
    for row in output.instances:
        states = by_instance.get(row.instance_id, [])
        for name in ("num_prompt_tokens", "num_completion_tokens", "inference_runtime"):
            stat = row.stat(name)
            if stat is None or stat.count != len(states) or not math.isfinite(stat.sum):
                yield f"instance {row.instance_id}: no whole {name}"
                return
            if name == "num_completion_tokens" and stat.sum != sum(len(state.completion.tokens) for state in states):
                yield f"instance {row.instance_id}: {name} is {stat.sum}, not the number of tokens"
            if name == "num_prompt_tokens" and not 0 < stat.sum <= sum(
                WINDOW - state.request.max_tokens for state in states
            ):
                yield f"instance {row.instance_id}: {name} is {stat.sum}, which does not fit the window of {WINDOW}"


def server_faults(answered: Mapping[tuple[str, str], int], entries: Sequence[Entry]) -> list[str]:
    """What the server's own count says: (path, status) -> answers since before HELM began."""
    totals: Counter[str] = Counter()
    for (path, _), count in answered.items():
        totals[path] += count
    wanted = {
        "/process": sum(entry.requests for entry in entries),
        "/decode": sum(entry.decode_calls for entry in entries),
        "/tokenize": sum(entry.tokenize_calls for entry in entries),
    }
    return refused(answered) + [
        f"the server answered {totals[path]} requests to {path}, HELM needs {count}: more are retries, or a truncated "
        "text that does not fit; fewer never came"
        for path, count in wanted.items()
        if totals[path] != count
    ]


def summary_faults(folder: Path, runs: Sequence[str], groups: Sequence[str]) -> list[str]:
    """What helm-summarize left out: it must list every run, and write a table with a row for each group."""
    listed = folder / "runs.json"
    if not listed.is_file():
        return [f"helm-summarize wrote no {listed}"]
    names = {run["run_spec"]["name"] for run in json.loads(listed.read_text(encoding="utf-8"))}
    faults = [f"helm-summarize left out the run {name}" for name in runs if name not in names]
    for group in groups:
        path = folder / "groups" / f"{group}.json"
        tables = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        if not any(table["rows"] for table in tables):
            faults.append(f"helm-summarize wrote no row into {path}")
    return faults
