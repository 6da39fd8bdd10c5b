"""A manifest of the size of Birbal's set: seven sources, 460 tasks, about 200,000 rows, all of it made up."""

from collections.abc import Sequence

import numpy as np

from data_prep.mixing.records import (
    TOKEN_EDGES,
    CompetitionResult,
    ContaminationExample,
    ContradictoryInput,
    DuplicatePair,
    EvalSetResult,
    GivenAnswer,
    Manifest,
    OutputFile,
    SourceResult,
    TaskRows,
)
from oneday.page import shorten

HOSTILE = "<script>alert(1)</script> & {{ 7 * 7 }} | `x` $y$ </mark>"
HUB = "https://huggingface.co/datasets"
ARABIC = "باريس وتقع على نهر السين"
# name, licence, origin, tasks, rows used, mean of the logarithm of tokens
SOURCES: list[tuple[str, str, str, int, int, float]] = [
    ("natural_instructions", "that of each task, see its data set",
     "https://github.com/allenai/natural-instructions", 454, 101_240, 5.6),
    ("lima", "CC BY-NC-SA", f"{HUB}/GAIR/lima", 1, 1_004, 6.4),
    ("open_platypus", "MIT (ARB), CC BY-NC-SA 4.0 (scienceqa), none stated (leetcode_ne)",
     f"{HUB}/garage-bAInd/Open-Platypus", 1, 20_312, 6.0),
    ("openbookqa", "Apache-2.0", f"{HUB}/allenai/openbookqa", 1, 4_903, 4.4),
    ("quac", "CC BY-SA 4.0", f"{HUB}/allenai/quac", 1, 11_560, 6.6),
    ("cnn_dailymail", "Apache-2.0", f"{HUB}/abisee/cnn_dailymail", 1, 12_055, 7.0),
    ("math_instruct", "MIT", f"{HUB}/TIGER-Lab/MathInstruct", 3, 49_611, 5.2),
]  # fmt: skip
DROPS = ("input_too_long", "input_too_short", "duplicate_input", "near_duplicate", "held_out",
         "over_source_cap", "blank_line_in_answer", "too_many_tokens")  # fmt: skip
LONG = (
    "The committee met on Tuesday to discuss the proposal, which had been revised twice since the spring. "
    "Several members said that the costs were still too high, and that the schedule left no room for delay. "
) * 3


def toy_source(
    name: str = "toy", licence: str = "MIT", origin: str = "https://example.org/toy", tasks: int = 1,
    rows: int = 100, length: float = 5.0, seed: int = 0,
) -> SourceResult:  # fmt: skip
    """A source whose numbers add up."""
    generator = np.random.default_rng(seed)
    tokens = np.clip(generator.lognormal(length, 0.7, rows), 12, 9_000).astype(int)
    places = np.searchsorted(np.array(TOKEN_EDGES), tokens, side="right") - 1
    sizes = generator.multinomial(rows - tasks, generator.dirichlet(np.full(tasks, 0.8))) + 1
    by_task = np.split(tokens, np.cumsum(sizes)[:-1])
    dropped = {reason: int(rows * generator.random() ** 4) for reason in DROPS}
    dropped = {reason: count for reason, count in dropped.items() if count}
    in_eval = rows // 50
    eval_sizes = np.diff(np.minimum(np.cumsum(sizes), in_eval), prepend=0)  # the first rows
    return SourceResult(
        name=name,
        source=name,
        licence=licence,
        origin=origin,
        path=f"hub/{name}",
        revision="main",
        commit=f"{seed:02x}" * 20,
        sha256=None,
        read=rows + sum(dropped.values()),
        dropped=dropped,
        train=rows - in_eval,
        eval=in_eval,
        test=0,
        tokens=int(tokens.sum()),
        token_histogram=np.bincount(places, minlength=len(TOKEN_EDGES)).tolist(),
        tasks=[
            TaskRows(
                task=f"task{place:04}_{name}_answering",
                rows=int(size),
                tokens=int(part.sum()),
                train=int(size - held),
                eval=int(held),
                test=0,
            )
            for place, (size, part, held) in enumerate(zip(sizes, by_task, eval_sizes, strict=True))
        ],
    )


def toy_manifest(sources: Sequence[SourceResult], **changes: object) -> Manifest:
    """A manifest of these sources without duplicates and evaluation sets, its files as large as they are."""
    files = [
        OutputFile(
            name=f"{part}.jsonl", rows=sum(getattr(source, part) for source in sources), bytes=1_000, sha256=digest
        )
        for part, digest in (("train", "a1" * 32), ("eval", "b2" * 32))
    ]
    empty = Manifest(
        recipe="toy", seed=42, tokenizer="toy-1B", tokens_counted="every row", sources=list(sources), files=files,
        duplicates=[], near_duplicates=[], eval_sets=[],
    )  # fmt: skip
    return empty.model_copy(update=changes)


