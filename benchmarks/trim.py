"""What a smaller vocabulary costs: tokens a word and bits a byte on texts that were not counted, full against trimmed.

    python -m benchmarks.trim MODEL --sizes 8192,16384 --texts 100 \
        count:swa:data/train.jsonl:translation.swa report:swa:data/validation.jsonl:translation.swa ...

Each file is `split:language:path:field` as in compress.yaml. Bits a byte are the negative log-likelihood of all tokens
but the first special one, in bits, over the UTF-8 bytes of the same texts. float32 on the processor; no training.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from compress.config import CorpusFile, Trim
from compress.corpus import texts
from compress.counts import count_parameters
from compress.trimming.model import trim_model
from oneday.console import progress, quiet_libraries


def bits_per_byte(folder: Path, by_language: dict[str, list[str]], label: str) -> dict[str, float]:
    """The bits a byte of each language's texts under the model in the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    result = {}
    with progress(sum(map(len, by_language.values())), label, "text") as bar:
        for language, several in by_language.items():
            bits = 0.0
            for text in several:
                bits += text_bits(model, tokenizer, text)
                bar.update()
            result[language] = bits / sum(len(text.encode()) for text in several)
    return result


def text_bits(model, tokenizer, text: str) -> float:  # type: ignore[no-untyped-def]
    """The negative log-likelihood of a text in bits; what stands before it is given, not scored."""
    import torch

    own = tokenizer(text, add_special_tokens=False).input_ids
    ids = torch.tensor([[first_token(tokenizer), *own]])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
    return float(losses) / math.log(2)


def first_token(tokenizer) -> int:  # type: ignore[no-untyped-def]
    """The token that begins a sequence, or else the one that ends the one before."""
    first = tokenizer.bos_token_id
    return int(tokenizer.eos_token_id if first is None else first)


def corpus_file(entry: str) -> CorpusFile:
    """`split:language:path:field:field...` as settings; plain text has no fields."""
    split, language, path, *fields = entry.split(":")
    return CorpusFile(path=path, language=language, fields=fields, split="count" if split == "count" else "report")


def main(argv: Sequence[str] | None = None) -> int:
    """Trim to each size and print a line for each vocabulary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trim", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("corpus", nargs="+", type=corpus_file, help="split:language:path:field")
    parser.add_argument("--sizes", default="8192,16384", help="tokens to keep, with commas")
    parser.add_argument("--texts", type=int, default=100, help="texts a language for bits a byte")
    parser.add_argument("--fresh", action="store_true", help="also fresh vocabularies of these sizes")
    options = parser.parse_args(argv)
    quiet_libraries()
    print("| vocabulary | parameters | language: tokens/word, bits/byte (against full) | ...", flush=True)
    sizes = [int(size) for size in options.sizes.split(",")]
    for line in lines(options.model, options.corpus, sizes, options.texts, options.fresh):
        print(line, flush=True)
    return 0


def lines(model: Path, corpus: list[CorpusFile], sizes: list[int], most: int, fresh: bool) -> Iterator[str]:
    """The rows of the table, the full vocabulary last, as its tokens a word are known by then."""
    held_out: dict[str, list[str]] = {}
    for text in texts([entry for entry in corpus if entry.split == "report"], None):
        several = held_out.setdefault(text.language, [])
        if len(several) < most:
            several.append(text.text)
    full = bits_per_byte(model, held_out, "full")
    words: dict[str, float] = {}
    for size in sizes:
        for is_fresh in (False, True) if fresh else (False,):
            with tempfile.TemporaryDirectory() as folder:
                began, target = time.monotonic(), Path(folder) / "model"
                report = trim_model(model, target, Trim(corpus=corpus, vocabulary=size, fresh=is_fresh), None)
                name = f"{'fresh' if is_fresh else 'trimmed'} {size:,} ({time.monotonic() - began:.0f} s)"
                bits = bits_per_byte(target, held_out, f"{size:,}")
            rows = [row for row in report.texts if row.split == "report"]
            words = {row.language: row.fertility_before for row in rows}
            after = {row.language: row.fertility_after for row in rows}
            yield row_of(name, report.parameters_after, after, bits, full)
    yield row_of("full", count_parameters(model).unique, words, full, full)


def row_of(name: str, parameters: int, words: dict[str, float], bits: dict[str, float], full: dict[str, float]) -> str:
    """One vocabulary as a row: each language's tokens a word and bits a byte, with the difference to the full one."""
    cells = [
        f"{language}: {words[language]:.3f}, {bits[language]:.3f} ({bits[language] / full[language] - 1:+.2%})"
        for language in sorted(bits)
    ]
    return f"| {name} | {parameters:,} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
