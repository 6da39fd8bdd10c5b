import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from serve.app import create_app
from serve.completing.request import CompletionEngine
from serve.config import Wrap
from tests.serve.asgi import Client, post
from tests.serve.toy_engine import NO_RULES, ToyEngine, client_of, config, rule_set

PROMPT = "### Instruction:\nChoose the option.\n\n### Input:\nWhich one?\n\n### Response:\n"
Answer = dict[str, Any]


def test_the_blank_line_of_the_rules_ends_the_generation(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    client = client_of(toy, rules=rule_set("cut_at_blank_line", "strip"))
    answer = client.post("/process", json={"prompt": "a", "stop_sequences": ["Q:"]}).json()
    assert answer["text"] == "Paris." and toy.asked[0].stop == ("Q:", "\n\n")


def test_rules_are_not_for_a_prompt(tiny_tokenizer: Any) -> None:
    client = client_of(ToyEngine(tiny_tokenizer), rules=rule_set("cut_at_blank_line", "strip"))
    body = {"prompt": " a\n\nb ", "echo_prompt": True, "temperature": 0}
    assert client.post("/process", json=body | {"max_new_tokens": 0}).json()["text"] == " a\n\nb "
    assert client.post("/process", json=body).json()["text"] == " a\n\nb Paris."


def test_the_rules_are_those_of_the_first_case_that_fits_the_prompt_as_it_was_sent(tiny_tokenizer: Any) -> None:
    cases = [
        {"name": "options", "prompt": {"options": 2}, "rules": ["stated_answer"]},
        {"name": "wrapped", "prompt": {"contains": ["### Input"]}, "rules": [{"cut_at_stop": {"stops": ["answer"]}}]},
    ]
    rules, wrap = rule_set("strip", cases=cases), Wrap(below_blank_lines=1)
    toy = ToyEngine(tiny_tokenizer, answer=" The answer is B.\n\nQ:")
    client = client_of(toy, config(wrap=wrap), rules)
    options, other = "Which?\nA. bank\nB. bridge\n", "Which?"
    for prompt, text, stop in (
        (options, "B", ()),
        (other, "The answer is B.\n\nQ:", ()),
        (f"### Input:\n\n{other}", " The ", ("answer",)),
    ):
        assert client.post("/process", json={"prompt": prompt, "max_new_tokens": 50}).json()["text"] == text
        assert toy.asked[-1].stop == stop
    assert b"### Input" in tiny_tokenizer.decode(toy.asked[1].prompt).encode()  # which is not what the case is found by


def test_a_rewritten_answer_is_one_token_with_the_log_probability_of_what_it_is_made_from(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer, answer="so 1,234.")
    body = {"prompt": "a", "temperature": 0, "top_k_per_token": 3}
    raw = client_of(toy).post("/process", json=body).json()
    answer = client_of(toy, rules=rule_set({"final_number": {"anywhere": True}})).post("/process", json=body).json()
    number = [token["logprob"] for token in raw["tokens"] if token["text"] in tuple("1,234")]
    assert raw["text"] == "so 1,234." and len(number) == 5
    assert answer["text"] == "1234"
    assert answer["tokens"] == [{"text": "1234", "logprob": pytest.approx(sum(number)), "top_logprob": {}}]
    assert answer["logprob"] == answer["tokens"][0]["logprob"]


def test_a_greedy_completion_is_worked_out_once(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    answer = client_of(toy).post("/process", json={"prompt": "a", "temperature": 0, "num_samples": 3}).json()
    assert len(toy.asked) == 1 and len(answer["completions"]) == 3


def test_the_same_seed_gives_the_same_text_and_another_another(call: Callable[..., Answer]) -> None:
    def text(**body: Any) -> str:
        return str(call("/process", prompt=PROMPT, temperature=1.0, max_new_tokens=20, **body)["text"])

    assert text(seed=7) == text(seed=7) != text(seed=8)
    assert text() != text()


def test_more_completions_than_the_limit_are_refused(tiny_tokenizer: Any) -> None:
    client = client_of(ToyEngine(tiny_tokenizer))
    for settings, most in ((config(), 4), (config({"queue": 0}), 2)):
        client = client_of(ToyEngine(tiny_tokenizer), settings)
        assert client.post("/process", json={"prompt": "a", "num_samples": most}).status_code == 200
        refused = client.post("/process", json={"prompt": "a", "num_samples": most + 1})
        assert refused.status_code == 422 and f"at most {most} completions" in refused.json()["error"]["message"]


def test_a_full_queue_gets_503_and_every_completion_takes_a_place(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        toy = ToyEngine(tiny_tokenizer, seconds=0.2, slots=2)
        app = create_app(toy, config(), "toy", NO_RULES)
        first = asyncio.create_task(post("/process", prompt="a", temperature=1, num_samples=3).call(app))
        while len(toy.asked) < 3:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(post("/process", prompt="a", temperature=1, num_samples=2).call(app))
        third = asyncio.create_task(post("/process", prompt="a").call(app))
        answers = await asyncio.gather(first, second, third)
        assert [answer.status for answer in answers] == [200, 503, 200]
        assert answers[1].json["error"]["type"] == "queue_full" and answers[1].answer_headers["retry-after"] == "1"
        assert (await post("/process", prompt="a").call(app)).status == 200

    asyncio.run(run())


def test_a_request_over_its_deadline_gets_504_and_frees_its_slot(tiny_tokenizer: Any) -> None:
    async def run() -> None:
        toy = ToyEngine(tiny_tokenizer, seconds=30)
        app = create_app(toy, config({"deadline_seconds": 0.2}), "toy", NO_RULES)
        for client in (post("/process", prompt="a"), post("/process", prompt="a", temperature=1, num_samples=4)):
            await client.call(app)
            assert (client.status, client.json["error"]["type"]) == (504, "deadline")
        assert (toy.running, toy.finished, app.state.admission.in_flight) == (0, 0, 0)
        metrics = (await Client("/metrics", method="GET").call(app)).body.decode()
        assert 'oneday_cancelled_total{reason="deadline"} 2.0' in metrics

    asyncio.run(run())


@pytest.mark.parametrize("completions", [1, 3])
def test_a_failed_engine_is_the_only_500_and_frees_its_places(tiny_tokenizer: Any, completions: int) -> None:
    toy = ToyEngine(tiny_tokenizer, failure=RuntimeError("out of memory"))
    app = create_app(toy, config(), "toy", NO_RULES)
    response = TestClient(app).post("/process", json={"prompt": "a", "temperature": 1, "num_samples": completions})
    assert (response.status_code, response.json()["error"]["type"]) == (500, "engine_failed")
    assert "memory" not in response.text and app.state.admission.in_flight == 0


def test_one_failed_completion_gives_up_the_others(tiny_tokenizer: Any) -> None:
    class Flaky(ToyEngine):
        async def complete(self, request: Any) -> Any:
            if len(self.asked) == 1:
                raise RuntimeError("out of memory")
            return await super().complete(request)

    async def run() -> None:
        toy = Flaky(tiny_tokenizer, seconds=30)
        client = post("/process", prompt="a", temperature=1, num_samples=2)
        await asyncio.wait_for(client.call(create_app(toy, config(), "toy", NO_RULES)), 5)
        assert (client.status, toy.running) == (500, 0)

    asyncio.run(run())


def test_an_error_of_our_own_has_the_same_form(tiny_tokenizer: Any) -> None:
    app = create_app(ToyEngine(tiny_tokenizer, failure=LookupError("secret")), config(), "toy", NO_RULES)
    response = TestClient(app, raise_server_exceptions=False).post("/process", json={"prompt": "a", "temperature": 0})
    assert (response.status_code, response.json()["error"]["type"]) == (500, "internal")
    assert "secret" not in response.text and len(response.headers["x-request-id"]) == 32


def test_a_server_whose_engine_has_failed_for_good_is_not_healthy(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    with TestClient(create_app(toy, config(), "toy", NO_RULES)) as client:
        assert client.get("/health").status_code == 200
        toy.failed = True
        answer = client.get("/health")
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "engine_failed")


def test_a_server_told_to_stop_refuses_new_requests_and_says_so(tiny_tokenizer: Any) -> None:
    toy = ToyEngine(tiny_tokenizer)
    app = create_app(toy, config(), "toy", NO_RULES)
    with TestClient(app) as client:
        assert client.get("/health").json() == {"status": "ready", "model": "toy"}
        app.state.admission.stop()
        answers = [
            client.get("/health"),
            client.post("/process", json={"prompt": "a"}),
            client.post("/tokenize", json={"text": "a"}),
            client.post("/decode", json={"tokens": [5]}),
            client.post("/v1/completions", json={"prompt": "a"}),
        ]
        assert [answer.status_code for answer in answers] == [503] * 5
        assert {answer.json()["error"]["type"] for answer in answers} == {"stopping"}
        assert all("retry-after" in answer.headers for answer in answers) and not toy.closed
        assert client.get("/metrics").status_code == 200
    assert toy.closed


def test_what_a_closing_engine_gives_up_gets_503(tiny_tokenizer: Any) -> None:
    class Closing(ToyEngine):
        async def complete(self, request: Any) -> Any:
            app.state.admission.stop()
            raise RuntimeError("the engine is closed")

    app = create_app(Closing(tiny_tokenizer), config(), "toy", NO_RULES)
    response = TestClient(app).post("/process", json={"prompt": "a"})
    assert (response.status_code, response.json()["error"]["type"]) == (503, "stopping")


def test_tokens_that_the_tokenizer_has_not_are_refused(tiny_engine: CompletionEngine) -> None:
    response = client_of(tiny_engine).post("/decode", json={"tokens": [5, 99_999]})
    assert response.status_code == 422 and "tokens[1]" in response.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/process", 405), ("POST", "/nothing", 404)])
def test_what_is_not_served_has_the_form_of_every_error(
    tiny_tokenizer: Any, method: str, path: str, status: int
) -> None:
    response = client_of(ToyEngine(tiny_tokenizer)).request(method, path)
    assert response.status_code == status and set(response.json()["error"]) == {"type", "message"}
    assert (response.headers.get("allow") == "POST") == (status == 405)


@pytest.mark.parametrize("path", ["/process", "/tokenize", "/decode", "/v1/completions"])
@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{", b"[" * 50_000, b'{"prompt": "\\ud800"}', b'{"prompt": NaN}', b"{}", b"5"]
)
def test_hostile_bodies_get_422(tiny_tokenizer: Any, path: str, content: bytes) -> None:
    response = client_of(ToyEngine(tiny_tokenizer)).post(path, content=content)
    assert (response.status_code, response.json()["error"]["type"]) == (422, "invalid_request")


def test_the_openapi_description_names_every_path_and_body(tiny_tokenizer: Any) -> None:
    paths = client_of(ToyEngine(tiny_tokenizer)).get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/process", "/tokenize", "/decode", "/health", "/metrics", "/v1/completions", "/v1/models"
    }  # fmt: skip
    body = paths["/process"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["prompt"] and "top_k_per_token" in json.dumps(body)
    fields = body["properties"]
    assert [name for name in fields if {"type": "null"} not in fields[name].get("anyOf", [])] == ["prompt"]
