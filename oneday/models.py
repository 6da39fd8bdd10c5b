"""The base model: a hub id, a local folder, or one that an installed Python package carries as a GGUF file.

A packaged model, whole or in chunks, is converted once into safetensors in the cache folder ($ONEDAY_CACHE,
default ~/.cache/oneday), and the path that the recipe names becomes a link to it.

    python -m oneday.models recipes/quickstart      unpack the recipe's base model, nothing else
"""

import io
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stderr
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from oneday.files import sha256_file, sha256_json, sha256_once, write_json
from oneday.packaged_parts import PackagedParts, join_parts, packaged_parts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECORD = "oneday_model.json"
LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "*TERMS*", "USE_POLICY*")
GEMMA = ("gemma", "gemma2", "gemma3_text")  # transformers reads the tokenizers of their GGUF files as Unigram models


def cache_dir() -> Path:
    """Where converted models are kept: $ONEDAY_CACHE, else $XDG_CACHE_HOME/oneday, else ~/.cache/oneday."""
    if chosen := os.environ.get("ONEDAY_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "oneday"


def ensure_base_model(base_model: str, source: str | None) -> None:
    """Make a packaged base model available at the path `base_model`; a hub id or a real folder is left alone.

    `source` is `package:file.gguf`; the file may lie in chunks in part packages that the package requires. Raises
    FileNotFoundError if a package is not installed or holds no such file, ValueError if the chunks are damaged or
    `base_model` is a folder of the user's that the link would replace.
    """
    if source is None:
        return
    package, _, file_name = source.partition(":")
    if not package or not file_name:
        raise ValueError(f"oneday_base_model_from: {source!r} is not of the form package:file.gguf")
    link = Path(base_model)
    if link.exists() and not (link.is_symlink() and (link / RECORD).is_file()):
        keys = "oneday_base_model_from from train.yaml (parent_from from compress.yaml)"
        raise ValueError(f"{link} is a folder of your own; remove {keys} to use it")
    packaged = packaged_model(package, file_name)
    converted = converted_folder(packaged)
    if not (converted / RECORD).is_file():
        _convert(_whole(packaged), package, converted)
    if link.exists() and link.resolve() == converted.resolve():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(converted.resolve(), target_is_directory=True)
    temporary.replace(link)


def packaged_model(package: str, file_name: str) -> Path | PackagedParts:
    """The GGUF file of an installed package, or its chunks in the package's part packages."""
    package_version(package)
    return packaged_parts(package, file_name) or packaged_file(package, file_name)


def converted_folder(gguf: Path | PackagedParts) -> Path:
    """Where a GGUF file's safetensors are cached: one folder for each content and each version of the converter."""
    digest = gguf.sha256 if isinstance(gguf, PackagedParts) else sha256_file(gguf)
    made_from = f"{digest[:12]}-transformers-{metadata.version('transformers')}"
    return cache_dir() / "models" / f"{Path(gguf.name).stem}-{made_from}"


def _whole(packaged: Path | PackagedParts) -> Path:
    """The GGUF file as one; chunks are joined once, in the cache folder."""
    if isinstance(packaged, Path):
        return packaged
    joined = cache_dir() / "joined" / packaged.sha256[:12] / packaged.name
    if not joined.is_file():
        join_parts(packaged, joined)
    return joined


def packaged_file(package: str, suffix: str) -> Path:
    """The file of an installed package whose path ends in `suffix`. Nothing of the package is imported."""
    version = package_version(package)
    found = [file for file in metadata.files(package) or [] if str(file).endswith(suffix)]
    if not found:
        raise FileNotFoundError(f"the Python package '{package}' {version} holds no file {suffix}")
    return Path(str(found[0].locate()))


def package_version(package: str) -> str:
    """The version of an installed package. FileNotFoundError says how to install it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        command = f"pip install --constraint constraints.txt --no-deps {package}"
        raise FileNotFoundError(f"the Python package '{package}' is not installed; run: {command}") from error


def model_files(base_model: str) -> dict[str, str]:
    """The hash of each file of a local model; for a hub id, the id itself."""
    return tokenizer_files(base_model) | _hashes(base_model, {".safetensors", ".bin"})


def tokenizer_files(base_model: str) -> dict[str, str]:
    """The hash of each file of a local model but its weights; for a hub id, the id itself."""
    if not Path(base_model).is_dir():
        return {"base_model": base_model}
    return _hashes(base_model, {".json", ".jinja", ".model", ".txt"})


def _hashes(base_model: str, suffixes: set[str]) -> dict[str, str]:
    """The hash of each file of a local model with one of the suffixes."""
    folder = Path(base_model)
    names = sorted(path.name for path in folder.glob("*") if path.suffix in suffixes and path.name != RECORD)
    return {f"base_model/{name}": sha256_once(folder / name) for name in names}


def model_digest(base_model: str) -> str:
    """One hash for all files of a local model, or for the hub id."""
    return sha256_json(model_files(base_model))


def _convert(gguf: Path, package: str, target: Path) -> None:
    """Write the GGUF file's weights (as float32) and tokenizer into `target`; whole or not at all."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    print(f"Unpacking {gguf.name} (package {package}) into {target} ...", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    for left_over in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(left_over)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with redirect_stderr(io.StringIO()):  # transformers' bar for this step has no switch
            model, tokenizer = _read(gguf)
        model.config._name_or_path = gguf.stem
        model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        record = {"package": package, "version": metadata.version(package), "file": gguf.name}
        copy_licences(package, partial)
        write_json(partial / RECORD, record | {"transformers": metadata.version("transformers")})
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy_licences(package: str, folder: Path) -> None:
    """Put the model's licence and notices beside it: terms such as Gemma's want to go with every copy."""
    for file in metadata.files(package) or []:
        name, place = Path(file.name), Path(str(file.locate()))
        if ".dist-info" not in str(file) and any(name.match(pattern) for pattern in LICENCES) and place.is_file():
            shutil.copyfile(place, folder / name)


def _read(gguf: Path) -> "tuple[Any, PreTrainedTokenizerBase]":
    """The model (float32) and the tokenizer of a GGUF file, of one mind about the special tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from oneday.gguf_tokenizer import gemma_tokenizer, read_vocabulary

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    if model.config.model_type not in GEMMA:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        _repair_special_tokens(tokenizer, model.config.eos_token_id)
        return model, tokenizer
    tokenizer = gemma_tokenizer(read_vocabulary(gguf))
    if tokenizer.chat_template is not None:  # a turn of an instruction-tuned model ends before the text does
        ends = tokenizer.convert_tokens_to_ids(["<eos>", "<end_of_turn>"])
        model.generation_config.eos_token_id = sorted({tokenizer.eos_token_id, *ends})
    return model, tokenizer


def _repair_special_tokens(tokenizer, end_of_sequence: int) -> None:  # type: ignore[no-untyped-def]
    """Make the tokenizer agree with the model's config.

    transformers 5.16 reads SmolLM2's GGUF with the end-of-sequence token set to `<|im_start|>` and no padding
    token. The config is right. Padding must differ from end-of-sequence, or training would mask the latter.
    """
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end_of_sequence)
    if tokenizer.pad_token_id in (None, end_of_sequence):
        tokenizer.pad_token = tokenizer.unk_token


def main(argv: list[str] | None = None) -> int:
    """Unpack a recipe's base model."""
    import typer

    from oneday.console import quiet_libraries, run_command, typer_main

    def command(recipe: Annotated[Path, typer.Argument(help="Recipe folder.")]) -> int:
        def work() -> None:
            from oneday.recipe import load_recipe

            quiet_libraries()
            loaded = load_recipe(recipe)
            ensure_base_model(loaded.base_model, loaded.base_model_from)
            print(f"{loaded.base_model} is ready")

        return run_command(work)

    return typer_main(command, "Make a recipe's base model available at the path that its train.yaml names.", argv)


if __name__ == "__main__":
    sys.exit(main())