def manifest_with_test() -> Manifest:
    """Two sources with rows to test with, one of them also in files of its own; contradictions, a competition."""
    tasks = {
        "tweets": [("sentiment_swahili", 100, 88, 2, 10)],
        "news": [("sentiment_swahili", 50, 45, 0, 5), ("sentiment_hausa", 50, 43, 2, 5)],
    }
    sources = [
        toy_source(name).model_copy(
            update={
                "tasks": [
                    TaskRows(task=task, rows=rows, tokens=rows, train=train, eval=held, test=test)
                    for task, rows, train, held, test in own
                ],
                "train": 88, "eval": 2, "test": 10,
                "dropped": {"competition_row": 4, "contradictory_answers": 3}, "read": 107,
            }
        )
        for name, own in tasks.items()
    ]  # fmt: skip
    files = [
        OutputFile(name=f"{part}{ending}.jsonl", subset=subset, rows=rows * number, bytes=1, sha256="0")
        for ending, subset, number in (("", None, 2), ("-small", "small", 1))
        for part, rows in (("train", 88), ("eval", 2), ("test", 10))
    ]
    given = [GivenAnswer(source="tweets", id=f"t-{answer}", answer=answer) for answer in ("Chanya", f"Hasi {HOSTILE}")]
    return toy_manifest(
        sources,
        files=files,
        subsets={"small": ["tweets"]},
        contradictions=[ContradictoryInput(task="sentiment_swahili", input=f"Nzuri {HOSTILE}", answers=given)],
        competition_sets=[CompetitionResult(name="sentiment_test", rows=150, hit=3, dropped=4)],
    )


def pair(input: str, kept: str, similarity: float = 0.95, source: str = "quac", id: str = "q-1") -> DuplicatePair:
    """A pair of duplicates, cut as the stage cuts them."""
    return DuplicatePair(
        source=source, id=id, input=shorten(input, 600), kept_source="natural_instructions", kept_id="task0001-77",
        kept_input=shorten(kept, 600), similarity=similarity,
    )  # fmt: skip


def hit(input: str, eval_text: str, shared: str, eval_id: str = "test-3", id: str = "ni-9") -> ContaminationExample:
    """A row that holds a part of an evaluation row."""
    return ContaminationExample(
        source="natural_instructions", id=id, input=input, eval_id=eval_id, eval_text=eval_text, shared=shared
    )


def birbal_manifest() -> Manifest:
    """All seven sources, with duplicates and contamination of every kind."""
    sources = [toy_source(*known, seed=seed) for seed, known in enumerate(SOURCES)]
    read, dropped = sources[0].read + 171, sources[0].dropped | {"contaminated": 171}
    change = {"path": None, "revision": None, "commit": None, "read": read, "dropped": dropped}
    sources[0] = sources[0].model_copy(update=change)
    local = {"path": "data/quac", "revision": None, "commit": None, "sha256": "c3" * 32}
    sources[4] = sources[4].model_copy(update=local | {"origin": f"https://quac.ai, {HUB}/allenai/quac"})
    sources[3] = sources[3].model_copy(update={"remark": "The hub's card states none.", "path": "allenai/openbookqa"})
    return toy_manifest(
        sources,
        recipe="mistral-7b-birbal",
        tokenizer="mistralai/Mistral-7B-v0.1",
        tokens_counted="estimated from 20,000 of 200,685 rows, by bytes and source",
        duplicates=[pair(text, text, 1) for text in ("What is the capital of France?", LONG, f"Say {HOSTILE}")],
        near_duplicates=[
            pair("Which of these is a gas at room temperature: iron, helium or salt?",
                 "Which of these is a gas at high temperature: iron, helium or sulphur?", 0.86),
            pair(LONG + "In the end nobody objected.", "Yesterday " + LONG + "In the end everybody objected.", 0.97),
            pair("中国的首都是哪里。请用一个词回答。", "中国的首都是哪座城市。请用一个词回答。", 0.85),
            pair("ما هي عاصمة فرنسا اليوم؟", "ما هي عاصمة ألمانيا اليوم؟", 0.8, id="ar-7"),
            pair(f"Explain what this does: {HOSTILE}", f"Explain what that does: {HOSTILE}", 0.93),
        ],
        eval_sets=[
            EvalSetResult(name="held_out", rows=4_540, unchecked=12, hit=0, dropped=0, examples=[]),
            EvalSetResult(
                name="mmlu", rows=14_042, unchecked=310, hit=118, dropped=164,
                examples=[
                    hit("Question: A ball is thrown upwards with a speed of 20 metres a second. How long does it take "
                        "to come back to the hand it was thrown from? Choose: A 2 s, B 4 s, C 8 s",
                        "a ball is thrown upwards with a speed of 20 metres a second; how long does it take to come "
                        "back to the hand (neglect the air)?",
                        "a ball is thrown upwards with a speed of 20 metres a second how long does it take to come "
                        "back to the hand"),
                    hit(LONG + "Which planet has the most known moons?", "Which planet has the most moons?",
                        "which planet has the most known moons", "test-88"),
                    hit(f"العاصمة هي {ARABIC} في شمال البلاد", ARABIC, ARABIC),
                ],
            ),
            EvalSetResult(name="cnn_dailymail_test", rows=11_490, unchecked=0, hit=7, dropped=7,
                          examples=[hit(HOSTILE, HOSTILE, "script alert 1 script")]),
            EvalSetResult(name="our_own_set_of_questions", rows=250, unchecked=3, hit=0, dropped=0, examples=[]),
        ],
    )  # fmt: skip
