"""benchmarks/serving.py measures real servers over HTTP, compares like with like, and fails where it must."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import serving
from benchmarks.serving import Comparison, Shape
from benchmarks.serving_load import Answer, Load, differences, largest_logprob_difference
from benchmarks.serving_plain import answer
from benchmarks.serving_servers import RECIPE, recipe_to_serve, running
from oneday.machine import free_port

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def token(text: str, logprob: float = -0.5, other: float = -2.0) -> dict[str, Any]:
    return {"text": text, "logprob": logprob, "top_logprob": {text: logprob, "other": other}}


def load(server: str, texts: Sequence[str], seconds: float = 1.0, cpu: float = 1.0, **scores: float) -> Load:
    answers = [Answer(text, [token(letter, **scores) for letter in text], seconds + n) for n, text in enumerate(texts)]
    return Load(server, answers, 10.0, cpu)


def comparison(theirs: Load, ours: Load, target: float = 2.0) -> Comparison:
    return Comparison(Shape("toy", ["p"] * len(theirs.answers), target), theirs, ours)


def test_rates_and_latencies_are_those_of_the_answers() -> None:
    found = load("any", ["ab"] * 20, cpu=4.0)
    assert (found.rate, found.cpu_rate, found.new_tokens) == (2.0, 5.0, 40)
    assert (found.latency(0.5), found.latency(0.95)) == (11.0, 20.0)


def test_a_comparison_without_faults_has_none() -> None:
    assert comparison(load("theirs", ["ab", "cd"], cpu=2.0), load("ours", ["ab", "cd"])).faults() == []


def test_too_few_requests_a_cpu_second_are_a_fault() -> None:
    (fault,) = comparison(load("theirs", ["ab"], cpu=1.9), load("ours", ["ab"])).faults()
    assert fault == "toy: 1.90 times the requests a CPU second; the target is 2.0"


def test_a_longer_p95_is_a_fault() -> None:
    (fault,) = comparison(load("theirs", ["ab"], cpu=2.0), load("ours", ["ab"], seconds=1.5)).faults()
    assert fault == "toy: p95 is 1.50 s; the plain server has 1.00 s"


def test_another_text_is_a_fault_unless_two_tokens_tie() -> None:
    theirs, ours = load("theirs", ["abc"], cpu=2.0), load("ours", ["abd"])
    assert comparison(theirs, ours).faults() == ["toy: 1 texts differ, and not by a tie"]
    theirs, ours = load("theirs", ["abc"], cpu=2.0, other=-0.5001), load("ours", ["abd"], other=-0.5001)
    assert comparison(theirs, ours).faults() == []


def test_a_last_character_that_is_not_complete_is_no_difference() -> None:
    assert differences(load("theirs", ["ab\ufffd"]), load("ours", ["ab"])) == []


def test_a_text_that_goes_on_differs_at_its_next_token() -> None:
    (found,) = differences(load("theirs", ["ab"]), load("ours", ["abc"], logprob=-1.0))
    assert (found.number, found.theirs, found.ours, found.gap) == (0, "ab", "abc", 1.0)


def test_log_probabilities_are_compared_where_the_texts_are_the_same() -> None:
    theirs, ours = load("theirs", ["ab", "x"]), load("ours", ["ab", "y"], logprob=-0.25)
    assert largest_logprob_difference(theirs, ours) == 0.25
    assert largest_logprob_difference(theirs, replace(ours, answers=[Answer("", [], 1.0)] * 2)) == 0.0


def test_the_plain_server_answers_greedily_with_raw_log_probabilities(tiny_model_dir: Path) -> None:
    import torch

    from serve.transformers_engine import load_model

    loaded = load_model(str(tiny_model_dir), dtype="float32")
    said = answer(loaded, "### Input:\nWhich one?", 6, 2)
    ids = loaded.tokenizer("### Input:\nWhich one?")["input_ids"]
    with torch.inference_mode():
        for one in said["tokens"]:
            scores = loaded.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            ids.append(int(scores.argmax()))
            assert one["logprob"] == pytest.approx(float(scores.max()), abs=1e-4)
            assert max(one["top_logprob"].values()) == one["logprob"]
    assert 0 < len(said["tokens"]) <= 6
    assert said["text"] == loaded.tokenizer.decode(ids[-len(said["tokens"]) :])


def test_prompts_share_400_tokens_or_none(tiny_tokenizer: "PreTrainedTokenizerFast") -> None:
    from serve.engine import shared_prefix_length

    unrelated, few_shot = serving.shapes(tiny_tokenizer, 12)
    tokens = [tiny_tokenizer(prompt)["input_ids"] for prompt in unrelated.prompts]
    assert {len(row) for row in tokens} == {60}
    assert shared_prefix_length(tokens) < 6
    tokens = [tiny_tokenizer(prompt)["input_ids"] for prompt in few_shot.prompts]
    assert 400 <= shared_prefix_length(tokens) < 430
    assert (unrelated.target, few_shot.target) == (2.3, 4.0)


def test_more_requests_than_articles_are_refused(capsys: pytest.CaptureFixture[str], tiny_model_dir: Path) -> None:
    assert serving.main(["compare", "--model", str(tiny_model_dir), "--requests", "100000"]) == 1
    assert "--requests 100000: there are" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "code"), [([], 1), (["--no-target"], 0)])
def test_a_fault_is_a_failure(
    flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "compare", lambda *_: ["toy: too slow"])
    assert serving.main(flags) == code
    assert capsys.readouterr().err == ("Error: toy: too slow\n" if code else "")


def test_a_server_that_does_not_come_up_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"the server none did not come up(.|\n)*No module named"),
        running("none", ["no_such_module"], 1, tmp_path / "log"),
    ):
        pass


def test_a_recipe_is_served_with_the_settings_asked_for(tmp_path: Path) -> None:
    from oneday.recipe import load_recipe

    recipe = load_recipe(recipe_to_serve(tmp_path, wrap=None, rules=[], max_length=77))
    assert (recipe.serve.wrap, recipe.serve.max_length) == (None, 77)
    assert recipe.rules.steps == []


def test_a_recipe_is_served_with_its_own_rules_where_none_are_asked_for(tmp_path: Path) -> None:
    from oneday.recipe import load_recipe

    assert load_recipe(recipe_to_serve(tmp_path, max_length=77)).rules == load_recipe(RECIPE).rules


def test_a_free_port_is_free() -> None:
    async def work() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", free_port())
        server.close()

    asyncio.run(work())


@pytest.mark.slow
def test_both_servers_say_the_same(tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--requests", "5", "--clients", "3", "--new-tokens", "4", "--no-target"]
    assert serving.main(["compare", "--model", str(tiny_model_dir), *sizes]) == 0
    output = capsys.readouterr().out
    assert output.count("5 of 5 texts are the same") == 2
    assert output.count("| plain, 1 at a time |") == output.count("| oneday |") == 2


@pytest.mark.slow
def test_one_shape_can_be_measured_alone(tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--requests", "2", "--clients", "2", "--new-tokens", "2", "--no-target", "--shape", "few-shot"]
    assert serving.main(["compare", "--model", str(tiny_model_dir), *sizes]) == 0
    output = capsys.readouterr().out
    assert "few-shot: 2 requests, 4" in output
    assert "unrelated" not in output
