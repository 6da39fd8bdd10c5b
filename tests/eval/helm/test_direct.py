"""HELM's scores next to those of a small model itself."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval.helm.direct import direct_faults, direct_score, likeliest
from eval.helm.outputs import RunOutput, read_run
from tests.eval.helm.recorded import state, stats, write_run

if TYPE_CHECKING:
    from serve.transformers_engine import LoadedModel

OPTIONS = ("red", "green", "blue")
QUESTION = "Which one?"


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> "LoadedModel":
    from serve.transformers_engine import load_model

    return load_model(str(tiny_model_dir), None, "float32")


def scored_by_hand(loaded: "LoadedModel", prompt: str) -> list[tuple[str, float]]:
    """Every token of the prompt with its log-probability, one forward pass a token; the first has 0."""
    import torch

    ids = loaded.tokenizer.encode(prompt, add_special_tokens=False)
    tokens = [(loaded.tokenizer.decode([ids[0]]), 0.0)]
    for end in range(1, len(ids)):
        with torch.inference_mode():
            logits = loaded.model(input_ids=torch.tensor([ids[:end]], device=loaded.model.device)).logits[0, -1]
        tokens.append((loaded.tokenizer.decode([ids[end]]), float(torch.log_softmax(logits, -1)[ids[end]])))
    return tokens


def run(loaded: "LoadedModel", folder: Path) -> tuple[list[Any], list[Any]]:
    """What HELM writes of one instance whose options a right server scored."""
    states, means = [], []
    for place, option in enumerate(OPTIONS):
        tokens = scored_by_hand(loaded, f"{QUESTION} {option}")
        length = len(loaded.tokenizer.encode(f" {option}", add_special_tokens=False))
        means.append(sum(logprob for _, logprob in tokens[-length:]) / length)
        states.append(state(0, place, tokens, prompt=f"{QUESTION} {option}"))
    tokens_in_all = sum(len(one["result"]["completions"][0]["tokens"]) for one in states)
    row = stats(0, num_prompt_tokens=(tokens_in_all, 3), max_prob=(likeliest(means), 1))
    return states, [row]


def read(folder: Path, states: list[Any], rows: list[Any]) -> RunOutput:
    return read_run(write_run(folder / "scored", states, rows))


def test_scores_that_are_the_models_have_no_fault(tmp_path: Path, loaded: "LoadedModel") -> None:
    output = read(tmp_path, *run(loaded, tmp_path))
    assert direct_faults(loaded, "float32", output, [output]) == []


def test_options_in_another_order_are_the_same(tmp_path: Path, loaded: "LoadedModel") -> None:
    output = read(tmp_path, *run(loaded, tmp_path))
    turned = replace(output, states=output.states[::-1])
    assert direct_faults(loaded, "float32", turned, [turned]) == []


def test_logprobs_and_a_max_prob_that_are_not_the_models_are_told(tmp_path: Path, loaded: "LoadedModel") -> None:
    states, rows = run(loaded, tmp_path)
    states[1]["result"]["completions"][0]["tokens"][-1]["logprob"] -= 0.01
    rows[0]["stats"][1]["sum"] += 0.01
    output = read(tmp_path, states, rows)
    found = direct_faults(loaded, "float32", output, [output])
    assert len(found) == 2
    assert "option 1: the server's logprobs are" in found[0] and "HELM's max_prob is" in found[1]
    assert direct_faults(loaded, "bfloat16", output, [output]) == []


def test_an_answer_without_the_prompts_tokens_is_told(tmp_path: Path, loaded: "LoadedModel") -> None:
    states, rows = run(loaded, tmp_path)
    states[0]["result"]["completions"][0]["tokens"] = []
    output = read(tmp_path, states, rows)
    assert any("option 0" in fault for fault in direct_faults(loaded, "float32", output, [output]))


def test_a_run_without_max_prob_is_told(tmp_path: Path, loaded: "LoadedModel") -> None:
    states, rows = run(loaded, tmp_path)
    del rows[0]["stats"][1]
    output = read(tmp_path, states, rows)
    assert "max_prob is None" in direct_faults(loaded, "float32", output, [output])[0]


def test_special_tokens_that_helm_counted_are_told(tmp_path: Path, loaded: "LoadedModel") -> None:
    states, rows = run(loaded, tmp_path)
    rows[0]["stats"][0]["sum"] += 3  # one a request
    output = read(tmp_path, states, rows)
    (fault,) = direct_faults(loaded, "float32", output, [output])
    assert "does /tokenize add special tokens?" in fault


def test_the_score_of_an_option_is_the_mean_of_its_own_tokens(tmp_path: Path, loaded: "LoadedModel") -> None:
    output = read(tmp_path, *run(loaded, tmp_path))
    score = direct_score(loaded, output.states[2])
    assert len(score.logprobs) == len(loaded.tokenizer.encode(" blue", add_special_tokens=False))
    assert score.mean == pytest.approx(sum(score.logprobs) / len(score.logprobs))
    assert likeliest([-1.0, -1.0]) == pytest.approx(0.5)
    assert likeliest([-1000.0, -1.0]) == pytest.approx(1.0)


def test_a_run_without_instances_or_their_requests_has_no_scores_to_compare(
    tmp_path: Path, loaded: "LoadedModel"
) -> None:
    states, rows = run(loaded, tmp_path)
    for output in (read(tmp_path / "a", states, []), read(tmp_path / "b", [], rows)):
        assert direct_faults(loaded, "float32", output, []) == []
