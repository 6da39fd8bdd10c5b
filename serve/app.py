"""The HTTP application: POST /process, /tokenize, /decode; GET /health, /metrics; and OpenAI's two of serve.openai_api.

    create_app(engine, config, name, rules) -> an ASGI application, run by `python -m serve`

Every error has the form of serve.refusals. A 500 comes only of a failure: the engine's, or a fault of this server.
"""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from postprocess.cases import RuleSet
from serve.answering import Answering, EngineFailed
from serve.bodies import Bodies
from serve.completing.request import CompletionEngine
from serve.config import ServeConfig
from serve.facts import facts_of
from serve.logs import RequestLog
from serve.metrics import Metrics
from serve.openai_api import openai_completions
from serve.openai_schema import CompletionsBody, CompletionsResponse, ServedModel, ServedModels
from serve.refusals import Refused
from serve.schema import (
    DecodeRequest,
    DecodeResponse,
    ErrorResponse,
    HealthResponse,
    ProcessRequest,
    ProcessResponse,
    TokenizeRequest,
    TokenizeResponse,
    read_body,
)

LOGGER = logging.getLogger("serve")
MAY_FAIL: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (408, 413, 422, 500, 503, 504)
}


def create_app(engine: CompletionEngine, config: ServeConfig, name: str, rules: RuleSet) -> FastAPI:
    """The application; `name` is the model's, for /health, `rules` are those of /process. Its end closes the engine.

    `app.state.admission.stop()` makes it refuse new requests and finish those in work.
    """
    answering = Answering.of(engine, config, rules)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await answering.close()

    app = FastAPI(title="oneday", version=version("oneday"), docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.admission = answering.admission
    _add_challenge_routes(app, answering)
    _add_openai_routes(app, answering, name)
    paths = frozenset(route.path for route in app.routes if isinstance(route, APIRoute)) | {"/health", "/metrics"}
    metrics = Metrics(engine, answering.admission, paths)
    _add_state_routes(app, answering, metrics, name)
    _add_error_forms(app)
    app.add_middleware(
        Bodies,
        admission=answering.admission,
        body_bytes=config.limits.body_bytes,
        seconds=config.limits.deadline_seconds,
    )
    app.add_middleware(RequestLog, metrics=metrics)
    return app


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI says of a route that reads its body by `read_body`."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


def json_response(body: BaseModel) -> Response:
    """The body as JSON, without what is None."""
    return Response(body.model_dump_json(exclude_none=True), media_type="application/json")


def _add_challenge_routes(app: FastAPI, answering: Answering) -> None:
    """The challenge's three."""

    @app.post("/process", response_model=ProcessResponse, responses=MAY_FAIL, openapi_extra=takes(ProcessRequest))
    async def process(request: Request) -> Response:
        """Go on with a prompt."""
        body = read_body(await request.body(), ProcessRequest)
        return json_response(await answering.process(body, facts_of(request.scope)))

    @app.post("/tokenize", response_model=TokenizeResponse, responses=MAY_FAIL, openapi_extra=takes(TokenizeRequest))
    async def tokenize(request: Request) -> Response:
        """The tokens of a text."""
        return json_response(await answering.tokenize(read_body(await request.body(), TokenizeRequest)))

    @app.post("/decode", response_model=DecodeResponse, responses=MAY_FAIL, openapi_extra=takes(DecodeRequest))
    async def decode(request: Request) -> Response:
        """The text of tokens."""
        return json_response(await answering.decode(read_body(await request.body(), DecodeRequest)))


def _add_openai_routes(app: FastAPI, answering: Answering, name: str) -> None:
    """OpenAI's two."""
    started = int(time.time())

    @app.post(
        "/v1/completions",
        response_model=CompletionsResponse,
        responses={**MAY_FAIL, 400: {"model": ErrorResponse}},
        openapi_extra=takes(CompletionsBody),
    )
    async def completions(request: Request) -> Response:
        """Go on with prompts, in the model's own words."""
        body = read_body(await request.body(), CompletionsBody)
        answer = await openai_completions(answering, body, facts_of(request.scope), name)
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/v1/models")
    async def models() -> ServedModels:
        """The one model that is served."""
        return ServedModels(data=[ServedModel(id=name, created=started)])


def _add_state_routes(app: FastAPI, answering: Answering, metrics: Metrics, name: str) -> None:
    """What watches the server asks for."""

    @app.get("/health", responses={503: {"model": ErrorResponse}})
    async def health() -> HealthResponse:
        """200 while requests are taken, 503 once the server is told to stop or its engine has failed for good."""
        answering.admission.check_running()
        if answering.engine.failed:
            raise Refused(503, "engine_failed", "the model's engine has failed; restart the server and see its log")
        return HealthResponse(status="ready", model=name)

    @app.get("/metrics", response_class=Response)
    async def metrics_text() -> Response:
        """Prometheus metrics."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_error_forms(app: FastAPI) -> None:
    """One form for every error."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        facts_of(request.scope).refused = error.reason
        return error.response()

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> Response:
        reason = HTTPStatus(error.status_code).name.lower()
        response = Refused(
            error.status_code, reason, f"{error.detail}; see /openapi.json for what is served"
        ).response()
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(EngineFailed)
    async def engine_failed(request: Request, error: EngineFailed) -> Response:
        LOGGER.error(
            "engine failed", exc_info=error, extra={"facts": {"request_id": facts_of(request.scope).request_id}}
        )
        facts_of(request.scope).refused = "engine_failed"
        return Refused(500, "engine_failed", "the model's engine has failed; the server's log says why").response()

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        """uvicorn logs the error itself. This answer goes out beyond all middleware."""
        response = Refused(500, "internal", "the server has failed; its log says why").response()
        response.headers["X-Request-ID"] = facts_of(request.scope).request_id
        return response
