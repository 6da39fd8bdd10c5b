"""The scores of the label words by the batch are those of one prompt and one token at a time."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from eval.label_choice import LabelChoice, batch_calibrated, label_tokens
from eval.zindi_config import Normalise
from oneday.buzuzu_mavi import KINDS, LANGUAGES, labels_of
from serve.transformers_engine import LoadedModel, TransformersEngine
from tests.serve.decoding_models import ARCHITECTURES, PROMPTS, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LABELS = ("Kyakkyawa", "Tsaka-tsaki", "Korau")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def loaded(request: pytest.FixtureRequest, tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model(request.param, tiny_tokenizer)


@pytest.fixture
def llama(tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model("llama", tiny_tokenizer)


def choice(loaded: LoadedModel, batch_size: int, labels: tuple[str, ...], normalise: Normalise = "none") -> LabelChoice:
    return LabelChoice(TransformersEngine(*loaded, batch_size), labels, normalise)


def scores(engine: LabelChoice, prompts: list[str]) -> list[list[float]]:
    found = dict(row for batch in engine.generate(prompts, 1, "\n\n") for row in batch)
    return [json.loads(found[position]) for position in range(len(prompts))]


def naive(loaded: LoadedModel, prompt: str, label: str) -> float:
    """The label's tokens one after the other, each by a reading of the whole text before it."""
    import torch

    tokens, total = list(loaded.tokenizer(prompt)["input_ids"]), 0.0
    for token in loaded.tokenizer(label)["input_ids"]:
        with torch.inference_mode():
            total += loaded.model(torch.tensor([tokens])).logits[0, -1].double().log_softmax(-1)[token].item()
        tokens.append(token)
    return total


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("labels", [LABELS, ("A", "B")], ids=["many tokens", "one token each"])
def test_scores_are_those_of_one_at_a_time(loaded: LoadedModel, batch_size: int, labels: tuple[str, ...]) -> None:
    expected = [[naive(loaded, prompt, label) for label in labels] for prompt in PROMPTS]
    found = scores(choice(loaded, batch_size, labels), PROMPTS)
    assert found == [pytest.approx(row, abs=1e-4) for row in expected]
    assert len({round(row[0], 3) for row in found}) == len(PROMPTS)


@pytest.mark.parametrize("prompts", [["x"], ["x", "y zz"], ["the same\n"] * 4], ids=["one token", "short", "equal"])
def test_special_sets_of_prompts_are_scored_as_one_at_a_time(loaded: LoadedModel, prompts: list[str]) -> None:
    expected = [[naive(loaded, prompt, label) for label in LABELS] for prompt in prompts]
    assert scores(choice(loaded, 2, LABELS), prompts) == [pytest.approx(row, abs=1e-4) for row in expected]


def test_the_sum_is_divided_by_the_label_s_tokens_or_bytes(llama: LoadedModel) -> None:
    labels = ("Ƙorau", "Tsaka-tsaki")
    tokens = label_tokens(llama.tokenizer, labels)
    sums = scores(choice(llama, 3, labels), PROMPTS)
    by_tokens = [[total / len(row) for total, row in zip(own, tokens, strict=True)] for own in sums]
    assert scores(choice(llama, 3, labels, "tokens"), PROMPTS) == [pytest.approx(row) for row in by_tokens]
    by_bytes = [[first / 6, second / 11] for first, second in sums]
    assert scores(choice(llama, 3, labels, "bytes"), PROMPTS) == [pytest.approx(row) for row in by_bytes]


def test_batch_calibration_takes_the_label_that_a_row_makes_likelier_than_the_others_do(llama: LoadedModel) -> None:
    probabilities = [[0.9, 0.1], [0.6, 0.4]]  # 0.75 and 0.25 on average
    scores_ = [[math.log(share) - 7 * row for share in own] for row, own in enumerate(probabilities, start=1)]
    calibrated = [[math.exp(score) for score in own] for own in batch_calibrated(scores_)]
    assert calibrated == [pytest.approx([1.2, 0.4]), pytest.approx([0.8, 1.6])]
    assert scores(choice(llama, 3, LABELS, "batch"), PROMPTS) == scores(choice(llama, 3, LABELS), PROMPTS)


def test_batch_calibration_of_very_unlikely_labels_is_finite_and_of_one_row_says_nothing() -> None:
    assert batch_calibrated([[-1e4, -2e4, -1e3]]) == [pytest.approx([0, 0, 0])]
    assert all(math.isfinite(score) for own in batch_calibrated([[-9e3, 0.0], [0.0, -9e3]]) for score in own)


