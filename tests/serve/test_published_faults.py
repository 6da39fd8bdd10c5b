"""The 13 faults of the servers published for the challenge, none of which this one has: on a tiny model, for real."""

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serve.app import create_app
from serve.completing.request import CompletionEngine
from tests.serve.asgi import Client, post
from tests.serve.toy_engine import NO_RULES, ToyEngine, client_of, config, rule_set, with_beginning

WINDOW = 256
PROMPT = "### Instruction:\nChoose the option.\n\n### Input:\nWhich one?\n\n### Response:\n"
Answer = dict[str, Any]


def plain_scores(model_dir: Path, ids: list[int]) -> "Any":
    """The log-probabilities of every next token by a plain forward pass, [tokens, vocabulary]."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(model_dir)(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits.float(), -1)


def test_fault_1_decode_is_there_and_inverts_tokenize(call: Callable[..., Answer]) -> None:
    for text in ("The capital\n\n of  France ", "  \n\t", "naïve 你好 👨‍👩‍👧", ""):
        assert call("/decode", tokens=call("/tokenize", text=text)["tokens"])["text"] == text


def test_fault_2_a_prompt_longer_than_the_window_is_answered(call: Callable[..., Answer]) -> None:
    long = "word " * 2000
    answer = call("/process", prompt=long, temperature=0, max_new_tokens=8)
    assert len(answer["tokens"]) <= 8
    tail = call("/process", prompt=long[-WINDOW:], temperature=0, max_new_tokens=8)
    assert answer["text"] == tail["text"]
    assert call("/process", prompt="a", temperature=0, max_new_tokens=10_000)["tokens"]


def test_fault_3_request_time_is_in_seconds(tiny_tokenizer: Any) -> None:
    client = client_of(ToyEngine(tiny_tokenizer, seconds=0.2))
    assert 0.2 <= client.post("/process", json={"prompt": "a"}).json()["request_time"] < 3
    assert 0 <= client.post("/tokenize", json={"text": "a"}).json()["request_time"] < 0.2
    assert 0 <= client.post("/decode", json={"tokens": [5]}).json()["request_time"] < 0.2


def test_fault_4_a_stop_sequence_ends_the_text_and_the_generation(
    tiny_tokenizer: Any, call: Callable[..., Answer]
) -> None:
    whole = call("/process", prompt=PROMPT, temperature=0, max_new_tokens=40)
    stop = whole["text"][10:12]
    cut = call("/process", prompt=PROMPT, temperature=0, max_new_tokens=40, stop_sequences=["never", stop])
    assert cut["text"] == whole["text"][: whole["text"].index(stop)]
    toy = ToyEngine(tiny_tokenizer)
    client_of(toy).post("/process", json={"prompt": "a", "stop_sequences": ["\n", "Q:"]})
    assert toy.asked[0].stop == ("\n", "Q:")


def test_fault_4_sampling_settings_reach_the_engine_and_top_k_per_token_only_reports(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    body = {"prompt": "a", "top_p": 0.5, "top_k": 7, "top_k_per_token": 3, "temperature": 0.7, "seed": 5}
    answer = client_of(toy).post("/process", json=body).json()
    sampling = toy.asked[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed) == (0.7, 0.5, 7, 5)
    assert toy.asked[0].alternatives == 3 and len(answer["tokens"][0]["top_logprob"]) == 3
    assert toy.asked[0].max_new_tokens == 50
    client_of(toy).post("/process", json={"prompt": "a", "top_k_per_token": 5})
    assert toy.asked[1].sampling.top_k == 0


@pytest.mark.parametrize("name", ["num_return_sequences", "num_samples"])
def test_fault_4_all_completions_are_given_and_the_first_is_on_top(call: Callable[..., Answer], name: str) -> None:
    body = {"prompt": PROMPT, "temperature": 1.0, "max_new_tokens": 12, "seed": 3}
    answer = call("/process", **body, **{name: 4})
    completions = answer["completions"]
    assert len({completion["text"] for completion in completions}) == 4
    assert completions[0] == {key: answer[key] for key in ("text", "tokens", "logprob")}
    one = call("/process", **body)
    assert (one["text"], "completions" in one) == (answer["text"], False)


@pytest.mark.parametrize("temperature", [0, 1e-7, 1e-6])
def test_fault_5_small_temperatures_are_greedy_and_scores_are_those_of_the_raw_logits(
    tiny_model_dir: Path, call: Callable[..., Answer], temperature: float
) -> None:
    ids = call("/tokenize", text=PROMPT)["tokens"]
    answer = call("/process", prompt=PROMPT, temperature=temperature, max_new_tokens=6, top_k_per_token=5)
    for token in answer["tokens"]:
        scores = plain_scores(tiny_model_dir, ids)[-1]
        ids.append(int(scores.argmax()))
        assert token["logprob"] == pytest.approx(float(scores.max()), abs=1e-3)
        assert max(token["top_logprob"].values()) == token["logprob"]
        assert 0 < sum(map(math.exp, token["top_logprob"].values())) < 1
    assert answer["logprob"] == pytest.approx(sum(token["logprob"] for token in answer["tokens"]))
    assert math.exp(answer["tokens"][0]["logprob"]) < 0.999


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": 0},
        {"temperature": 1.0, "seed": 1, "top_k": 50},
        {"temperature": 5.0, "seed": 2},
        {"temperature": 0, "stop_sequences": ["e", "a", " "]},
        {"temperature": 0, "echo_prompt": True},
    ],
)
@pytest.mark.parametrize("rules", [[], ["strip"], ["cut_at_blank_line", "strip"], ["fix_spaces", "first_line"]])
def test_faults_6_and_7_tokens_join_to_the_text_and_their_scores_to_its_score(
    tiny_engine: CompletionEngine, body: dict[str, Any], rules: list[str]
) -> None:
    client = client_of(tiny_engine, rules=rule_set(*rules))
    answer = client.post("/process", json={"prompt": "  naïve 你好 👍", "max_new_tokens": 60} | body).json()
    assert "".join(token["text"] for token in answer["tokens"]) == answer["text"]
    assert answer["logprob"] == pytest.approx(sum(token["logprob"] for token in answer["tokens"]))
    assert all(math.isfinite(token["logprob"]) and token["logprob"] <= 0 for token in answer["tokens"])


def test_fault_8_an_echoed_prompt_comes_with_as_many_scored_tokens_as_tokenize_gives(
    tiny_model_dir: Path, call: Callable[..., Answer]
) -> None:
    prompt = "Which one? naïve 👍\n"
    ids = call("/tokenize", text=prompt)["tokens"]
    answer = call("/process", prompt=prompt, echo_prompt=True, max_new_tokens=0, temperature=0)
    scores = plain_scores(tiny_model_dir, ids)
    wanted = [0.0, *(float(scores[place, token]) for place, token in enumerate(ids[1:]))]
    assert answer["text"] == prompt
    assert [token["logprob"] for token in answer["tokens"]] == pytest.approx(wanted, abs=1e-3)
    longer = call("/process", prompt=prompt, echo_prompt=True, max_new_tokens=5, temperature=0)
    alone = call("/process", prompt=prompt, max_new_tokens=5, temperature=0)
    assert longer["text"] == prompt + alone["text"]
    assert longer["tokens"][len(ids) :] == alone["tokens"]


def test_fault_8_no_new_tokens_and_no_echo_is_an_empty_text(call: Callable[..., Answer]) -> None:
    answer = call("/process", prompt="a", max_new_tokens=0, num_samples=2)
    assert (answer["text"], answer["tokens"], answer["logprob"]) == ("", [], 0)
    assert len(answer["completions"]) == 2


@pytest.mark.parametrize("prompt", ["The capital of France is ", ""])
def test_fault_9_a_bare_prompt_is_answered(call: Callable[..., Answer], prompt: str) -> None:
    answer = call("/process", prompt=prompt)
    assert set(answer) == {"text", "tokens", "logprob", "request_time"} and len(answer["tokens"]) <= 50


def test_fault_9_the_content_type_does_not_matter(tiny_engine: CompletionEngine) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        response = client_of(tiny_engine).post(
            "/process", content=b'{"prompt": "a"}', headers={"content-type": content_type}
        )
        assert response.status_code == 200


def test_fault_10_tokenize_truncates_as_told_and_adds_nothing(call: Callable[..., Answer], tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    assert call("/tokenize", text=PROMPT)["tokens"] == ids
    assert call("/tokenize", text=PROMPT, truncation=False, max_length=5)["tokens"] == ids
    assert call("/tokenize", text=PROMPT, truncation=True, max_length=5)["tokens"] == ids[:5]


def test_fault_10_no_beginning_of_sequence_is_counted_or_echoed_but_the_model_reads_it(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(with_beginning(tiny_tokenizer))
    client = client_of(toy)
    ids = client.post("/tokenize", json={"text": "Which one?"}).json()["tokens"]
    assert client.post("/decode", json={"tokens": ids}).json()["text"] == "Which one?"
    body = {"prompt": "Which one?", "echo_prompt": True, "max_new_tokens": 0}
    answer = client.post("/process", json=body).json()
    assert (answer["text"], len(answer["tokens"])) == ("Which one?", len(ids))
    assert toy.asked[0].prompt == (toy.tokenizer.bos_token_id, *ids) and answer["tokens"][0]["logprob"] < 0


WRAP = {"below_blank_lines": 2, "preamble": "Respond."}


def test_fault_11_a_bare_prompt_becomes_the_input_block_and_still_fits(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    client = client_of(toy, config(wrap=WRAP))
    for prompt in ("Which one?", "word " * 2000, PROMPT):
        assert client.post("/process", json={"prompt": prompt, "max_new_tokens": 20}).status_code == 200
    texts = [tiny_tokenizer.decode(request.prompt) for request in toy.asked]
    assert "### Input:\nWhich one?\n\n### Response:\n" in texts[0] and texts[0].startswith("Respond.")
    assert texts[1].endswith("word\n\n### Response:\n") and len(toy.asked[1].prompt) <= WINDOW - 20
    assert texts[2] == PROMPT


def test_fault_11_a_prompt_to_be_echoed_or_scored_is_never_wrapped(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, answer="ab")
    client = client_of(toy, config(wrap=WRAP))
    for new_tokens, text in ((0, "Which one?"), (5, "Which one?ab")):
        body = {"prompt": "Which one?", "echo_prompt": True, "max_new_tokens": new_tokens, "temperature": 0}
        assert client.post("/process", json=body).json()["text"] == text


def test_fault_12_health_and_tokens_are_answered_while_generations_run(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        toy = ToyEngine(tiny_tokenizer, seconds=30, slots=1)
        app = create_app(toy, config(), "toy", NO_RULES)
        slow = [asyncio.create_task(post("/process", prompt="a", temperature=0).call(app)) for _ in range(4)]
        while len(toy.asked) < 4:
            await asyncio.sleep(0.001)
        others = [
            Client("/health", method="GET"),
            Client("/metrics", method="GET"),
            post("/tokenize", text="a"),
            post("/decode", tokens=[5]),
        ]
        await asyncio.wait_for(asyncio.gather(*(client.call(app) for client in others)), 5)
        assert [client.status for client in others] == [200] * 4
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(run())


def test_fault_12_a_long_text_is_tokenised_beside_the_event_loop(
    tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serve import answering

    threads: list[str] = []
    real = answering.tokenize

    def noted(*args: Any) -> list[int]:
        threads.append(threading.current_thread().name)
        return real(*args)

    monkeypatch.setattr(answering, "tokenize", noted)
    assert client_of(ToyEngine(tiny_tokenizer)).post("/tokenize", json={"text": "a" * 10_000}).status_code == 200
    assert threads[0].startswith("text")


def test_fault_13_importing_the_application_loads_no_model_library() -> None:
    code = "import sys, serve.app; print([name for name in ('torch', 'transformers', 'vllm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
