"""Choices have lm-evaluation-harness's own numbers; texts are the model's own; a killed run goes on."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval.examples.answers import JOURNAL, Answering, Reply, answer_rows, answered_row, option_scores
from eval.examples.fields import Fields
from eval.examples.prompt_tokens import delimiter_of, option_tokens, text_tokens
from eval.examples.reading import read_rows
from eval.examples.row import ExampleRow
from eval.label_choice import LabelChoice
from postprocess.cases import RuleSet
from serve.transformers_engine import LoadedModel, TransformersEngine
from tests.serve.decoding_models import ARCHITECTURES, PROMPTS, alone, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DATA = Path(__file__).parents[3] / "../shared/data"
OPTION_SETS = [("A", "B", "C"), ("a cat", "naïve 你好 text"), ("yes", "no", "perhaps so", "Choose the option.")]


def rows_with_options() -> list[ExampleRow]:
    """Prompts with and without white space at their end, with different options and numbers of them."""
    prompts = [prompt if number % 2 else prompt.rstrip() for number, prompt in enumerate(PROMPTS)]
    prompts += ["Which one?", "Which one? "]
    return [
        ExampleRow(task="t", id=str(n), prompt=prompt, options=OPTION_SETS[n % 3], references=OPTION_SETS[n % 3][:1])
        for n, prompt in enumerate(prompts)
    ]


def rows_of_text() -> list[ExampleRow]:
    return [ExampleRow(task="t", id=str(n), prompt=prompt, references=("x",)) for n, prompt in enumerate(PROMPTS)]


def engine(loaded: LoadedModel, batch_size: int = 3) -> Callable[[], TransformersEngine]:
    return lambda: TransformersEngine(*loaded, batch_size)


def lm_eval_scores(loaded: LoadedModel, rows: Sequence[ExampleRow], **settings: Any) -> list[list[float]]:
    """lm_eval's log-likelihoods of the options of each row, with its own space between prompt and option."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=4, **settings)
    pairs = [(row.prompt, delimiter_of(row.prompt) + option) for row in rows for option in row.options]
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    found: Iterator[tuple[float, bool]] = iter(harness.loglikelihood(requests, disable_tqdm=True))
    return [[next(found)[0] for _ in row.options] for row in rows]


