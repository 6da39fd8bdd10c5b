import json

from tokenizers import Tokenizer

from compress.trimming.rewriting import rewrite_processor, rewrite_settings, rewrite_tokenizer
from compress.trimming.tokenizer_file import TokenizerFile

KEPT = ["</s>", "<s>", "<unk>"]


def test_keeping_all_tokens_changes_no_segmentation(file: TokenizerFile) -> None:
    kept = [file.tokens[number] for number in range(len(file.tokens))]
    again = Tokenizer.from_str(json.dumps(rewrite_tokenizer(file, kept, file.data["post_processor"])))
    again.no_truncation()
    for text in ("habari za asubuhi", "日本 🙏  <turn>x\n", "<s>a<unused3>"):
        assert again.encode(text).ids == file.encoder.encode(text).ids


def test_only_merges_between_kept_tokens_stay(byte_level: TokenizerFile) -> None:
    pair = byte_level.pairs[0]
    content = rewrite_tokenizer(byte_level, [*KEPT, *pair, "".join(pair)], None)
    assert content["model"]["merges"] == [list(pair)]


def test_added_tokens_keep_their_flags_under_new_ids(file: TokenizerFile) -> None:
    content = rewrite_tokenizer(file, [*KEPT, "<turn>"], None)
    ids = {token["content"]: token["id"] for token in content["added_tokens"]}
    assert ids == {"</s>": 0, "<s>": 1, "<unk>": 2, "<turn>": 3}
    assert [token["special"] for token in content["added_tokens"]] == [True, True, True, False]
    assert ("<turn>" in content["model"]["vocab"]) == (not file.byte_level)


def test_padding_gets_its_new_id_or_goes(file: TokenizerFile) -> None:
    file.data["padding"] = {"pad_id": 2, "pad_token": "</s>", "direction": "Left"}
    assert rewrite_tokenizer(file, KEPT, None)["padding"]["pad_id"] == 0
    assert rewrite_tokenizer(file, ["<s>", "<unk>"], None)["padding"] is None


def test_all_kinds_of_post_processors_get_new_ids() -> None:
    template = {"special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    roberta = {"sep": ["</s>", 2], "cls": ["<s>", 1]}
    changed = rewrite_processor({"processors": [template, roberta, {"type": "ByteLevel"}]}, {"<s>": 7, "</s>": 8})
    assert changed["processors"][0]["special_tokens"]["<s>"]["ids"] == [7]
    assert changed["processors"][1] == {"sep": ["</s>", 8], "cls": ["<s>", 7]}
    assert rewrite_processor(None, {}) is None


def test_settings_keep_what_is_kept_under_new_ids_and_name_the_class_that_changes_nothing(file: TokenizerFile) -> None:
    turn = file.ids["<turn>"]
    settings = {
        "tokenizer_class": "LlamaTokenizer",
        "auto_map": {"AutoTokenizer": "code"},
        "add_bos_token": True,
        "bos_token": "<s>",
        "bos_token_id": 1,
        "mask_token": "<unused1>",
        "pad_token": None,
        "additional_special_tokens": ["<unused0>", "</s>"],
        "extra_special_tokens": {"turn": "<turn>", "end": {"content": "</s>"}},
        "added_tokens_decoder": {
            "2": {"content": "</s>"},
            str(turn): {"content": "<turn>"},
            "9999": {"content": "new"},
        },
        "model_max_length": 512,
    }
    assert rewrite_settings(settings, file, KEPT) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "bos_token_id": 1,
        "pad_token": None,
        "additional_special_tokens": ["</s>"],
        "extra_special_tokens": {"end": {"content": "</s>"}},
        "added_tokens_decoder": {"0": {"content": "</s>"}},
        "model_max_length": 512,
    }
