"""A run folder in the shape that HELM 0.5.16 writes, for tests to spoil: two instances with three options each."""

import json
from pathlib import Path
from typing import Any

LOG = """\
2026-01-02 03:04:05,000 INFO       2 entries produced 2 run specs
Looking in path: prod_env
2026-01-02 03:04:06,000 INFO       Running simple_mcqa:model=neurips_local {
2026-01-02 03:04:06,100 INFO         Running late for {
[nltk_data] Error loading punkt_tab: <urlopen error [Errno -2] Name or service not known>
2026-01-02 03:04:16,500 INFO       } [10.5s]
2026-01-02 03:04:16,500 INFO       Running dyck_language_np=3:model=neurips_local {
2026-01-02 03:04:18,750 INFO       Done.
2026-01-02 03:04:18,750 INFO     } [13.7s]
"""
RETRIED = "2026-01-02 03:04:07,000 INFO             Request failed. Retrying (attempt #2) in 10 seconds... (See above)"


def state(
    number: int, option: int | None, tokens: list[tuple[str, float]], prompt: str = "One two", **request: Any
) -> Any:
    """A request with its answer; with `option`, one that scores this option."""
    references = [{"output": {"text": text}, "tags": []} for text in ("red", "green", "blue")]
    asked = {"prompt": prompt, "max_tokens": 0 if option is not None else 5, "stop_sequences": ["\n"]}
    completion = {
        "text": "".join(text for text, _ in tokens),
        "logprob": sum(logprob for _, logprob in tokens),
        "tokens": [{"text": text, "logprob": logprob} for text, logprob in tokens],
    }
    return {
        "instance": {"id": f"id{number}", "input": {"text": "?"}, "references": references, "split": "test"},
        "request": asked | {"echo_prompt": option is not None} | request,
        "result": {"success": True, "completions": [completion], "request_time": 0.5, "cached": False},
        "prompt_truncated": False,
    } | ({} if option is None else {"reference_index": option})


def stats(number: int, **values: tuple[float, int]) -> Any:
    """One instance's statistics: name -> (sum, count)."""
    rows = [
        {"name": {"name": name, "split": "test"}, "sum": sum_, "count": count} for name, (sum_, count) in values.items()
    ]
    return {"instance_id": f"id{number}", "train_trial_index": 0, "stats": rows}


def generated() -> tuple[list[Any], list[Any]]:
    """States and statistics of a run of two instances, a request each."""
    states = [state(number, None, [(" A", -0.5), (" man", -1.5)]) for number in range(2)]
    rows = [
        stats(
            number,
            num_prompt_tokens=(2, 1),
            num_completion_tokens=(2, 1),
            inference_runtime=(0.5, 1),
            exact_match=(float(number), 1),
        )
        for number in range(2)
    ]
    return states, rows


def write_run(folder: Path, states: list[Any], rows: list[Any]) -> Path:
    """The two files of a run that are read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario_state.json").write_text(json.dumps({"request_states": states}), encoding="utf-8")
    (folder / "per_instance_stats.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def write_whole_run(folder: Path) -> Path:
    """A finished run: all files that HELM writes of one; two instances, a request each."""
    write_run(folder, *generated())
    for name in ("run_spec", "scenario", "stats"):
        (folder / f"{name}.json").write_text("[]", encoding="utf-8")
    return folder
