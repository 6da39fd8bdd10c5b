from pathlib import Path
from typing import Any

import pytest

from compress.trimming.target_files import check_loading, write_tokenizer
from compress.trimming.tokenizer_file import TokenizerFile
from oneday.files import write_json
from oneday.stage import StageError


def test_a_tokenizer_that_transformers_builds_anew_is_refused(sentencepiece_model: Path) -> None:
    write_json(sentencepiece_model / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"})
    with pytest.raises(StageError, match=r"AutoTokenizer encodes 'habari' as \[.*builds this model's tokenizer anew"):
        check_loading(sentencepiece_model, ["habari"])


def test_a_tokenizer_that_is_read_as_it_is_passes(model: Path) -> None:
    check_loading(model, ["habari", "<turn>x"])


def test_an_id_that_would_be_another_is_refused(byte_level: TokenizerFile, tmp_path: Path) -> None:
    content: dict[str, Any] = byte_level.data
    turn = next(token for token in content["added_tokens"] if token["content"] == "<turn>")
    turn["id"] = 5_000
    with pytest.raises(StageError, match=r"the token '<turn>' was to have the id 5000 and has"):
        write_tokenizer(tmp_path / "tokenizer.json", content)
