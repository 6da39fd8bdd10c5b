"""A server for HELM's commands to ask."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import uvicorn

from serve.app import create_app
from serve.running import bind, url_of
from tests.serve.toy_engine import NO_RULES, ToyEngine, config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture
def address(tiny_tokenizer: "PreTrainedTokenizerFast") -> Iterator[str]:
    """The address of the real application, with an engine that says the same to everyone."""
    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(create_app(ToyEngine(tiny_tokenizer), config(), "toy", NO_RULES), log_config=None)
    )
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    yield url_of(bound)
    server.should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive()
