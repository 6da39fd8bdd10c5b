from pathlib import Path

import pytest

from compress.corpus import Text
from compress.trimming.counting import measure
from compress.trimming.tokenizer_file import TokenizerFile, load_tokenizer

PATH = Path("a.txt")


def text(content: str, language: str = "swa", split: str = "count") -> Text:
    return Text(content, language, split, PATH)


def test_sums_are_of_each_language_and_split(file: TokenizerFile) -> None:
    texts = [text("habari za asubuhi"), text("ina kwana é", "hau"), text("yau", "hau", "report"), text("za")]
    found = measure(file.encoder, texts, len(file.ids), "count")
    assert set(found.groups) == {("swa", "count"), ("hau", "count"), ("hau", "report")}
    swahili = found.groups["swa", "count"]
    assert (swahili.texts, swahili.words, swahili.bytes, swahili.whole) == (2, 4, 19, 2)
    assert found.groups["hau", "count"].bytes == 12


def test_occurrences_are_of_counted_texts_alone(file: TokenizerFile) -> None:
    found = measure(file.encoder, [text("za za"), text("yau yau", split="report")], len(file.ids), "count")
    ids = file.encoder.encode("za za", add_special_tokens=False).ids
    total = found.total(len(file.ids))
    assert total.sum() == len(ids) == found.groups["swa", "count"].tokens
    assert all(total[number] for number in ids)


def test_a_text_is_counted_whole_though_the_file_says_to_cut_it(file: TokenizerFile) -> None:
    file.data["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    import json

    file.path.write_text(json.dumps(file.data), encoding="utf-8")
    found = measure(load_tokenizer(file.path), [text("habari za asubuhi " * 20)], len(file.ids), "count")
    assert found.groups["swa", "count"].tokens > 50


def test_many_texts_give_the_same_as_few_at_a_time(file: TokenizerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text(f"habari {n}", "swa" if n % 3 else "hau") for n in range(50)]
    together = measure(file.encoder, texts, len(file.ids), "count")
    monkeypatch.setattr("compress.trimming.counting.BATCH_TEXTS", 3)
    assert measure(file.encoder, texts, len(file.ids), "count").groups == together.groups


def test_no_counted_text_is_refused(file: TokenizerFile) -> None:
    with pytest.raises(ValueError, match="no text was found in the files with split: count"):
        measure(file.encoder, [text("yau", split="report")], len(file.ids), "count")
