from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from compress.tensor_files import open_checkpoint
from compress.trimming.slicing import vocabulary_tensors, write_rows

EMBEDDING = "model.embed_tokens.weight"


def checkpoint(folder: Path, **sizes: tuple[int, ...]) -> Path:
    tensors = {name.replace("__", "."): torch.randn(size) for name, size in sizes.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_embeddings_and_head_are_cut_and_the_others_copied(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, model__embed_tokens__weight=(6, 2), lm_head__weight=(6, 2), model__norm__weight=(6,))
    opened = open_checkpoint(folder)
    names = vocabulary_tensors(opened)
    assert names == [EMBEDDING, "lm_head.weight"]
    write_rows(opened, names, 2, lambda tensor: tensor[[5, 1]], tmp_path / "new.safetensors")
    old, new = load_file(folder / "model.safetensors"), load_file(tmp_path / "new.safetensors")
    assert torch.equal(new[EMBEDDING], old[EMBEDDING][[5, 1]])
    assert torch.equal(new["lm_head.weight"], old["lm_head.weight"][[5, 1]])
    assert torch.equal(new["model.norm.weight"], old["model.norm.weight"])


def test_a_head_with_other_rows_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, model__embed_tokens__weight=(6, 2), lm_head__weight=(5, 2))
    with pytest.raises(ValueError, match=r"lm_head.weight has 5 rows and model.embed_tokens.weight 6"):
        vocabulary_tensors(open_checkpoint(folder))


@pytest.mark.parametrize(
    "sizes",
    [
        {"transformer__wte__weight": (6, 2)},
        {"model__embed_tokens__weight": (6, 2), "model__embed_tokens_per_layer__weight": (6, 4)},
    ],
)
def test_other_embeddings_are_refused_with_what_works(tmp_path: Path, sizes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"embeddings found: .* the shape of Llama, Mistral"):
        vocabulary_tensors(open_checkpoint(checkpoint(tmp_path, **sizes)))
