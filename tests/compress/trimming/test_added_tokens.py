import numpy as np
import pytest

from compress.trimming.added_tokens import RESERVED, names_in, sort_added_tokens
from compress.trimming.tokenizer_file import TokenizerFile


def test_reserved_and_unseen_tokens_go_and_special_and_used_ones_stay(file: TokenizerFile) -> None:
    counts = np.zeros(len(file.ids), np.int64)
    counts[file.ids["<unused7>"]] = 1
    sorted_tokens = sort_added_tokens(file, counts, {file.ids["<unused8>"]})
    kept = {file.tokens[number] for number in sorted_tokens.kept}
    assert {"<unk>", "<s>", "</s>", "<unused7>", "<unused8>"} <= kept
    assert sorted_tokens.dropped["<unused9>"] == "reserved and in no text"
    assert sorted_tokens.dropped["<turn>"] == "not special and in no text"
    assert kept | sorted_tokens.dropped.keys() == file.added.keys()


def test_a_line_break_stays_though_it_is_in_no_text(file: TokenizerFile) -> None:
    kept = sort_added_tokens(file, np.zeros(len(file.ids), np.int64), set()).kept
    assert ("\n" in file.added) == (file.ids.get("\n") in kept)


@pytest.mark.parametrize(
    "text",
    ["<unused0>", "<unused6241>", "<|reserved_special_token_12|>", "[UNUSED_TOKEN_3]", "<SPECIAL_20>", "<extra_id_1>"],
)
def test_placeholders_of_known_families_are_reserved(text: str) -> None:
    assert RESERVED.fullmatch(text)


@pytest.mark.parametrize("text", ["<h1>", "<|im_start|>", "<start_of_turn>", "<0x0A>", "</s>", "[INST]"])
def test_tokens_with_a_meaning_are_not_reserved(text: str) -> None:
    assert not RESERVED.fullmatch(text)


def test_settings_template_and_post_processor_name_tokens(file: TokenizerFile) -> None:
    settings = {"eos_token": {"content": "</s>"}, "pad_token": None, "chat_template": "x", "unk_token": "<unk>"}
    assert names_in(settings, "{{ '<turn>' }}", file) == {"</s>", "<unk>", "<turn>", "<s>"}


def test_tokens_of_other_post_processors_are_found(file: TokenizerFile) -> None:
    bert = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}
    file.data["post_processor"] = {"type": "Sequence", "processors": [bert]}
    assert names_in({}, "", file) == {"</s>", "<s>"}
