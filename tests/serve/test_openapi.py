"""Requests drawn from the server's own OpenAPI, valid and invalid, get no 5xx and an answer as it is declared."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serve.app import create_app
from serve.completing.transformers_completions import load_transformers_completions
from serve.config import ServeConfig
from tests.serve.toy_engine import rule_set

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPERATIONS = {
    "POST /process",
    "POST /tokenize",
    "POST /decode",
    "POST /v1/completions",
    "GET /v1/models",
    "GET /health",
    "GET /metrics",
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
]
CONFIG = ServeConfig.model_validate(
    {
        "engine": "transformers",
        "precision": "float32",
        "max_length": 48,
        "wrap": None,
        "batching": {"slots": 4, "prefix_cache_tokens": 256},
        "limits": {
            "queue": 8,
            "deadline_seconds": 60,
            "body_bytes": 65536,
            "completions": 3,
            "shutdown_seconds": 5,
        },
    }
)

RULES = rule_set(
    {"final_number": {"anywhere": True}},
    "fix_spaces",
    cases=[{"name": "answer", "prompt": {"contains": ["a"]}, "rules": ["cut_at_blank_line", "first_line"]}],
)


@pytest.fixture(scope="module")
def app(tiny_model_dir: Path) -> Iterator["ASGIApp"]:
    """The application without its end, which schemathesis brings about after each test and which closes the engine."""
    engine = load_transformers_completions(str(tiny_model_dir), None, CONFIG, "cpu")
    whole = create_app(engine, CONFIG, "tiny", RULES)

    async def endless(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "lifespan":
            raise ValueError("no lifespan here")
        await whole(scope, receive, send)

    yield endless
    asyncio.run(engine.close())


def operations(app: "ASGIApp") -> dict[str, Any]:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def send_examples(operation: Any, mode: GenerationMode, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def test_all_that_is_served_is_declared(app: "ASGIApp") -> None:
    assert set(operations(app)) == OPERATIONS


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", sorted(name for name in OPERATIONS if name.startswith("POST")))
def test_no_request_breaks_the_server(app: "ASGIApp", name: str, mode: GenerationMode) -> None:
    send_examples(operations(app)[name], mode, 30)


@pytest.mark.parametrize("name", sorted(name for name in OPERATIONS if name.startswith("GET")))
def test_what_takes_no_body_answers_as_declared(app: "ASGIApp", name: str) -> None:
    send_examples(operations(app)[name], GenerationMode.POSITIVE, 1)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", sorted(name for name in OPERATIONS if name.startswith("POST")))
def test_no_request_of_many_breaks_the_server(app: "ASGIApp", name: str, mode: GenerationMode) -> None:
    send_examples(operations(app)[name], mode, 100)
