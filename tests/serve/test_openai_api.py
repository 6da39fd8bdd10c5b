import asyncio
import itertools
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from serve.app import create_app
from serve.completing.request import Completion, CompletionEngine, CompletionRequest
from serve.completing.transformers_completions import load_transformers_completions
from serve.running import bind, server_of, url_of
from tests.serve.text_tokenizers import mistral_like
from tests.serve.toy_engine import NO_RULES, ToyEngine, config, rule_set, with_beginning

PROMPT = "### Instruction:\nChoose the option.\n\n### Response:\n"


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Iterator[CompletionEngine]:
    loaded = load_transformers_completions(str(tiny_model_dir), None, config(), "cpu")
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture
def client(engine: CompletionEngine) -> openai.OpenAI:
    """OpenAI's own client on the application."""
    http = TestClient(create_app(engine, config(), "tiny", rule_set("cut_at_blank_line", "strip")))
    return openai.OpenAI(base_url="http://testserver/v1", api_key="none", http_client=http, max_retries=0)


def plain_scores(model_dir: Path, ids: list[int]) -> Any:
    """The log-probabilities of every next token by a plain forward pass, [tokens, vocabulary]."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(model_dir)(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits.float(), -1)


def test_openai_s_client_lists_the_model_and_completes_a_prompt(client: openai.OpenAI, tiny_tokenizer: Any) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    answer = client.completions.create(model="any", prompt=PROMPT, max_tokens=7, temperature=0)
    assert (answer.model, answer.object, len(answer.choices)) == ("tiny", "text_completion", 1)
    length = len(tiny_tokenizer(PROMPT)["input_ids"])
    assert answer.usage is not None and answer.choices[0].logprobs is None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (length, 7)
    assert (answer.choices[0].finish_reason, answer.usage.total_tokens) == ("length", length + 7)


def test_texts_and_tokens_are_the_same_prompt(client: openai.OpenAI, tiny_tokenizer: Any) -> None:
    texts = [PROMPT, "Which one?"]
    ids = [tiny_tokenizer(text)["input_ids"] for text in texts]

    def answers(prompt: Any) -> list[str]:
        return [choice.text for choice in client.completions.create(model="", prompt=prompt, temperature=0).choices]

    assert answers(texts) == answers(ids) == answers(texts[0]) + answers(ids[1])


def test_n_completions_of_each_prompt_come_in_order_and_a_seed_repeats_them(client: openai.OpenAI) -> None:
    def answers(**body: Any) -> list[str]:
        answer = client.completions.create(model="", max_tokens=9, temperature=1, prompt=[PROMPT, "b"], **body)
        assert [choice.index for choice in answer.choices] == list(range(len(answer.choices)))
        return [choice.text for choice in answer.choices]

    two = answers(n=2, seed=5)
    assert len(set(two)) == 4 and two == answers(n=2, seed=5)
    assert answers(n=1, seed=5) == [two[0], two[2]]


def test_greedy_completions_are_worked_out_once(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, answer="ab")
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    answer = http.post("/v1/completions", json={"prompt": ["a", "b"], "n": 3, "temperature": 0}).json()
    assert len(toy.asked) == 2 and len(answer["choices"]) == 6
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (2, 12)


def test_logprobs_of_an_echoed_prompt_are_those_of_a_plain_forward(
    client: openai.OpenAI, tiny_tokenizer: Any, tiny_model_dir: Path
) -> None:
    ids = tiny_tokenizer(PROMPT)["input_ids"]
    answer = client.completions.create(model="", prompt=[ids], echo=True, max_tokens=3, temperature=0, logprobs=2)
    choice = answer.choices[0]
    found: Any = choice.logprobs
    assert "".join(found.tokens) == choice.text and choice.text.startswith(PROMPT)
    assert found.token_logprobs[0] is None and found.top_logprobs[0] is None
    written = tiny_tokenizer(choice.text)["input_ids"]
    assert len(found.tokens) == len(ids) + 3
    scores = plain_scores(tiny_model_dir, written[: len(ids)])
    wanted = [float(scores[place, token]) for place, token in enumerate(ids[1:])]
    assert found.token_logprobs[1 : len(ids)] == pytest.approx(wanted, abs=1e-3)
    for token, top in zip(found.token_logprobs[len(ids) :], found.top_logprobs[len(ids) :], strict=True):
        assert max(top.values()) == token
    ends = list(itertools.accumulate(map(len, found.tokens)))
    assert found.text_offset == [0, *ends[:-1]]


def test_a_token_is_among_its_top_logprobs_even_where_it_is_not_likely(client: openai.OpenAI) -> None:
    found: Any = client.completions.create(
        model="", prompt=PROMPT, max_tokens=20, temperature=5, seed=1, logprobs=1
    ).choices[0].logprobs  # fmt: skip
    assert all(1 <= len(top) <= 2 for top in found.top_logprobs)
    assert all(token in top for token, top in zip(found.tokens, found.top_logprobs, strict=True))
    assert any(len(top) == 2 for top in found.top_logprobs)


def test_an_end_of_sequence_is_the_last_entry_of_the_logprobs(tiny_tokenizer: Any) -> None:
    """lm-evaluation-harness takes the last entry for the new token, whether the model ended its text or not."""

    class Ending(ToyEngine):
        async def complete(self, request: CompletionRequest) -> Completion:
            found = await super().complete(request)
            return Completion((), "stop", found.prompt_tokens)

    toy = Ending(tiny_tokenizer)
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    body = {"prompt": [[40, 41]], "echo": True, "max_tokens": 1, "logprobs": 1, "temperature": 0}
    choice = http.post("/v1/completions", json=body).json()["choices"][0]
    end = tiny_tokenizer.eos_token_id
    assert choice["logprobs"]["token_logprobs"] == [None, math.log(1 / 43), math.log(1 / (2 + end))]
    assert (choice["finish_reason"], toy.asked[1].prompt) == ("stop", (40, 41, end))


def test_a_stop_string_that_begins_with_the_text_s_first_space_is_no_end_of_sequence() -> None:
    toy = ToyEngine(mistral_like(), answer=" Paris")
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    body = {"prompt": "The capital is", "max_tokens": 99, "logprobs": 0, "temperature": 0, "stop": " "}
    choice = http.post("/v1/completions", json=body).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"], choice["logprobs"]["tokens"]) == ("", "stop", [])


def test_every_token_has_its_entry_even_the_part_of_a_character(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, answer="👍")
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    for tokens in (1, 3):
        body = {"prompt": "👍a", "echo": True, "max_tokens": tokens, "logprobs": 0, "temperature": 0}
        choice = http.post("/v1/completions", json=body).json()["choices"][0]
        assert (choice["text"], len(choice["logprobs"]["token_logprobs"])) == ("👍a", 5 + tokens)


def test_a_text_behind_a_special_token_has_a_score_for_its_first_and_a_list_of_tokens_has_none(
    tiny_tokenizer: Any,
) -> None:
    toy = ToyEngine(with_beginning(tiny_tokenizer), answer="b")
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    body = {"echo": True, "max_tokens": 1, "logprobs": 0, "temperature": 0}
    for prompt, tokens in (("a", ["a", "b"]), ([toy.tokenizer("a")["input_ids"]], ["", "a", "b"])):
        found = http.post("/v1/completions", json=body | {"prompt": prompt}).json()["choices"][0]["logprobs"]
        assert found["tokens"] == tokens
        assert (found["token_logprobs"][0] is None) == (found["top_logprobs"][0] is None) == (len(tokens) == 3)


def test_a_stop_string_cuts_the_text_and_no_rule_runs(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    http = TestClient(create_app(toy, config(), "toy", rule_set("cut_at_blank_line", "strip")))
    body = {"prompt": "a", "temperature": 0, "max_tokens": 50}
    assert http.post("/v1/completions", json=body).json()["choices"][0]["text"] == " Paris.\n\nQ: more"
    for stop in ("Q:", ["Q:", "more"]):
        answer = http.post("/v1/completions", json=body | {"stop": stop, "logprobs": 0}).json()["choices"][0]
        assert (answer["text"], answer["finish_reason"]) == (" Paris.\n\n", "stop")
        assert "".join(answer["logprobs"]["tokens"]) == answer["text"]


def test_echo_without_logprobs_gives_the_text_alone(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, answer="b")
    http = TestClient(create_app(toy, config(), "toy", NO_RULES))
    choice = http.post("/v1/completions", json={"prompt": "a", "echo": True}).json()["choices"][0]
    assert (choice["text"], choice["logprobs"], toy.asked[0].score_prompt) == ("ab", None, False)
    nothing = http.post("/v1/completions", json={"prompt": "a", "max_tokens": 0}).json()["choices"][0]
    assert (nothing["text"], nothing["finish_reason"], len(toy.asked)) == ("", "length", 1)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"stream": True}, 400, "stream"),
        ({"n": 5}, 422, "n: this server gives at most 4"),
        ({"prompt": ["a"] * 5}, 422, "at most 4 completions"),
        ({"prompt": "word " * 300}, 422, "window of 256"),
        ({"prompt": [[5] * 250], "max_tokens": 7}, 422, "window of 256"),
        ({"max_tokens": 256}, 422, "window of 256"),
        ({"prompt": []}, 422, "prompt"),
        ({"prompt": [[]]}, 422, "prompt"),
        ({"prompt": ["a", 5]}, 422, "prompt"),
        ({"prompt": [99_999]}, 422, "99999"),
        ({"prompt": None}, 422, "prompt"),
        ({"logprobs": 101}, 422, "logprobs"),
        ({"stop": ""}, 422, "stop"),
        ({"best_of": 3}, 422, "best_of"),
        ({"suffix": "x"}, 422, "suffix"),
        ({"presence_penalty": 1.0}, 422, "presence_penalty"),
        ({"frequency_penalty": -1.0}, 422, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, 422, "logit_bias"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused_by_name(
    tiny_tokenizer: Any, body: dict[str, Any], status: int, named: str
) -> None:
    toy = ToyEngine(tiny_tokenizer)
    response = TestClient(create_app(toy, config(), "toy", NO_RULES)).post(
        "/v1/completions", json={"prompt": "a"} | body
    )
    assert response.status_code == status and named in response.json()["error"]["message"]
    assert toy.asked == []


def test_openai_s_client_shows_the_reason_of_a_refusal(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="this server sends whole answers"):
        client.completions.create(model="", prompt="a", stream=True)


@pytest.fixture
def url(tiny_model_dir: Path) -> Iterator[str]:
    """The application on a port of its own; its end closes its engine."""
    engine = load_transformers_completions(str(tiny_model_dir), None, config(), "cpu")
    app, bound, ready = (
        create_app(engine, config({"queue": 30}), "tiny", NO_RULES),
        bind("127.0.0.1", 0),
        threading.Event(),
    )
    server = server_of(app, 5, ready.set)
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    assert ready.wait(20)
    yield url_of(bound)
    server.should_exit = True
    thread.join(20)


@pytest.mark.slow
def test_lm_evaluation_harness_scores_as_a_plain_forward(url: str, tiny_model_dir: Path, tiny_tokenizer: Any) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    harness = LocalCompletionsAPI(
        base_url=f"{url}/v1/completions",
        model="tiny",
        tokenizer=str(tiny_model_dir),
        tokenizer_backend="huggingface",
        max_length=256,
        batch_size=3,
        num_concurrent=2,
    )
    pairs = [
        ("Which one?", " A"),
        ("Which one?", "\n\n### Response:\nA"),
        ("Choose the option.", " naïve 你好"),
        (PROMPT.strip(), "e" * 30),
        ("", "Choose"),
    ]
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    answers = harness.loglikelihood(requests, disable_tqdm=True)
    for (context, continuation), (score, greedy) in zip(pairs, answers, strict=True):
        before = tiny_tokenizer(context)["input_ids"] or [tiny_tokenizer.eos_token_id]
        ids = tiny_tokenizer(context + continuation)["input_ids"]
        ids = ids if context else before + ids
        scores = plain_scores(tiny_model_dir, ids)
        places = range(len(before) - 1, len(ids) - 1)
        assert score == pytest.approx(sum(float(scores[place, ids[place + 1]]) for place in places), abs=1e-2)
        assert greedy == all(int(scores[place].argmax()) == ids[place + 1] for place in places)
