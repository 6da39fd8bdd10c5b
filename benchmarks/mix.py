"""The stage mix on synthetic rows: against a plain script, at 1 and 5 million rows, and with what was planted in them.

    python benchmarks/mix.py [script] [planted] [workers] [scale]      (all four without a name)

script    700,000 rows: CPU time of a plain script, and of the stage's own functions for the same work (read, filter,
          prompt, exact duplicates, shuffle, split, write) in one process, same rows kept; then the whole stage as a
          command, which also hashes, counts tokens and writes manifest, card and page; then with near-duplicates and
          decontamination
planted   duplicates, near-duplicates and contamination in a generated set: recall and precision of each kind
workers   one process, two processes, and two workers of a Ray cluster: the same bytes
scale     1 and 5 million rows: seconds, peak memory of all processes together, growth

Writing the data is not part of the timing. Exits with 1 if a target is missed.
"""

import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import yaml

from data_prep.mixing.records import Manifest
from oneday.console import progress, quiet_libraries, run_command, typer_main
from oneday.files import read_json, sha256_file
from oneday.machine import describe
from oneday.models import ensure_base_model
from oneday.recipe import load_recipe
from oneday.stage import StageError

HELP = __doc__ or ""
ROOT = Path(__file__).parents[1]
SEED = 5
VOCABULARY, DRAWS = 30_000, 4_000_000
ACCENTED = 1_000  # every so manieth word is not ASCII: few texts have one, as in English
LOG_MEDIAN, LOG_SPREAD, LEAST, MOST = 3.69, 0.9, 5, 900  # words of an input, log-normal: 40 in the median
TASKS, FRAME = 400, 12  # three inputs in ten begin with their task's own frame, of so many words
INSTRUCTION = 60  # words of a task's instruction
EVAL_ROWS, EVAL_MOST = 20_000, 400
# Shares of the rows that are planted. A near-duplicate has two words changed and at least NEAR_LEAST words.
EXACT, NEAR, VERBATIM, CHANGED, EMBEDDED = 0.03, 0.02, 0.002, 0.002, 0.002
NEAR_LEAST = 20
SOURCES = 7
LEAST_RATIO, MOST_SECONDS, MOST_BYTES = 2.0, 120, 8e9
LEAST_RECALL, LEAST_PRECISION = 0.95, 0.99
PARTS = ("script", "planted", "workers", "scale")
CLEANING: dict[str, Any] = {
    "near_duplicates": {
        "similarity": 0.9,
        "max_changes": 5,
        "min_words": 20,
        "shingle_words": 2,
        "permutations": 128,
        "bands": 32,
        "keep_other_answers": True,
    },
}
DECONTAMINATE = {"ngram": 13, "short_ngram": 8, "max_eval_rows": 10}


