"""What every test may use: a tiny tokenizer and model, an editable copy of the quickstart recipe, a toy source tree."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from oneday import code
from oneday.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "recipes" / "quickstart"


@dataclass(frozen=True)
class RecipeFolder:
    """A copy of recipes/quickstart that a test may spoil."""

    path: Path

    def edit(self, file: str, **changes: Any) -> None:
        """Set keys of a YAML file, parents parted by two underscores (`mix__eval_share=0.5`, `variants__1__model`)."""
        values = yaml.safe_load((self.path / file).read_text(encoding="utf-8"))
        for name, value in changes.items():
            *parents, last = (int(part) if part.isdigit() else part for part in name.split("__"))
            here = values
            for parent in parents:
                here = here[parent]
            here[last] = value
        self._write(file, values)

    def remove(self, file: str, *keys: str) -> None:
        """Take top-level keys out of a YAML file, those of them that it has."""
        values = yaml.safe_load((self.path / file).read_text(encoding="utf-8"))
        self._write(file, {key: value for key, value in values.items() if key not in keys})

    def use_model(self, folder: Path) -> None:
        """Make a model in a local folder the base model."""
        self.remove("train.yaml", "oneday_base_model_from")
        self.edit("train.yaml", base_model=str(folder))

    def line(self, file: str, text: str) -> int:
        """The 1-based number of the only line that holds `text`."""
        lines = (self.path / file).read_text(encoding="utf-8").splitlines()
        (number,) = [number for number, line in enumerate(lines, start=1) if text in line]
        return number

    def load(self) -> Recipe:
        """The recipe as the stages get it."""
        return load_recipe(self.path)

    def _write(self, file: str, values: dict[str, Any]) -> None:
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        (self.path / file).write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def copy_recipe() -> Callable[[Path], RecipeFolder]:
    """Makes an editable copy of the quickstart recipe below a folder, with rules that are for any task."""

    def copy(folder: Path) -> RecipeFolder:
        copied = RecipeFolder(Path(shutil.copytree(QUICKSTART, folder / "recipes" / "quickstart")))
        (copied.path / "rules.yaml").write_text("default: [cut_at_blank_line, strip]\n", encoding="utf-8")
        (copied.path / "rules-candidates.yaml").unlink()
        return copied

    return copy


@pytest.fixture
def recipe(tmp_path: Path, copy_recipe: Callable[[Path], RecipeFolder]) -> RecipeFolder:
    """An editable copy of the quickstart recipe."""
    return copy_recipe(tmp_path)


@pytest.fixture(autouse=True)
def _no_user_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's converted models."""
    monkeypatch.setenv("ONEDAY_CACHE", str(tmp_path_factory.getbasetemp() / "oneday_cache"))


@pytest.fixture(scope="session")
def tiny_tokenizer() -> "PreTrainedTokenizerFast":
    """A byte-level BPE tokenizer that, like SmolLM2's, reads a blank line as one token at the end of a text only."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<unk>", "<eos>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = ["### Instruction:\nChoose the option.\n\n", "### Input:\nWhich one?\n\n", "### Response:\nA\n\n"]
    bpe.train_from_iterator(texts * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, unk_token="<unk>", eos_token="<eos>", pad_token="<pad>")


@pytest.fixture(scope="session")
def tiny_model_dir(tiny_tokenizer: "PreTrainedTokenizerFast", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama of hidden size 64 with its tokenizer, on disk as safetensors.

    The weights are drawn ten times wider than usual, so that every token of a prompt sways the answer. torch gets
    one thread: on a busy machine, two of them make tiny matrices ten times slower.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of this project's packages, which `oneday.code` takes for the project; a test may edit it."""
    root = tmp_path / "sources"
    for package in ("oneday", "compress", "data_prep", "eval", "postprocess", "serve", "training"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", root)
    code.fingerprint.cache_clear()
    yield root
    code.fingerprint.cache_clear()
