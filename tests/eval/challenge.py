"""A recipe and the challenge's files by hand: instructions and columns as the second place's notebooks show them."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from oneday.recipe import Recipe, load_recipe
from oneday.stage import Report, Start

PREAMBLE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
SWAHILI_SENTIMENT = [
    "Tafadhali tambua mawazo yaliyoonyeshwa kwenye matini haya kwa kutegemea miongozo ifuatayo: Chanya: iwapo matini "
    "yanadokeza mawazo, mtazamo na hali chanya ya kihisia. Hasi: iwapo matini yanadokeza mawazo au hisia hasi. "
    "Wastani: iwapo matini hayadokezi lugha chanya au hasi kwa njia ya moja kwa moja au isiyo ya moja kwa moja.",
    "Changanua mawazo ya matini yanayofuata na uainishe matini hayo katika mojawapo ya lebo zifuatazo. Chanya: iwapo "
    "matini yanadokeza mawazo, mtazamo na hali chanya ya kihisia. Hasi: iwapo matini yanadokeza mawazo au hisia hasi. "
    "Wastani: iwapo matini hayadokezi lugha chanya au hasi kwa njia ya moja kwa moja au isiyo ya moja kwa moja.",
]
HAUSA_SENTIMENT = (
    "Za ka iya tantance yanayin wannan rubutu? Bi waɗannan jagororin sharhi: Kyakkyawa: idan rubutu na nuna kyakkyawan "
    "tunani, hali, da yanayi. Korau: idan rubutu yana nuna mummunar tunani ko yanayi. Neutral: idan rubutu baya nuna "
    "kyakkyawar magana ko mara kyau kai tsaye ko a kaikaice."
)
ENTAILMENT = (
    "You will be given two {} sentences. Your job is to  is to predict textual entailment. In other words, does "
    "sentence A imply/contradict/neither sentence B. Your response must be one word: entailment, "
    "contradiction, or neutral."
)
TRANSLATION = "Translate the following from English into {}."


def inkuba(task: str, language: str, instructions: list[str], **more: Any) -> dict[str, Any]:
    name = f"inkuba_{task}_{language}"
    path = "lelapa/Inkuba-instruct"
    common = {"source": "inkuba_instruct", "name": name, "path": path, "revision": "main", "task": task}
    return {**common, "language": language, "instructions": instructions, **more}


def xnli(language: str) -> dict[str, Any]:
    common = {"source": "xnli", "name": f"xnli_{language}", "path": "facebook/xnli", "revision": "main"}
    return {**common, "language": language, "instruction": ENTAILMENT.format(language.capitalize())}


SOURCES = [
    inkuba("sentiment", "swahili", SWAHILI_SENTIMENT),
    inkuba("sentiment", "hausa", [HAUSA_SENTIMENT], replace={"Neutral:": "Tsaka-tsaki:"}),
    xnli("swahili"),
    xnli("hausa"),
    inkuba("translation", "swahili", [TRANSLATION.format("Swahili")]),
    inkuba("translation", "hausa", [TRANSLATION.format("Hausa")]),
]
DECODING = {
    "label_answers": "generate",
    "normalise": "none",
    "max_new_tokens": {"label": 4, "translation": 6},
    "beams": 2,
    "repetition_penalty": 1.2,
    "batch_size": 4,
}


def write_recipe(
    folder: Path, model: Path | str = "someone/model", sources: Sequence[Mapping[str, Any]] = SOURCES
) -> Recipe:
    """A recipe of published data whose base model, and untuned model, is `model`."""
    mix = {
        "sources": list(sources),
        "min_input_words": 1,
        "max_input_words": 800,
        "exact_duplicates": "question",
        "eval_share": 0.05,
        "test_share": 0.1,
    }
    zindi = {
        "models": ["untuned", "tuned"],
        "decoding": DECODING,
        "parameter_size": 421_939_200,
        "bootstrap": {"resamples": 200, "confidence": 0.95, "seed": 1},
    }
    files = {
        "data.yaml": {"seed": 1, "preamble": PREAMBLE, "mix": mix},
        "train.yaml": {"base_model": str(model)},
        "zindi.yaml": zindi,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in files.items():
        (folder / name).write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return load_recipe(folder)


def write_report(folder: Path, outputs: Mapping[str, str] | None = None) -> None:
    """A stage's report, as if it had finished."""
    name = folder.name.partition("_")[2]
    start = Start(stage=name, config={}, inputs={}, code="", versions={})
    report = Report(
        stage=name,
        start=start,
        counts={},
        dropped={},
        details={},
        outputs=dict(outputs or {}),
        seed=1,
        seconds=0,
        resumed=False,
        finished_at="",
        git_commit=None,
        hardware={},
    )
    (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")


def trained(run_dir: Path, model: Path) -> Path:
    """A run folder in which `model` has been trained."""
    shutil.copytree(model, run_dir / "06_train/model")
    write_report(run_dir / "06_train")
    return run_dir


# Two rows of each task, in the columns of the challenge's files.
SENTIMENT_ROWS = [
    {
        "ID": "ID_f3c74c7b_sentiment_test__hausa",
        "task": "sentiment",
        "langs": "hausa",
        "data_source": "afrisenti",
        "instruction": HAUSA_SENTIMENT,
        "inputs": '@user "ina", son ƙasata',
        "targets": "Kyakkyawa",
    },
    {
        "ID": "ID_1b2c3d4e_sentiment_test__swahili",
        "task": "sentiment",
        "langs": "swahili",
        "data_source": "swahili_tweet",
        "instruction": SWAHILI_SENTIMENT[1],
        "inputs": "habari za leo",
        "targets": "Wastani",
    },
]
ENTAILMENT_ROWS = [
    {
        "ID": "ID_0a0a0a0a_test_xnli_hau",
        "langs": "hau",
        "premise": "Ta tafi kasuwa.",
        "inputs": "Ba ta fita ba.",
        "instruction": "Is the following question True, False or Neither?",
        "targets": "2",
    },
    {
        "ID": "ID_0b0b0b0b_test_xnli_swa",
        "langs": "swa",
        "premise": "Alikwenda sokoni.",
        "inputs": "Alitoka nyumbani.",
        "instruction": "Is the following question True, False or Neither?",
        "targets": "0",
    },
]
TRANSLATION_ROWS = [
    {
        "ID": "ID_d054836f_test__mt_eng-swa",
        "task": "mmt",
        "langs": "eng-swa",
        "data_source": "mafand",
        "instruction": "could you convert this english text to swahili?",
        "inputs": "good morning",
        "targets": "habari za asubuhi",
    },
    {
        "ID": "ID_d054836a_test__mt_eng-hau",
        "task": "mmt",
        "langs": "eng-hau",
        "data_source": "mafand",
        "instruction": "please convert this english content into hausa.",
        "inputs": "good morning",
        "targets": "barka da safiya",
    },
]
FILES: dict[str, list[dict[str, str]]] = {
    "SentimentTest.csv": SENTIMENT_ROWS,
    "XNLITest.csv": ENTAILMENT_ROWS,
    "MTTest.csv": TRANSLATION_ROWS,
}


def write_files(folder: Path, **changed: list[dict[str, str]]) -> Path:
    """The challenge's files; `changed` has other rows for a file, by its name without `Test.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in FILES.items():
        write_csv(folder / name, changed.get(name.removesuffix("Test.csv"), rows))
    return folder


def write_csv(path: Path, rows: Sequence[Mapping[str, str]], line_end: str = "\n") -> Path:
    """A CSV file with the columns of its first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator=line_end)
        writer.writeheader()
        writer.writerows(rows)
    return path


def without_targets(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The rows as the challenge gives out its test files."""
    return [{**row, "targets": ""} for row in rows]


def many_rows(each: int) -> dict[str, list[dict[str, str]]]:
    """`each` rows of every task and language, with IDs and inputs of their own, for `write_files`."""
    names = {"SentimentTest.csv": "Sentiment", "XNLITest.csv": "XNLI", "MTTest.csv": "MT"}
    return {
        names[file]: [
            {**row, "ID": f"{row['ID']}_{number}", "inputs": f"{row['inputs']} {number}", "targets": ""}
            for number in range(each)
            for row in rows
        ]
        for file, rows in FILES.items()
    }
