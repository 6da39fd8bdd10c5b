"""compress.yaml: what it refuses and what it says then."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from compress.config import CompressConfig
from oneday.config import ConfigError, load_config

TEXTS = [{"path": "swahili.txt", "language": "swa"}]
TRIM = {"corpus": TEXTS, "vocabulary": 8192}
PRUNE = {"method": "importance", "seed": 1, "calibration": {"corpus": TEXTS, "sequences": 4, "tokens": 64}}


def faults(folder: Path, **settings: Any) -> str:
    path = folder / "compress.yaml"
    path.write_text(yaml.safe_dump({"parent": "some/model", "seed": 1} | settings), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config(path, CompressConfig)
    return str(error.value)


def test_a_compression_that_does_nothing_is_refused(tmp_path: Path) -> None:
    assert "nothing to do: give trim, prune or quantise" in faults(tmp_path)


@pytest.mark.parametrize("sizes", [{}, {"vocabulary": 8192, "min_count": 2}])
def test_trimming_goes_by_one_of_size_and_count(tmp_path: Path, sizes: dict[str, int]) -> None:
    assert "trim: give either vocabulary" in faults(tmp_path, trim={"corpus": TEXTS, **sizes})


def test_a_fresh_tokenizer_needs_a_size(tmp_path: Path) -> None:
    assert "fresh: true needs vocabulary" in faults(tmp_path, trim={"corpus": TEXTS, "min_count": 2, "fresh": True})


def test_a_fresh_tokenizer_has_no_tokens_to_keep(tmp_path: Path) -> None:
    message = faults(tmp_path, trim=TRIM | {"fresh": True, "keep": ["Chanya"]})
    assert "keep: a fresh tokenizer has no tokens to keep" in message


def test_a_corpus_that_is_only_measured_is_refused(tmp_path: Path) -> None:
    only = [TEXTS[0] | {"split": "report"}]
    assert "at least one file must have split: count" in faults(tmp_path, trim=TRIM | {"corpus": only})


@pytest.mark.parametrize(
    "changes", [{"method": "importance"}, {"method": "pca"}, {"method": "random", "layers": 6}], ids=str
)
def test_what_is_measured_needs_texts(tmp_path: Path, changes: dict[str, Any]) -> None:
    message = faults(tmp_path, prune={key: PRUNE[key] for key in ("method", "seed")} | changes)
    assert "calibration is required" in message and "method random without refit and with depth: first" in message


def test_the_published_method_needs_no_text(tmp_path: Path) -> None:
    path = tmp_path / "compress.yaml"
    prune = {"method": "random", "seed": 123, "layers": 6, "depth": "first", "hidden_size": 1024}
    path.write_text(yaml.safe_dump({"parent": "some/model", "seed": 1, "prune": prune}), encoding="utf-8")
    settings = load_config(path, CompressConfig).prune
    assert settings is not None and not settings.needs_text


def test_a_tied_head_after_a_rotation_is_refused_with_what_works(tmp_path: Path) -> None:
    message = faults(tmp_path, prune=PRUNE | {"method": "pca", "head": "tied"})
    assert "head: tied cannot hold after a rotation" in message and "head: untied" in message


def test_the_published_method_has_no_refit(tmp_path: Path) -> None:
    assert "refit: the published method random has none" in faults(
        tmp_path, prune=PRUNE | {"method": "random", "refit": True}
    )


def test_an_odd_head_size_and_a_misspelt_key_are_told_together(tmp_path: Path) -> None:
    message = faults(tmp_path, prune=PRUNE | {"head_dim": 33, "hiden_size": 4})
    assert "prune.head_dim" in message and "did you mean 'hidden_size'?" in message