@dataclass(frozen=True)
class Measured:
    """What a command took. `peak_bytes` is the largest sum over the process and all below it."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass
class Planted:
    """What was put into a set, by kind: the ids of the rows that must go."""

    rows: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})


KINDS = ("exact", "near", "verbatim", "one word changed", "embedded")


class Writer:
    """Makes texts of random words, by Zipf's law; no two have more in common than chance and frames give."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        syllables = [f"{consonant}{vowel}" for consonant in "bcdfghklmnprstvwz" for vowel in "aeiou"]
        words = ["".join(self.random.choice(syllables, 1 + place % 4)) for place in range(VOCABULARY)]
        words[ACCENTED::ACCENTED] = [f"{word}\u00e9" for word in words[ACCENTED::ACCENTED]]
        self.vocabulary = np.array(words, dtype=object)
        weights = 1 / np.arange(10, VOCABULARY + 10)
        self.draws = self.random.choice(VOCABULARY, DRAWS, p=weights / weights.sum()).astype(np.int32)
        self.frames = [self.words(FRAME) for _ in range(TASKS)]
        self.instructions = [" ".join(self.words(INSTRUCTION)) for _ in range(TASKS)]

    def words(self, count: int) -> list[str]:
        """So many words."""
        return self.vocabulary[self.draws[self.random.integers(0, DRAWS, count)]].tolist()

    def lengths(self, count: int, most: int) -> list[int]:
        """Lengths of inputs."""
        drawn = self.random.lognormal(LOG_MEDIAN, LOG_SPREAD, count)
        return np.clip(drawn, LEAST, most).astype(np.int64).tolist()

    def texts(self, count: int, most: int) -> list[list[str]]:
        """So many texts, each as its words."""
        lengths = self.lengths(count, most)
        flat = self.words(sum(lengths))
        ends = np.cumsum(lengths).tolist()
        return [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def rows_of(writer: Writer, count: int, evals: Sequence[list[str]], planted: Planted) -> Iterator[dict[str, str]]:
    """So many rows of instruction, input and output, with what is planted among them."""
    rng = random.Random(SEED)
    earlier: list[dict[str, str]] = []
    made = 0
    while made < count:
        for words in writer.texts(min(20_000, count - made), MOST):
            kind, row = _row(writer, rng, words, earlier, evals, made)
            if kind is not None:
                planted.rows[kind].add(row["id"])
            elif rng.random() < 0.05 and len(earlier) < 200_000:
                earlier.append(row)
            made += 1
            yield row


def _row(
    writer: Writer,
    rng: random.Random,
    words: list[str],
    earlier: Sequence[dict[str, str]],
    evals: Sequence[list[str]],
    number: int,
) -> tuple[str | None, dict[str, str]]:
    task = rng.randrange(TASKS)
    row = {"id": str(number), "task": f"task{task:03}", "instruction": writer.instructions[task]}
    draw = rng.random()
    if draw < EXACT + NEAR and earlier:
        source = rng.choice(earlier)
        text = source["input"].split()
        if draw < EXACT:
            return "exact", row | {"input": source["input"], "output": source["output"]}
        if len(text) >= NEAR_LEAST:
            return "near", row | {"input": _changed(rng, text, 2), "output": source["output"]}
    draw = rng.random()
    output = " ".join(rng.choices(words, k=rng.randint(1, 12)))
    if evals and draw < VERBATIM + CHANGED + EMBEDDED:
        text = rng.choice(evals)
        if draw < VERBATIM:
            return "verbatim", row | {"input": " ".join(text), "output": output}
        if draw < VERBATIM + CHANGED:
            return "one word changed", row | {"input": _changed(rng, text, 1), "output": output}
        place = rng.randrange(len(words))
        return "embedded", row | {"input": " ".join([*words[:place], *text, *words[place:]]), "output": output}
    if rng.random() < 0.3:
        words = [*writer.frames[task], *words]
    return None, row | {"input": " ".join(words), "output": output}


def _changed(rng: random.Random, words: Sequence[str], count: int) -> str:
    """The text with so many of its words replaced by ones that are in no text."""
    changed = list(words)
    for place in rng.sample(range(len(changed)), count):
        changed[place] = f"xq{rng.randrange(10**6)}"
    return " ".join(changed)


def write_data(folder: Path, rows: int, lists: bool = False) -> Planted:
    """The sources as JSON Lines (and, for the script, as JSON lists), and the evaluation set."""
    folder.mkdir(parents=True, exist_ok=True)
    writer, planted = Writer(SEED), Planted()
    evals = [words for words in writer.texts(EVAL_ROWS, EVAL_MOST) if len(words) >= 8]
    with (folder / "evaluation.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"question": " ".join(words)}) + "\n" for words in evals)
    made = rows_of(writer, rows, evals, planted)
    with progress(rows, "write", "row") as bar:
        for number in range(SOURCES):
            share = rows * (number + 1) // SOURCES - rows * number // SOURCES
            own = [next(made) for _ in range(share)] if lists else (next(made) for _ in range(share))
            if lists:
                (folder / f"source{number}.json").write_text(json.dumps(own, ensure_ascii=False), encoding="utf-8")
            with (folder / f"source{number}.jsonl").open("w", encoding="utf-8") as file:
                for row in own:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            bar.update(share)
    del writer, made
    gc.collect()
    return planted


def write_recipe(folder: Path, data: Path, cleaning: bool) -> Path:
    """The quickstart's recipe with a mix of the synthetic sources."""
    recipe = folder / ("clean" if cleaning else "plain")
    shutil.copytree(ROOT / "recipes" / "quickstart", recipe, dirs_exist_ok=True)
    settings = yaml.safe_load((recipe / "data.yaml").read_text(encoding="utf-8"))
    fields = {"instruction": "instruction", "input": "input", "output": "output"}
    settings["preamble"] = ""
    settings["mix"] = {
        "sources": [
            {
                "source": "table",
                "name": f"source{number}",
                "path": str(data / f"source{number}.jsonl"),
                "licence": "synthetic",
                "instruction_output": fields,
                "task_column": "task",
                "id_column": "id",
            }
            for number in range(SOURCES)
        ],
        "min_input_words": 5,
        "max_input_words": 799,
        "count_instruction": True,
        "exact_duplicates": "input",
        "eval_share": 0.02,
    }
    if cleaning:
        evaluation = {"source": "table", "name": "evaluation", "path": str(data / "evaluation.jsonl")}
        sets = [evaluation | {"fields": ["question"]}]
        settings["mix"] |= CLEANING | {"decontaminate": DECONTAMINATE | {"eval_sets": sets}}
    (recipe / "data.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return recipe


def plain_script(data: Path, out: Path) -> None:
    """The usual way: read lists, loop, a set of inputs, shuffle, dump with indent (after Birbal's published script).

    It writes the fields that the stage writes, so that the work is the same; the published one wrote two of the six.
    """
    seen, final = set(), []
    for number in range(SOURCES):
        with (data / f"source{number}.json").open(encoding="utf-8") as file:
            rows = json.load(file)
        for row in rows:
            if len(f"{row['instruction']} {row['input']}".split(" ")) >= 800:
                continue
            if len(row["input"].split(" ")) <= 4 or len(row["output"].split(" ")) < 1:
                continue
            if row["input"] in seen:
                continue
            seen.add(row["input"])
            question = ""
            if len(row["instruction"].strip()) > 0:
                question += f"### Instruction:\n{row['instruction']}\n\n"
            question += f"### Input:\n{row['input']}\n\n### Response:\n"
            fields = {"source": f"source{number}", "task": row["task"], "id": row["id"], "input": row["input"]}
            final.append({"question": question, "answer": row["output"], **fields})
    random.seed(SEED)
    random.shuffle(final)
    part = int(0.98 * len(final))
    for name, chosen in (("train", final[:part]), ("eval", final[part:])):
        with (out / f"{name}.json").open("w", encoding="utf-8") as file:
            json.dump(chosen, file, indent=1)


def same_work(recipe_folder: Path, out: Path) -> None:
    """What the script does, by the functions of the stage, with one process."""
    from data_prep.mixing.context import Context, part_folder
    from data_prep.mixing.executor import make_parts
    from data_prep.mixing.output import PartLines, write_lines
    from data_prep.mixing.plan import Located, plan_jobs
    from data_prep.mixing.rows import decide, load_rows
    from data_prep.mixing.split import shuffled_split
    from data_prep.sources.data_set import Resolved

    recipe = load_recipe(recipe_folder)
    mix, seed = recipe.data.mix, recipe.data.seed
    sources = [Located(source, Resolved((Path(source.path),), None, None)) for source in mix.sources]
    context = Context(mix, recipe.data.preamble, seed, recipe.base_model, out / "parts", None, None)
    reports = make_parts(context, plan_jobs(sources), 1, None)
    rows = load_rows(context.parts, reports, mix)
    split = shuffled_split(np.flatnonzero(decide(rows, reports, context).alive).tolist(), rows, mix, seed)
    files = [context.parts / part_folder(report.number) / "lines.jsonl" for report in reports]
    with PartLines(files, rows.part, rows.numbers("start"), rows.numbers("size")) as lines:
        for name, chosen in split.parts().items():
            with progress(len(chosen), name, "row") as bar:
                write_lines(lines, chosen, out / f"{name}.jsonl", "jsonl", bar)


def measure(command: Sequence[str]) -> Measured:
    """Run a command in a process of its own. StageError with what it said, if it fails."""
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        with _peak_of(process.pid) as peak:
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise StageError(f"{' '.join(command)} failed:\n{said.read().decode(errors='replace')}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, peak[0])


@contextmanager
def _peak_of(pid: int) -> Iterator[list[int]]:
    """The largest sum of resident memory of a process and those below it, looked at five times a second."""
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            try:
                top = psutil.Process(pid)
                peak[0] = max(peak[0], sum(_resident(process) for process in [top, *top.children(recursive=True)]))
            except psutil.NoSuchProcess:
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def measure_mix(recipe: Path, out: Path, *options: str) -> Measured:
    """Run the stage's command."""
    shutil.rmtree(out, ignore_errors=True)
    return measure([sys.executable, "-m", "data_prep.mix", str(recipe), "--out", str(out), *options])


def line_of(name: str, rows: int, one: Measured) -> str:
    """A measurement as a line of a Markdown table."""
    return f"| {name} | {rows:,} | {one.seconds:.1f} | {one.cpu_seconds:.1f} | {one.peak_bytes / 1e9:.2f} |"


TABLE = "| what | rows | seconds | CPU s | peak memory GB |\n|---|---:|---:|---:|---:|"


def against_script(folder: Path, rows: int) -> list[str]:
    """The same work by a plain script and by the stage; then the whole mix. The targets that were missed."""
    data = folder / "data"
    write_data(data, rows, lists=True)
    plain_recipe, clean_recipe = (write_recipe(folder, data, cleaning) for cleaning in (False, True))
    for name in ("script", "same"):
        (folder / name).mkdir()
    script = measure([sys.executable, __file__, "--run-script", str(data), str(folder / "script")])
    same = measure([sys.executable, __file__, "--run-same-work", str(plain_recipe), str(folder / "same")])
    plain = measure_mix(plain_recipe, folder / "plain_run")
    whole = measure_mix(clean_recipe, folder / "whole_run")
    print("\n".join([TABLE, line_of("plain script", rows, script), line_of("the same work", rows, same)]))
    print(line_of("the whole stage, the same rules", rows, plain))
    print(line_of("the whole stage, near-duplicates and decontamination too", rows, whole))
    ratio = script.cpu_seconds / same.cpu_seconds
    kept = [_kept_by_script(folder / "script"), *map(_kept_by_mix, (folder / "same", folder / "plain_run/05_mix"))]
    equal = kept[0] == kept[1] == kept[2]
    print(f"\n{ratio:.2f} times less CPU time than the script for the same work; the rows kept are {_said(equal)}")
    missed = [] if equal else ["script and mix keep different rows"]
    if ratio < LEAST_RATIO:
        missed.append(f"the script takes {ratio:.2f} times the CPU time; the target is {LEAST_RATIO:g}")
    if whole.seconds >= MOST_SECONDS:
        missed.append(f"the whole mix took {whole.seconds:.0f} s; the target is under {MOST_SECONDS} s")
    return missed


def _said(same: bool) -> str:
    return "the same" if same else "NOT the same"


def _kept_by_script(folder: Path) -> set[tuple[str, str]]:
    files = [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("train", "eval")]
    return {(row["question"], row["answer"]) for rows in files for row in rows}


def _kept_by_mix(folder: Path) -> set[tuple[str, str]]:
    lines = (line for name in ("train", "eval") for line in (folder / f"{name}.jsonl").open(encoding="utf-8"))
    return {(row["question"], row["answer"]) for row in map(json.loads, lines)}


def what_was_planted(folder: Path, rows: int) -> list[str]:
    """Recall and precision of each kind of planted row; the targets that were missed."""
    planted = write_data(folder / "data", rows)
    out = folder / "run"
    measure_mix(write_recipe(folder, folder / "data", cleaning=True), out)
    kept = {json.loads(line)["id"] for name in ("train", "eval") for line in (out / f"05_mix/{name}.jsonl").open()}
    manifest = read_json(out / "05_mix/manifest.json", Manifest)
    dropped: dict[str, int] = {}
    for source in manifest.sources:
        for reason, count in source.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    found_by = {"exact": "duplicate_input", "near": "near_duplicate"} | dict.fromkeys(KINDS[2:], "contaminated")
    print("| planted | rows | found | recall | dropped for the reason | planted among them | precision |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    missed = []
    for reason in dict.fromkeys(found_by.values()):
        kinds = [kind for kind in KINDS if found_by[kind] == reason]
        found = {kind: len(planted.rows[kind] - kept) for kind in kinds}
        precision = min(sum(found.values()) / max(dropped.get(reason, 0), 1), 1.0)
        for kind in kinds:
            recall = found[kind] / len(planted.rows[kind])
            print(
                f"| {kind} | {len(planted.rows[kind]):,} | {found[kind]:,} | {recall:.4f} | {dropped.get(reason, 0):,} "
                f"| {sum(found.values()):,} | {precision:.4f} |"
            )
            if recall < LEAST_RECALL:
                missed.append(f"{kind}: recall {recall:.4f}; the target is {LEAST_RECALL}")
        if precision < LEAST_PRECISION:
            missed.append(f"{reason}: precision {precision:.4f}; the target is {LEAST_PRECISION}")
    return missed


def with_other_workers(folder: Path, rows: int) -> list[str]:
    """Whether the files are the same whoever makes the parts."""
    write_data(folder / "data", rows)
    recipe = write_recipe(folder, folder / "data", cleaning=True)
    ways = {"1 process": ("--workers", "1"), "2 processes": ("--workers", "2"), "Ray, 2 workers": ("--ray", "local")}
    hashes, lines = {}, [TABLE]
    for name, options in ways.items():
        one = measure_mix(recipe, folder / "run", *options)
        lines.append(line_of(name, rows, one))
        hashes[name] = [sha256_file(folder / "run/05_mix" / file) for file in ("train.jsonl", "eval.jsonl")]
        hashes[name].append(sha256_file(folder / "run/05_mix/manifest.json"))
    equal = len({tuple(found) for found in hashes.values()}) == 1
    print("\n".join(lines))
    print(f"\ntrain.jsonl, eval.jsonl and manifest.json are {_said(equal)} in all three")
    return [] if equal else ["the files differ between ways of running"]


def at_scale(folder: Path, sizes: Sequence[int]) -> list[str]:
    """Seconds and memory of the whole mix at several sizes; the targets that were missed."""
    lines, measured = [TABLE], []
    for rows in sizes:
        data = folder / "data"
        write_data(data, rows)
        measured.append(measure_mix(write_recipe(folder, data, cleaning=True), folder / "run"))
        lines.append(line_of("mix with near-duplicates and decontamination", rows, measured[-1]))
        shutil.rmtree(data)
        shutil.rmtree(folder / "run")
    print("\n".join(lines))
    if len(sizes) > 1:
        growth = measured[-1].seconds / measured[0].seconds
        memory = measured[-1].peak_bytes / measured[0].peak_bytes
        print(
            f"\n{sizes[-1] / sizes[0]:g} times the rows: {growth:.1f} times the seconds, {memory:.1f} times the memory"
        )
    peak = max(one.peak_bytes for one in measured)
    if peak < MOST_BYTES:
        return []
    return [f"the peak of memory was {peak / 1e9:.2f} GB; the target is under {MOST_BYTES / 1e9:g} GB"]


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    import typer

    given = sys.argv[1:] if argv is None else argv
    runs = {"--run-script": plain_script, "--run-same-work": same_work}  # each in a process of its own
    if given[:1] and given[0] in runs:
        runs[given[0]](Path(given[1]), Path(given[2]))
        return 0

    def command(
        parts: Annotated[list[str] | None, typer.Argument(help=f"Which of: {', '.join(PARTS)} [default: all].")] = None,
        rows: Annotated[int, typer.Option(help="Rows for 'script'.", min=1000)] = 700_000,
        planted_rows: Annotated[int, typer.Option(help="Rows for 'planted' and 'workers'.", min=1000)] = 200_000,
        sizes: Annotated[str, typer.Option(help="Rows for 'scale', with commas.")] = "1000000,5000000",
        folder: Annotated[Path | None, typer.Option(help="Where to work [default: a temporary folder].")] = None,
        targets: Annotated[bool, typer.Option(help="Exit with 1 if a target is missed.")] = True,
    ) -> int:
        misses: list[str] = []

        def work() -> None:
            wanted = parts if parts else list(PARTS)
            if unknown := [name for name in wanted if name not in PARTS]:
                raise ValueError(f"{unknown[0]}: no such part; allowed: {', '.join(PARTS)}")
            quiet_libraries()
            recipe = load_recipe(ROOT / "recipes" / "quickstart")
            ensure_base_model(recipe.base_model, recipe.base_model_from)
            measures: dict[str, Callable[[Path], list[str]]] = {
                "script": lambda place: against_script(place, rows),
                "planted": lambda place: what_was_planted(place, planted_rows),
                "workers": lambda place: with_other_workers(place, planted_rows),
                "scale": lambda place: at_scale(place, [int(size) for size in sizes.split(",")]),
            }
            print(", ".join(f"{key} {value}" for key, value in describe().items()))
            for name in wanted:
                print(f"\n## {name}\n", flush=True)
                with tempfile.TemporaryDirectory(prefix="oneday-mix-", dir=folder) as place:
                    misses.extend(measures[name](Path(place)))

        code = run_command(work)
        for miss in misses if targets else []:
            print(f"Error: {miss}", file=sys.stderr)
        return code or int(bool(misses) and targets)

    return typer_main(command, HELP, argv)


if __name__ == "__main__":
    sys.exit(main())
