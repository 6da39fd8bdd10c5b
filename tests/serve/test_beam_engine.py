"""Beams by the batch say what the model's own beam search says of each prompt alone."""

import copy
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from serve.beam_engine import BeamEngine, repetition_penalty
from serve.transformers_engine import LoadedModel, TransformersEngine
from tests.serve.decoding_models import ARCHITECTURES, PROMPTS, alone, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LENGTH = 12


@pytest.fixture(scope="module", params=ARCHITECTURES)
def loaded(request: pytest.FixtureRequest, tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model(request.param, tiny_tokenizer)


@pytest.fixture
def llama(tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model("llama", tiny_tokenizer)


def texts(engine: TransformersEngine, prompts: list[str], stop: str = "\n\n") -> list[str]:
    answers = [answer for batch in engine.generate(prompts, LENGTH, stop) for answer in batch]
    assert sorted(position for position, _ in answers) == list(range(len(prompts)))
    return [text for _, text in sorted(answers)]


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_each_text_is_what_the_prompt_gives_alone(loaded: LoadedModel, batch_size: int) -> None:
    expected = [alone(loaded, prompt, LENGTH, 4) for prompt in PROMPTS]
    assert len(set(expected)) > len(PROMPTS) // 2
    assert texts(BeamEngine(loaded, batch_size, 4), PROMPTS) == expected


def test_texts_that_end_at_different_lengths_are_what_they_are_alone(loaded: LoadedModel) -> None:
    """Tokens that the texts are full of end them here, so that some searches end early and others never."""
    engine = BeamEngine(loaded, 4, 4)
    said = Counter(loaded.tokenizer("".join(texts(engine, PROMPTS)))["input_ids"])
    compared = 0
    for end, _ in said.most_common(8):
        expected = [alone(loaded, prompt, LENGTH, 4, end) for prompt in PROMPTS]
        engine.ends = [end]
        assert texts(engine, PROMPTS) == expected
        compared += len({len(loaded.tokenizer(text)["input_ids"]) for text in expected}) > 2
    assert compared > 0


def test_beams_say_something_else_than_the_greedy_decoding(loaded: LoadedModel) -> None:
    assert texts(BeamEngine(loaded, 7, 4), PROMPTS) != texts(TransformersEngine(*loaded, 7), PROMPTS, "\0")


def test_one_beam_is_greedy_decoding(loaded: LoadedModel) -> None:
    assert texts(BeamEngine(loaded, 3, 1), PROMPTS) == [alone(loaded, prompt, LENGTH, 1) for prompt in PROMPTS]


@pytest.mark.parametrize(
    "prompts",
    [
        pytest.param(["alone in the batch"], id="one prompt"),
        pytest.param(["the same\n"] * 5, id="equal prompts"),
        pytest.param(["x", "y", "zzz"], id="a prompt of one token"),
        pytest.param(["x", "y"], id="prompts of one token only"),
        pytest.param(["one thing", "another thing, and longer"], id="nothing shared"),
        pytest.param(["a b", "a b c d e f g"], id="one prompt begins the other"),
    ],
)
def test_special_sets_of_prompts_are_answered_as_one_by_one(loaded: LoadedModel, prompts: list[str]) -> None:
    assert texts(BeamEngine(loaded, 5, 3), prompts) == [alone(loaded, prompt, LENGTH, 3) for prompt in prompts]


def test_the_stop_ends_no_text(llama: LoadedModel) -> None:
    engine = BeamEngine(llama, 3, 2)
    unstopped = texts(engine, PROMPTS, "\0")
    assert texts(engine, PROMPTS, unstopped[0][:2]) == unstopped


def test_batches_that_are_done_are_left_out_and_the_others_stay(llama: LoadedModel) -> None:
    engine = BeamEngine(llama, 3, 2)
    batches = list(engine.generate(PROMPTS, 6, "\n\n"))
    done = {position for position, _ in batches[0]} | {batches[1][0][0]}
    assert list(engine.generate(PROMPTS, 6, "\n\n", done)) == batches[1:]


def test_two_engines_on_one_model_end_at_the_model_s_own_end(llama: LoadedModel) -> None:
    llama.model.generation_config.eos_token_id = [7, 9]
    engines = TransformersEngine(*llama, 2), BeamEngine(llama, 2, 2), TransformersEngine(*llama, 2)
    assert [engine.ends for engine in engines] == [[1, 7, 9]] * 3


def test_the_search_is_plain_whatever_the_model_brings_along(llama: LoadedModel) -> None:
    expected = texts(BeamEngine(llama, 3, 3), PROMPTS)
    llama.model.generation_config.repetition_penalty = 1.5
    assert texts(BeamEngine(llama, 3, 3), PROMPTS) == expected


@pytest.mark.parametrize("beams", [1, 4])
def test_a_repetition_penalty_gives_what_transformers_own_gives_each_prompt_alone(
    loaded: LoadedModel, beams: int
) -> None:
    expected = [alone(loaded, prompt, LENGTH, beams, penalty=1.3) for prompt in PROMPTS]
    assert expected != [alone(loaded, prompt, LENGTH, beams) for prompt in PROMPTS]
    assert texts(BeamEngine(loaded, 3, beams, 1.3), PROMPTS) == expected


def test_padding_is_not_penalised_though_the_texts_have_its_token(llama: LoadedModel) -> None:
    """As where the end of a sequence is the padding too: tokens of the texts, but of no prompt, are it in turn."""
    said = Counter(llama.tokenizer("".join(texts(BeamEngine(llama, 7, 3, 1.3), PROMPTS)))["input_ids"])
    prompted = set(llama.tokenizer("".join(PROMPTS))["input_ids"])
    for padding in [token for token, _ in said.most_common() if token not in prompted][:4]:
        tokenizer = copy.deepcopy(llama.tokenizer)
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(padding)
        padded = LoadedModel(llama.model, tokenizer)
        expected = [alone(padded, prompt, LENGTH, 3, penalty=1.3) for prompt in PROMPTS]
        assert texts(BeamEngine(padded, 7, 3, 1.3), PROMPTS) == expected


def test_each_row_is_penalised_as_transformers_does_without_its_padding() -> None:
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor

    ids = torch.tensor([[5, 0, 0, 3, 7], [5, 2, 0, 3, 5], [0, 0, 0, 3, 1]])
    mask = torch.tensor([[1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 0, 1]])
    scores = torch.linspace(-2, 2, 24).view(3, 8)
    found = repetition_penalty(mask, 1.5)(ids, scores)
    whole = torch.cat([mask, torch.ones(3, 1, dtype=mask.dtype)], 1).bool()
    for row in range(3):
        own = RepetitionPenaltyLogitsProcessor(1.5)(ids[row][whole[row]][None], scores[row][None])
        assert torch.equal(found[row], own[0])
    assert found[0, 0] == scores[0, 0] and found[1, 0] != scores[1, 0]


def test_an_empty_prompt_is_named(llama: LoadedModel) -> None:
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        texts(BeamEngine(llama, 3, 2), ["a", ""])
