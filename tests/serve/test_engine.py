"""The engine says what the model says: sharing, padding and batching change no text."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from serve.engine import TransformersEngine, load_transformers_engine, shared_prefix_length
from serve.transformers_engine import load_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

NEVER = ""  # nothing ends a text but its end or its length
SHARED = "### Instruction:\nChoose the option.\n\n### Input:\nWhich one?\nA. yes\nB. no\n\n### Response:\nA\n\n"


def own_part(words: int) -> str:
    return f"### Input:\n{'word ' * words}end {words}\n\n### Response:\n"


PROMPTS = [SHARED + own_part(words) for words in (5, 0, 17, 2, 9, 3, 1)]


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> TransformersEngine:
    return load_transformers_engine(str(tiny_model_dir), batch_size=3)


def naive(engine: TransformersEngine, tokens: list[int], max_new_tokens: int = 10) -> str:
    """What the model itself generates for one prompt: no padding, no shared cache, no batch."""
    import torch

    with torch.inference_mode():
        output = engine.model.generate(
            torch.tensor([tokens]),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=engine.tokenizer.eos_token_id,
            pad_token_id=engine.tokenizer.pad_token_id,
        )
    return str(engine.tokenizer.decode(output[0, len(tokens) :], skip_special_tokens=True))


def tokens_of(engine: TransformersEngine, text: str) -> list[int]:
    return list(engine.tokenizer(text)["input_ids"])


def texts(engine: TransformersEngine, prompts: list[str], max_new_tokens: int = 10, stop: str = NEVER) -> list[str]:
    answers = [answer for batch in engine.generate(prompts, max_new_tokens, stop) for answer in batch]
    assert sorted(position for position, _ in answers) == list(range(len(prompts)))
    return [text for _, text in sorted(answers)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 20])
def test_texts_equal_those_of_the_model_one_by_one(engine: TransformersEngine, batch_size: int) -> None:
    batched = TransformersEngine(engine.model, engine.tokenizer, batch_size)
    expected = [naive(engine, tokens_of(engine, prompt)) for prompt in PROMPTS]
    assert len(set(expected)) == len(PROMPTS)
    assert texts(batched, PROMPTS) == expected


def test_the_prompts_share_most_of_their_tokens_and_differ_in_length(engine: TransformersEngine) -> None:
    tokens = [tokens_of(engine, prompt) for prompt in PROMPTS]
    assert shared_prefix_length(tokens) > 30
    assert len(set(map(len, tokens))) == len(PROMPTS)


@pytest.mark.parametrize(
    ("common", "one", "other"),
    [
        pytest.param(SHARED, "### Input:\nend\n\n### Response:\n", "Once more:\n", id="after a blank line"),
        pytest.param(f"{SHARED}### Res", "ponse:\n", "pite:\n", id="inside a word"),
    ],
)
def test_tokens_that_meet_where_the_prompts_part_are_not_cut(
    engine: TransformersEngine, common: str, one: str, other: str
) -> None:
    """The trap: a blank line is one token at the end of a text, but two before `###`."""
    prompts = [common + one, common + other]
    whole = tokens_of(engine, prompts[0])
    cut = tokens_of(engine, common) + tokens_of(engine, one)
    assert cut != whole
    assert naive(engine, cut) != naive(engine, whole)
    assert texts(engine, prompts) == [naive(engine, tokens_of(engine, prompt)) for prompt in prompts]


@pytest.mark.parametrize(
    "prompts",
    [
        pytest.param(["alone in the batch"], id="one prompt"),
        pytest.param(["the same\n"] * 5, id="equal prompts"),
        pytest.param(["one thing", "another thing, and longer"], id="nothing shared"),
        pytest.param(["a b", "a b c d e f g"], id="one prompt begins the other"),
        pytest.param(["x", "y", "zzz"], id="a prompt of one token"),
        pytest.param(["naïve 中文 🙂\n", "naïve 中文 🙃\n"], id="not ASCII"),
    ],
)
def test_special_sets_of_prompts_are_answered_as_one_by_one(engine: TransformersEngine, prompts: list[str]) -> None:
    assert texts(engine, prompts) == [naive(engine, tokens_of(engine, prompt)) for prompt in prompts]


def test_texts_do_not_depend_on_the_order_of_prompts(engine: TransformersEngine) -> None:
    assert texts(engine, PROMPTS[::-1]) == texts(engine, PROMPTS)[::-1]


@pytest.mark.parametrize("max_new_tokens", [1, 4])
def test_a_text_has_at_most_the_new_tokens_asked_for(engine: TransformersEngine, max_new_tokens: int) -> None:
    expected = [naive(engine, tokens_of(engine, prompt), max_new_tokens) for prompt in PROMPTS]
    assert texts(engine, PROMPTS, max_new_tokens) == expected


def test_batches_hold_prompts_of_like_length(engine: TransformersEngine) -> None:
    batches = [[position for position, _ in batch] for batch in engine.generate(PROMPTS, 1, NEVER)]
    assert [len(batch) for batch in batches] == [3, 3, 1]
    lengths = [len(PROMPTS[position]) for batch in batches for position in batch]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("done_batches", "also_done", "left"),
    [
        pytest.param([], 0, [0, 1, 2], id="nothing done"),
        pytest.param([0], 0, [1, 2], id="first batch done"),
        pytest.param([1], 0, [0, 2], id="middle batch done"),
        pytest.param([0], 2, [1, 2], id="batch done in part is generated whole"),
        pytest.param([0, 1, 2], 0, [], id="all done"),
    ],
)
def test_only_whole_batches_are_left_out_and_texts_stay(
    engine: TransformersEngine, done_batches: list[int], also_done: int, left: list[int]
) -> None:
    batches = list(engine.generate(PROMPTS, 6, NEVER))
    done = {position for number in done_batches for position, _ in batches[number]}
    done |= {position for position, _ in batches[1][:also_done]}
    assert list(engine.generate(PROMPTS, 6, NEVER, done)) == [batches[number] for number in left]


@pytest.fixture(scope="module")
def scripted(tiny_tokenizer: "PreTrainedTokenizerFast", tiny_model_dir: Path) -> TransformersEngine:
    """A model that follows a script: the last token alone decides the next one."""
    import torch

    engine = load_transformers_engine(str(tiny_model_dir), batch_size=10)
    tokens = {
        text: tiny_tokenizer(text)["input_ids"] for text in ["a", "b", "c", "d", "e", "f", "g", "h", "\n", "\n\n"]
    }
    assert all(len(ids) == 1 for ids in tokens.values())
    script = [("a", "b"), ("b", "c"), ("c", "\n\n"), ("\n\n", "d"), ("d", "e"), ("f", "g"), ("g", "g")]
    script += [("h", "\n"), ("\n", "\n")]
    pairs = [(tokens[said][0], tokens[then][0]) for said, then in script]
    pairs.append((tokens["e"][0], tiny_tokenizer.eos_token_id))
    model = engine.model
    with torch.no_grad():
        for layer in model.model.layers:  # what is left is the last token's own embedding
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        torch.nn.init.orthogonal_(model.model.embed_tokens.weight)
        model.lm_head.weight.zero_()
        for said, then in pairs:
            model.lm_head.weight[then] += model.model.embed_tokens.weight[said]
    return engine


def test_each_text_ends_at_the_blank_line_the_end_of_sequence_or_the_last_token(scripted: TransformersEngine) -> None:
    prompts = [f"### Input:\n\n### Response:\n{letter}" for letter in ("a", "d", "f", "h", "e")]
    assert texts(scripted, prompts, 6, "\n\n") == ["bc\n\n", "e", "gggggg", "\n\n", ""]


def test_a_text_goes_on_without_the_stop(scripted: TransformersEngine) -> None:
    assert texts(scripted, ["1 a", "12 d"], 8, NEVER) == ["bc\n\nde", "e"]


def test_a_stop_inside_the_prompt_does_not_stop(scripted: TransformersEngine) -> None:
    assert texts(scripted, ["x\n\ny\n\nf"], 3, "\n\n") == ["ggg"]


def test_a_stop_spread_over_tokens_is_seen(scripted: TransformersEngine) -> None:
    assert texts(scripted, ["1 f", "22 a"], 8, "ggg") == ["ggg", "bc\n\nde"]


def test_the_adapter_is_merged_into_the_base_model(
    tiny_model_dir: Path, tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    settings = LoraConfig(target_modules=["q_proj", "v_proj"], r=4, init_lora_weights=False, task_type="CAUSAL_LM")
    base: PreTrainedModel = AutoModelForCausalLM.from_pretrained(tiny_model_dir, dtype=torch.float32)
    model = get_peft_model(base, settings)
    model.save_pretrained(tmp_path / "adapter")
    tiny_tokenizer.save_pretrained(tmp_path / "adapter")
    tuned = load_transformers_engine(str(tiny_model_dir), 3, tmp_path / "adapter")
    adapted = TransformersEngine(model, tiny_tokenizer, 3)
    assert texts(tuned, PROMPTS) == [naive(adapted, tokens_of(adapted, prompt)) for prompt in PROMPTS]
    assert texts(tuned, PROMPTS) != texts(load_transformers_engine(str(tiny_model_dir), 3), PROMPTS)


def test_a_tokenizer_without_padding_pads_with_the_end_of_sequence(tiny_model_dir: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(tiny_model_dir).save_pretrained(tmp_path)
    engine = load_transformers_engine(str(tmp_path), 3)
    assert engine.tokenizer.pad_token_id == engine.tokenizer.eos_token_id
    assert texts(engine, PROMPTS) == [naive(engine, tokens_of(engine, prompt)) for prompt in PROMPTS]


def test_only_safetensors_weights_are_read(tiny_model_dir: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(tmp_path)
    with pytest.raises(OSError, match="safetensors"):
        load_transformers_engine(str(tmp_path), 1)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([[1, 2, 3]], 2),
        ([[1]], 0),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2, 3]], 2),
        ([[1, 2], [1, 2, 3]], 1),
        ([[1, 2, 3], [1]], 0),
        ([[1, 2], [3, 2]], 0),
        ([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 9, 4]], 2),
    ],
)
def test_the_shared_prefix_leaves_each_prompt_a_token_of_its_own(tokens: list[list[int]], expected: int) -> None:
    assert shared_prefix_length(tokens) == expected


def test_no_prompts_are_no_batches(engine: TransformersEngine) -> None:
    assert list(engine.generate([], 5, NEVER)) == []


@pytest.mark.parametrize(
    "window",
    [
        32,
        64,
        4096,
    ],
)
def test_a_model_with_a_sliding_window_is_answered_as_one_by_one(
    tiny_tokenizer: "PreTrainedTokenizerFast", window: int
) -> None:
    """Mistral-7B-v0.1 has a window of 4,096 tokens, Gemma 3 of 512 or 1,024."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        sliding_window=window,
    )
    engine = TransformersEngine(MistralForCausalLM(config), tiny_tokenizer, 3)
    assert texts(engine, PROMPTS) == [naive(engine, tokens_of(engine, prompt)) for prompt in PROMPTS]


def test_decoding_is_greedy_whatever_the_model_brings_along(tiny_model_dir: Path) -> None:
    """Qwen2.5's instruct models, among others, come with a repetition penalty."""
    engine = load_transformers_engine(str(tiny_model_dir), 3)
    expected = texts(engine, PROMPTS)
    engine.model.generation_config.repetition_penalty = 1.5
    assert texts(engine, PROMPTS) != expected  # it would count, were it left in place
    penalised = TransformersEngine(engine.model, engine.tokenizer, 3)
    assert texts(penalised, PROMPTS) == expected


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_is_loaded_in_the_precision_that_is_asked_for(
    tiny_model_dir: Path, dtype: Literal["float32", "bfloat16"]
) -> None:
    model = load_model(str(tiny_model_dir), dtype=dtype).model
    assert {str(weight.dtype) for weight in model.parameters()} == {f"torch.{dtype}"}


def test_a_model_is_loaded_in_float32_on_a_processor(tiny_model_dir: Path) -> None:
    assert str(load_model(str(tiny_model_dir)).model.dtype) == "torch.float32"
