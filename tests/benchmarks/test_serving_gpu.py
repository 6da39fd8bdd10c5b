"""The benchmark's own parts, on a CPU and a tiny Mistral: loads, the peer, and the comparison of the two."""

from pathlib import Path

from benchmarks.serving_gpu import NEW, PROMPT, Load, difference, loads, measure, table
from benchmarks.tiny_mistral import make_tiny_mistral
from oneday.config import load_config
from serve.completing.request import Completion, ScoredToken
from serve.config import ServeConfig

SERVE = Path(__file__).parents[2] / "recipes/mistral-7b-oneday/serve.yaml"


def test_all_loads_say_what_the_peer_says(tmp_path: Path) -> None:
    model = make_tiny_mistral(tmp_path / "model", sliding_window=4096)
    config = load_config(SERVE, ServeConfig).model_copy(update={"precision": "float32"})
    rows = list(measure(config, model, requests=8, device="cpu"))
    assert [(row.load, row.at_once) for row in rows] == [(load.name, load.at_once) for load in loads(8)]
    assert all(row.logprob_difference < 1e-4 and row.requests_per_second > 0 for row in rows)
    assert sum(row.same_texts for row in rows) >= 22  # of 24: two tokens may be as likely as each other
    assert table(rows).count("\n") == 2 + len(rows)


def test_a_load_with_a_common_beginning_has_it_in_every_prompt() -> None:
    one, other = Load("common", 40, 8).requests(2, 32_000)
    assert one.prompt[:40] == other.prompt[:40]
    assert one.prompt[40:] != other.prompt[40:]
    assert {len(one.prompt), len(other.prompt)} == {40 + PROMPT}
    assert one.max_new_tokens == NEW


def test_log_probabilities_are_compared_up_to_the_first_other_token() -> None:
    tokens = (ScoredToken(5, -1.0), ScoredToken(6, -2.0), ScoredToken(7, -3.0))
    assert difference(Completion(tokens, "length"), [(5, -1.25), (9, -9.0), (7, -3.5)]) == 0.25