@pytest.fixture
def llama(tiny_tokenizer: "PreTrainedTokenizerFast") -> LoadedModel:
    return tiny_model("llama", tiny_tokenizer)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_likelihoods_are_those_of_lm_eval(
    architecture: str, tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    loaded, rows = tiny_model(architecture, tiny_tokenizer), rows_with_options()
    answered = answer_rows(rows, engine(loaded), Answering(), tmp_path, "test")
    expected = lm_eval_scores(loaded, rows)
    assert [one.option_log_likelihoods for one in answered] == [pytest.approx(own, abs=1e-4, rel=0) for own in expected]
    assert [one.row for one in answered] == rows
    best = [row.options[own.index(max(own))] for row, own in zip(rows, expected, strict=True)]
    assert [one.prediction for one in answered] == best


def test_a_tokenizer_s_begin_of_a_sequence_is_where_lm_eval_has_it(
    tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    inner: Any = Tokenizer.from_str(tiny_tokenizer.backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(
        single="<unk> $A", pair="<unk> $A $B", special_tokens=[("<unk>", 0)]
    )
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<unk>", eos_token="<eos>", pad_token="<pad>"
    )
    rows = [*rows_with_options()[:3], rows_with_options()[3].model_copy(update={"prompt": "<unk>Which one?"})]
    assert text_tokens(tokenizer, rows[3].prompt).count(0) == text_tokens(tokenizer, rows[0].prompt).count(0) == 1
    loaded = tiny_model("llama", tokenizer)
    answered = answer_rows(rows, engine(loaded), Answering(), tmp_path, "test")
    expected = lm_eval_scores(loaded, rows)
    assert [one.option_log_likelihoods for one in answered] == [pytest.approx(own, abs=1e-4, rel=0) for own in expected]


def test_a_prompt_beyond_the_context_is_cut_on_the_left_as_lm_eval_does(llama: LoadedModel, tmp_path: Path) -> None:
    llama.model.config.max_position_embeddings = 40
    rows = [
        ExampleRow(task="t", id=str(n), prompt="word " * words + "end", options=("A", "B"), references=("A",))
        for n, words in enumerate((60, 3))
    ]
    answered = answer_rows(rows, engine(llama), Answering(), tmp_path, "test")
    expected = lm_eval_scores(llama, rows, max_length=40)
    assert [one.option_log_likelihoods for one in answered] == [pytest.approx(own, abs=1e-4, rel=0) for own in expected]
    whole = option_tokens(llama.tokenizer, rows[0].prompt, ("A", "B"), None, "joint")
    assert [one.prompt_tokens_cut for one in answered] == [len(whole.prompt) + whole.longest - 41, 0]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_options_of_unequal_length_are_cut_each_by_itself_as_lm_eval_does(
    llama: LoadedModel, tmp_path: Path, batch_size: int
) -> None:
    llama.model.config.max_position_embeddings = 40
    options = ("A", "rather longer", "B", "two")
    rows = [
        ExampleRow(task="t", id=str(n), prompt="word " * words + f"end {n}", options=options, references=("A",))
        for n, words in enumerate((60, 3, 28, 45))
    ]
    how = Answering()
    answered = answer_rows(rows, engine(llama, batch_size), how, tmp_path, "test")
    expected = lm_eval_scores(llama, rows, max_length=40)
    assert [one.option_log_likelihoods for one in answered] == [pytest.approx(own, abs=1e-4, rel=0) for own in expected]
    found = [option_tokens(llama.tokenizer, row.prompt, options, None, "joint") for row in rows]
    assert [one.prompt_tokens_cut for one in answered] == [max(0, len(o.prompt) + o.longest - 41) for o in found]
    assert answered[0].prompt_tokens_cut > 0 == answered[1].prompt_tokens_cut
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(lines[0])
    assert answer_rows(rows, engine(llama, batch_size), how, tmp_path, "test") == answered


def test_separate_options_have_the_scores_of_label_choice(llama: LoadedModel, tmp_path: Path) -> None:
    labels = ("A", "Bcd e")
    rows = [row.model_copy(update={"options": labels, "references": ("A",)}) for row in rows_of_text()]
    how = Answering(seam="separate", delimiter="", length="bytes")
    answered = answer_rows(rows, engine(llama), how, tmp_path, "test")
    choice = LabelChoice(engine(llama)(), labels, "bytes")
    expected = dict(pair for batch in choice.generate(PROMPTS, 1, "") for pair in batch)
    assert [one.option_scores for one in answered] == [
        pytest.approx(json.loads(expected[position])) for position in range(len(rows))
    ]


def test_scores_are_divided_as_lm_eval_s_acc_norm_and_acc_bytes_are() -> None:
    options, tokens = ("ñandú", "ab"), (4, 1)
    assert option_scores(options, (-10.0, -3.0), tokens, "none") == (-10.0, -3.0)
    assert option_scores(options, (-10.0, -3.0), tokens, "characters") == (-2.0, -1.5)
    assert option_scores(options, (-14.0, -3.0), tokens, "bytes") == (-2.0, -1.5)
    assert option_scores(options, (-10.0, -3.0), tokens, "tokens") == (-2.5, -3.0)


def test_the_length_decides_the_choice_and_its_confidence() -> None:
    row = ExampleRow(task="t", id="1", prompt="p", options=("ab", "abcdef"), references=("ab",))
    reply = Reply(log_likelihoods=(-4.0, -6.0), tokens=(1, 3))
    assert answered_row(row, reply, Answering()).prediction == "ab"
    by_length = answered_row(row, reply, Answering(length="characters"))
    assert by_length.prediction == by_length.raw == "abcdef"
    assert by_length.confidence == pytest.approx(math.exp(-1) / (math.exp(-1) + math.exp(-2)))


def test_of_equally_likely_options_the_first_is_chosen() -> None:
    row = ExampleRow(task="t", id="1", prompt="p", options=("a", "b"), references=("b",))
    chosen = answered_row(row, Reply(log_likelihoods=(-4.0, -4.0), tokens=(1, 1)), Answering())
    assert (chosen.prediction, chosen.confidence) == ("a", pytest.approx(0.5))


def test_texts_are_those_of_the_model_alone_after_the_rules(llama: LoadedModel, tmp_path: Path) -> None:
    rules = RuleSet.model_validate({"default": ["strip"]})
    how = Answering(max_new_tokens=6, stop="", rules=rules)
    answered = answer_rows(rows_of_text(), engine(llama), how, tmp_path, "test")
    expected = [alone(llama, prompt, 6, 1) for prompt in PROMPTS]
    assert [one.raw for one in answered] == expected
    assert [one.prediction for one in answered] == [text.strip() for text in expected]
    assert {one.confidence for one in answered} == {None}


def test_the_stop_is_no_part_of_the_prediction(llama: LoadedModel, tmp_path: Path) -> None:
    rows = rows_of_text()
    whole = answer_rows(rows, engine(llama), Answering(max_new_tokens=6, stop=""), tmp_path / "whole", "test")
    stop = "n"
    rules = RuleSet.model_validate({"default": ["strip"]})
    how = Answering(max_new_tokens=6, stop=stop, rules=rules)
    answered = answer_rows(rows, engine(llama), how, tmp_path / "stopped", "test")
    assert any(stop in one.raw for one in answered)
    assert [one.prediction for one in answered] == [one.raw.split(stop)[0].strip() for one in whole]


def test_rows_of_one_key_are_refused(llama: LoadedModel, tmp_path: Path) -> None:
    rows = [rows_of_text()[0]] * 2
    with pytest.raises(ValueError, match="t/0 names two rows; give each row"):
        answer_rows(rows, engine(llama), Answering(), tmp_path, "test")


def test_a_long_prompt_leaves_room_for_the_text(llama: LoadedModel, tmp_path: Path) -> None:
    llama.model.config.max_position_embeddings = 40
    rows = [ExampleRow(task="t", id="1", prompt="word " * 60 + "end", references=("x",))]
    (answered,) = answer_rows(rows, engine(llama), Answering(max_new_tokens=6, stop=""), tmp_path, "test")
    tokens = llama.tokenizer(rows[0].prompt)["input_ids"]
    assert answered.prompt_tokens_cut == len(tokens) - 34
    assert answered.raw == alone(llama, llama.tokenizer.decode(tokens[-34:]), 6, 1)


def test_an_answer_that_leaves_no_room_for_a_prompt_is_refused(llama: LoadedModel, tmp_path: Path) -> None:
    llama.model.config.max_position_embeddings = 40
    with pytest.raises(ValueError, match=r"t \(7 prompts.*an answer alone fills the model's context; allow fewer"):
        answer_rows(rows_of_text(), engine(llama), Answering(max_new_tokens=40), tmp_path, "test")


def test_a_model_without_a_limit_cuts_nothing(llama: LoadedModel, tmp_path: Path) -> None:
    del llama.model.config.max_position_embeddings
    answered = answer_rows(rows_with_options(), engine(llama), Answering(), tmp_path, "test")
    assert {one.prompt_tokens_cut for one in answered} == {0}


def test_a_killed_run_goes_on_and_a_finished_one_loads_no_model(llama: LoadedModel, tmp_path: Path) -> None:
    rows = [*rows_with_options(), *[row.model_copy(update={"task": "u"}) for row in rows_of_text()]]
    how = Answering(max_new_tokens=4)
    expected = answer_rows(rows, engine(llama), how, tmp_path / "whole", "test")
    lines = (tmp_path / "whole" / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / JOURNAL).write_bytes(b"".join(lines[:5]) + lines[5][:20])
    loads = []

    def load() -> TransformersEngine:
        loads.append(1)
        return engine(llama)()

    for _ in range(2):
        again = answer_rows(rows, load, how, tmp_path / "killed", "test")
        assert [(one.row, one.prediction) for one in again] == [(one.row, one.prediction) for one in expected]
    assert loads == [1]


def test_no_rows_need_no_model(tmp_path: Path) -> None:
    def load() -> TransformersEngine:
        raise AssertionError("loaded")

    assert answer_rows([], load, Answering(), tmp_path, "test") == []


def test_an_option_without_tokens_of_its_own_is_refused(llama: LoadedModel) -> None:
    with pytest.raises(ValueError, match=r"option '' has no tokens of its own.*delimiter"):
        option_tokens(llama.tokenizer, "Which one?", ("a", ""), "", "joint")


def test_weights_that_give_no_numbers_are_refused(llama: LoadedModel, tmp_path: Path) -> None:
    import torch

    with torch.no_grad():
        llama.model.lm_head.weight[5] = math.nan
    with pytest.raises(ValueError, match=r"t \(9 prompts, ids from 0\): row \d: .*not finite.*damaged"):
        answer_rows(rows_with_options(), engine(llama), Answering(), tmp_path, "test")


def test_an_option_that_cannot_be_scored_is_told_with_its_row(llama: LoadedModel, tmp_path: Path) -> None:
    row = ExampleRow(task="t", id="seven", prompt="x Respons", options=("a", "e"), references=("a",))
    with pytest.raises(ValueError, match=r"row seven: option 'e' has no tokens of its own"):
        rows = [rows_with_options()[0], row]
        answer_rows(rows, engine(llama), Answering(delimiter=""), tmp_path, "test")


def test_a_task_of_two_kinds_of_rows_is_refused(tmp_path: Path, llama: LoadedModel) -> None:
    rows = [rows_with_options()[0], rows_of_text()[1]]
    with pytest.raises(ValueError, match="task t has rows with options and rows without"):
        answer_rows(rows, engine(llama), Answering(), tmp_path, "test")


@pytest.mark.slow
def test_openbookqa_on_the_real_model_has_lm_eval_s_numbers(tmp_path: Path) -> None:
    """lm_eval in double precision: in single, with padded batches, it is itself up to 1.4e-4 away from that."""
    from serve.transformers_engine import load_model

    model = Path(__file__).parents[3] / "runs/models/SmolLM2-135M-Instruct"
    if not DATA.is_dir() or not model.is_dir():
        pytest.skip(f"{DATA} or {model} is not there")
    rows = read_rows([DATA / "openbookqa/test.jsonl"], Fields(), max_rows=20)
    rows[10:] = [row.model_copy(update={"prompt": f"{row.prompt}\n\n### Response:\n"}) for row in rows[10:]]
    loaded = load_model(str(model), device="cpu")
    answered = answer_rows(rows, engine(loaded, 8), Answering(), tmp_path, "test")
    expected = lm_eval_scores(LoadedModel(loaded.model.double(), loaded.tokenizer), rows)
    assert [one.option_log_likelihoods for one in answered] == [pytest.approx(own, abs=1e-4, rel=0) for own in expected]
