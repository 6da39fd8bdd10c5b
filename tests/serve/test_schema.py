import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.openai_schema import CompletionsBody
from serve.refusals import Refused
from serve.schema import DecodeRequest, ProcessRequest, TokenizeRequest, read_body

HELM = {
    "prompt": "Q: 1+1?\nA:",
    "temperature": 1e-07,
    "num_return_sequences": 1,
    "max_new_tokens": 5,
    "top_p": 1,
    "echo_prompt": False,
    "top_k_per_token": 5,
    "stop_sequences": ["\n"],
}


def read(**values: Any) -> ProcessRequest:
    return read_body(json.dumps(values).encode(), ProcessRequest)


def fault(content: bytes, model: Any = ProcessRequest) -> str:
    with pytest.raises(Refused) as refused:
        read_body(content, model)
    assert refused.value.status == 422
    return refused.value.message


def test_the_prompt_alone_is_a_request_with_the_field_s_defaults() -> None:
    request = read(prompt="The capital of France is ")
    assert (request.max_new_tokens, request.temperature, request.completions) == (50, 0.8, 1)
    assert (request.top_k, request.top_p, request.seed, request.echo_prompt) == (0, 1.0, None, False)
    assert request.stop_sequences == []


def test_helm_s_eight_fields_are_taken() -> None:
    request = read(**HELM)
    assert {name: getattr(request, name) for name in HELM} == HELM


def test_top_k_per_token_is_no_sampling_rule_and_top_k_is() -> None:
    assert (read(**HELM).top_k, read(**HELM).top_k_per_token) == (0, 5)
    assert (read(prompt="", top_k=200).top_k, read(prompt="", top_k=200).top_k_per_token) == (200, 1)


@pytest.mark.parametrize("name", ["num_return_sequences", "num_samples"])
def test_either_name_says_how_many_completions_are_wanted(name: str) -> None:
    assert read(prompt="", **{name: 3}).completions == 3


def test_both_names_must_say_the_same() -> None:
    assert read(prompt="", num_return_sequences=2, num_samples=2).completions == 2
    message = fault(b'{"prompt": "", "num_return_sequences": 2, "num_samples": 3}')
    assert "num_return_sequences and num_samples" in message


@pytest.mark.parametrize("name", [name for name in ProcessRequest.model_fields if name != "prompt"])
def test_null_is_the_default(name: str) -> None:
    assert read(prompt="", **{name: None}) == read(prompt="")


def test_unknown_fields_are_ignored() -> None:
    assert read(prompt="a", best_model="x", nested={"deep": [1]}) == read(prompt="a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", 5),
        ("prompt", None),
        ("temperature", -0.1),
        ("temperature", 101),
        ("temperature", "0"),
        ("max_new_tokens", -1),
        ("max_new_tokens", 2**53),
        ("max_new_tokens", 1.5),
        ("max_new_tokens", True),
        ("num_return_sequences", 0),
        ("num_samples", 0),
        ("top_p", 0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("top_k_per_token", -1),
        ("top_k_per_token", 101),
        ("seed", -1),
        ("seed", 2**53),
        ("echo_prompt", "yes"),
        ("stop_sequences", "\n"),
        ("stop_sequences", [""]),
        ("stop_sequences", ["x" * 257]),
        ("stop_sequences", ["x"] * 17),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(name: str, value: Any) -> None:
    assert name in fault(json.dumps({"prompt": ""} | {name: value}).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"prompt": "secret"',
        b'{"prompt": "secret \xff"}',
        b'{"prompt": "secret \\ud800"}',
        '{"prompt": "secret"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"prompt": "secret"}',
        b'{"prompt": "secret", "temperature": NaN}',
        b'{"prompt": "secret", "temperature": -Infinity}',
        b'{"prompt": "secret", "temperature": 1e999}',
        b'{"prompt": "secret", "seed": 1' + b"0" * 5000 + b"}",
        b'{"prompt": "secret", "temperature": 1' + b"0" * 5000 + b"}",
        b'{"prompt": "secret", "other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"prompt": ' + b'{"a":' * 100_000,
        b'{"prompt": "a", "prompt": 5}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_hostile_bodies_are_refused_without_an_echo(content: bytes) -> None:
    message = fault(content)
    assert "secret" not in message and len(message) < 300
    message.encode()


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: b'{"prompt": ' + text.encode() + b"}"))
def test_any_body_is_read_or_refused(content: bytes) -> None:
    for model in (ProcessRequest, TokenizeRequest, DecodeRequest, CompletionsBody):
        try:
            read_body(content, model)
        except Refused as refused:
            assert refused.status == 422


def test_a_list_of_wrong_tokens_has_one_fault_told() -> None:
    assert fault(b'{"tokens": [' + b'"secret", ' * 50_000 + b"1]}", DecodeRequest).count("tokens.") == 1


def test_of_many_faults_five_are_told() -> None:
    names = ("temperature", "top_p", "top_k", "seed", "max_new_tokens", "echo_prompt", "top_k_per_token")
    message = fault(json.dumps({"prompt": ""} | dict.fromkeys(names, "x")).encode())
    assert message.count("Input should") == 5 and message.endswith("; and 2 more")


def test_tokens_are_whole_numbers_that_are_not_negative() -> None:
    assert read_body(b'{"tokens": []}', DecodeRequest).tokens == []
    for tokens in (b"[-1]", b'["1"]', b"[1.5]", b"[true]", b"[null]", b"5"):
        assert "tokens" in fault(b'{"tokens": ' + tokens + b"}", DecodeRequest)


def test_a_text_is_not_truncated_unless_asked() -> None:
    request = read_body(b'{"text": "a"}', TokenizeRequest)
    assert (request.truncation, request.max_length) == (False, None)
    assert "max_length" in fault(b'{"text": "a", "max_length": -1}', TokenizeRequest)


def test_a_fault_that_two_fields_make_is_told_in_our_words_alone() -> None:
    with pytest.raises(Refused) as refused:
        read_body(b'{"prompt": "a", "num_samples": 2, "num_return_sequences": 3}', ProcessRequest)
    assert refused.value.message == "num_return_sequences and num_samples are one setting and differ; send one of them"