def test_the_probabilities_of_all_single_tokens_are_one_together(llama: LoadedModel) -> None:
    vocabulary = [token for token in map(chr, range(33, 127)) if len(llama.tokenizer(token)["input_ids"]) == 1]
    (row,) = scores(choice(llama, 1, tuple(vocabulary)), PROMPTS[:1])
    assert 0 < sum(map(math.exp, row)) < 1


def test_batches_that_are_done_are_left_out_and_the_others_stay(llama: LoadedModel) -> None:
    engine = choice(llama, 3, LABELS)
    batches = list(engine.generate(PROMPTS, 1, "\n\n"))
    done = {position for position, _ in batches[0]} | {batches[1][0][0]}
    assert list(engine.generate(PROMPTS, 1, "\n\n", done)) == batches[1:]


def beginning_with(tokenizer: "PreTrainedTokenizerFast", template: str) -> Any:
    """A copy of a tokenizer that puts tokens around every text; <unk> is its begin of a sequence."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    inner: Any = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(
        single=template, pair="$A $B", special_tokens=[("<unk>", 0), ("<eos>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<unk>", eos_token="<eos>")


def test_the_begin_and_the_end_of_a_sequence_are_no_part_of_a_label(tiny_tokenizer: "PreTrainedTokenizerFast") -> None:
    """As Gemma's tokenizer puts <bos> before every text, and others </s> behind."""
    around = beginning_with(tiny_tokenizer, "<unk> $A <eos>")
    assert around("Korau")["input_ids"][0] == 0 and around("Korau")["input_ids"][-1] == 1
    assert label_tokens(around, LABELS) == [tiny_tokenizer(label)["input_ids"] for label in LABELS]


def test_a_label_has_the_tokens_that_training_gives_it_not_those_of_the_whole_text() -> None:
    """A SentencePiece tokenizer puts a space before every text, the answer too, since training tokenises it alone."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "</s>", "▁", ":", "\n", "A", "B", "▁A", "▁B"]
    inner: Any = Tokenizer(
        models.BPE({word: n for n, word in enumerate(words)}, [("▁", "A"), ("▁", "B")], unk_token="<unk>")
    )
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token="<unk>")
    assert label_tokens(tokenizer, ["A", "B"]) == [[7], [8]]
    assert tokenizer("A:\nB")["input_ids"][-1] == 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param(("", "A"), "label '' is the tokens .*none", id="no token"),
        pytest.param(("ax", "axx"), "label 'ax' .* the beginning of another label's", id="one begins the other"),
        pytest.param(("ax", "ax"), "label 'ax' .* the beginning of another label's", id="equal"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(
    tiny_tokenizer: "PreTrainedTokenizerFast", labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        label_tokens(tiny_tokenizer, labels)


def test_the_challenge_s_labels_can_be_compared(tiny_tokenizer: "PreTrainedTokenizerFast") -> None:
    for kind in KINDS:
        for language in LANGUAGES:
            labels = labels_of(kind, language)
            assert len(label_tokens(tiny_tokenizer, labels)) == len(labels)


def test_scores_that_are_not_finite_are_refused(llama: LoadedModel) -> None:
    import torch

    with torch.no_grad():
        llama.model.lm_head.weight[5] = math.nan
    with pytest.raises(ValueError, match=r"not finite.*train again"):
        scores(choice(llama, 3, LABELS), PROMPTS)


@pytest.mark.slow
@pytest.mark.parametrize("around", [False, True], ids=["plain", "with <bos>"])
def test_a_label_has_the_tokens_of_axolotl_s_answer(tiny_tokenizer: "PreTrainedTokenizerFast", around: bool) -> None:
    from axolotl.prompt_strategies.user_defined import UserDefinedDatasetConfig, load
    from axolotl.utils.dict import DictDefault

    tokenizer: Any = beginning_with(tiny_tokenizer, "<unk> $A") if around else tiny_tokenizer
    (rows,) = yaml.safe_load(Path("recipes/inkuba-50m/train.yaml").read_text())["datasets"]
    settings = DictDefault({"train_on_inputs": False, "sequence_len": 512})
    strategy = load(tokenizer, settings, UserDefinedDatasetConfig(**rows["type"]))
    for label, tokens in zip(LABELS, label_tokens(tokenizer, LABELS), strict=True):
        row = strategy.tokenize_prompt({"question": PROMPTS[0], "answer": label})
        assert [token for token in row["labels"] if token != -100] == [*tokens, tokenizer.eos_token_id]
        assert row["input_ids"] == [*tokenizer(PROMPTS[0])["input_ids"], *tokens, tokenizer.eos_token_id]
