from dataclasses import replace
from pathlib import Path

import pytest

from compress.config import CorpusFile, Trim
from compress.corpus import texts
from compress.trimming.counting import measure
from compress.trimming.model import write_model
from compress.trimming.parent_files import read_parent
from compress.trimming.vocabulary import trimmed_vocabulary
from oneday.stage import StageError


def test_a_vocabulary_with_an_unreachable_token_is_not_written(model: Path, corpus: Path, tmp_path: Path) -> None:
    parent, files = read_parent(model), [CorpusFile(path=str(corpus), language="swa")]
    counts = measure(parent.tokenizer.encoder, texts(files, None), parent.rows, "count").total(parent.rows)
    vocabulary = trimmed_vocabulary(parent, counts, Trim(corpus=files, vocabulary=620), None)
    (tmp_path / "out").mkdir()
    without = vocabulary.content["model"] | {"merges": []}
    spoilt = replace(vocabulary, content=vocabulary.content | {"model": without})
    with pytest.raises(StageError, match=r"no text can become \d+ of the kept tokens, such as"):
        write_model(parent, spoilt, tmp_path / "out", [])
    assert list((tmp_path / "out").iterdir()) == []
