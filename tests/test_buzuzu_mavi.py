"""The recipe inkuba-40m whole, from published data to a checked submission: made-up rows, a small random InkubaLM."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import eval.submit
import run
from benchmarks.random_inkuba import make_random_inkuba
from compress.counts import count_parameters
from data_prep.sources.mix_config import InkubaInstruct
from eval.competition_files import read_competition
from eval.instructions import questions
from eval.questions import Answered
from eval.submission import read_submission
from eval.zindi_scores import read_zindi_scores
from oneday.buzuzu_mavi import ENTAILMENT, KINDS, LANGUAGES, SENTIMENT, Language, parse_task, task_name
from oneday.files import read_jsonl, sha256_file
from oneday.recipe import Recipe, load_recipe
from oneday.records import Example
from oneday.stage import read_report
from tests.data_prep.translating.toys import BAD, GOOD, TAUGHT, toy_nllb
from tests.eval.challenge import ENTAILMENT_ROWS, SENTIMENT_ROWS, TRANSLATION_ROWS, many_rows, write_csv, write_files
from training.run_record import read_run

pytestmark = pytest.mark.slow

RECIPE = Path(__file__).parents[1] / "recipes/inkuba-40m"
STAGES = ("validate", "translate", "mix", "trim", "prune", "train_1", "train", "answer", "zindi")
SIZES: dict[str, Any] = {"vocabulary": 1200, "hidden_size": 128, "intermediate_size": 192, "layers": 4, "heads": 4}
HEADS = {"attention_heads": 4, "key_value_heads": 4, "head_dim": 16}
NARROW = {"hidden_size": 64, "intermediate_size": 96, "layers": 3, **HEADS}
TRAININGS: dict[str, dict[str, Any]] = {
    "train-1-translation.yaml": {"num_epochs": 2},
    "train-2-all.yaml": {"num_epochs": 10, "learning_rate": 0.01, "warmup_ratio": 0.3},
}
WORDS: dict[Language, list[str]] = {
    "swahili": ["habari", "asubuhi", "leo", "tunaenda", "sokoni", "kununua", "matunda", "mboga", "shuleni", "kesho"],
    "hausa": ["ina", "kwana", "yau", "kasuwa", "sayi", "lambu", "yaro", "makaranta", "gobe", "ruwa"],
}
ENGLISH = ["today", "we", "go", "to", "the", "market", "school", "water", "fruit", "tomorrow"]
ASKED = {"swahili": "could you convert this english text to swahili?", "hausa": "please convert this into hausa."}
AT_MOST = 16  # translation rows a language
EACH = 10  # rows of the challenge of each task and language


@dataclass(frozen=True)
class Road:
    """The recipe on toy rows, the raw rows, a run folder in which it ran whole, and the challenge's files."""

    recipe: Recipe
    run_dir: Path
    raw: dict[str, list[dict[str, Any]]]
    challenge: Path

    def rows(self, name: str) -> list[Example]:
        return read_jsonl(self.run_dir / f"05_mix/{name}.jsonl", Example)

    def all_rows(self) -> list[Example]:
        return [row for name in ("train", "eval", "test") for row in self.rows(name)]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    folder = tmp_path_factory.mktemp("road")
    challenge, raw = write_challenge(folder / "challenge"), raw_rows(load_recipe(RECIPE))
    write_tables(folder / "hub", raw)
    texts = [str(row["inputs"]) for rows in raw.values() for row in rows if "inputs" in row]
    parent = make_random_inkuba(folder / "InkubaLM", texts=[*texts, *TAUGHT], **SIZES)
    recipe = Path(shutil.copytree(RECIPE, folder / RECIPE.name))
    write(recipe / "data.yaml", small_data(recipe, folder / "hub", challenge, toy_nllb(folder / "nllb")))
    compress = settings(recipe / "compress.yaml")
    compress["trim"]["vocabulary"] = 600
    compress["prune"] |= NARROW
    write(recipe / "compress.yaml", compress | {"parent": str(parent)})
    for name, changes in TRAININGS.items():
        write(recipe / name, settings(recipe / name) | changes | {"logging_steps": 1})
    zindi = settings(recipe / "zindi.yaml")
    zindi["decoding"]["max_new_tokens"]["translation"] = 8
    zindi["bootstrap"]["resamples"] = 100
    write(recipe / "zindi.yaml", zindi)
    assert run.main([str(recipe), "--out", str(folder / "run")]) == 0
    return Road(load_recipe(recipe), folder / "run", raw, challenge)


def settings(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def small_data(recipe: Path, hub: Path, challenge: Path, translator: Path) -> dict[str, Any]:
    """The recipe's data.yaml for local folders in the place of the hub's: all rows are drawn, and fewer are enough."""
    values: dict[str, Any] = local(settings(recipe / "data.yaml"), hub, challenge)
    values["translate"] |= {"model": str(translator), "model_revision": None, "beams": 2}
    for source in values["mix"]["sources"]:
        source.pop("draw", None)
    for cap in values["mix"]["joint_caps"]:
        cap["max_rows"] = AT_MOST
    values["mix"] |= {"eval_share": 0.15, "test_share": 0.25}
    return values


def local(value: Any, hub: Path, challenge: Path) -> Any:
    """The settings with each data set's path on disk, and no revision."""
    if isinstance(value, list):
        return [local(item, hub, challenge) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: local(item, hub, challenge) for key, item in value.items()}
    if changed.pop("revision", None) is not None:
        owner, _, name = value["path"].partition("/")
        of_challenge = value.get("source") == "table"
        changed["path"] = str(challenge / f"{name}.csv" if of_challenge else hub / owner / name)
    return changed


def raw_rows(recipe: Recipe) -> dict[str, list[dict[str, Any]]]:
    """The rows of each split of Inkuba-Instruct, and those of XNLI in Swahili, with what is to be mended or dropped."""
    instructions = {
        source.language: list(source.instructions)
        for source in recipe.data.mix.sources
        if isinstance(source, InkubaInstruct) and source.task == "sentiment"
    }
    swahili, hausa = instructions["swahili"], instructions["hausa"]
    hausa = [text.replace("Tsaka-tsaki:", "Neutral:") if place % 2 else text for place, text in enumerate(hausa)]
    found = {
        "swahili": sentiment("swahili", [None if place % 2 else swahili[place // 2 % 2] for place in range(36)]),
        "hausa": sentiment("hausa", [hausa[place % 4] for place in range(36)]),
        "english": list(translations()),
    }
    parts = {f"{name}_train": rows[:-8] for name, rows in found.items()}
    return parts | {f"{name}_dev": rows[-8:] for name, rows in found.items()} | {"xnli": list(entailment())}


def sentence(language: Language, number: int, length: int = 5) -> str:
    words = WORDS[language]
    return " ".join(words[(number + step * (1 + number // len(words))) % len(words)] for step in range(length))


def sentiment(language: Language, instructions: list[str | None]) -> list[dict[str, Any]]:
    """A row for each instruction; and a duplicate, two of one text and two labels, and one of the challenge's."""
    labels = SENTIMENT[language]
    rows = [
        of_inkuba(instruction, f"{sentence(language, number)} {number}", labels[number % 3], "sentiment", "afrisenti")
        for number, instruction in enumerate(instructions)
    ]
    theirs = next(row["inputs"] for row in SENTIMENT_ROWS if row["langs"] == language)
    doubtful = [rows[0] | {"inputs": "moja mbili"}, rows[0] | {"inputs": "moja mbili", "targets": labels[1]}]
    return [*rows, rows[0], *doubtful, rows[0] | {"inputs": f"{theirs} 3"}]


def translations() -> Iterator[dict[str, Any]]:
    """Twelve rows for each language and origin; and one of the challenge's, and one of a task that is not wanted."""
    for language in LANGUAGES:
        for number in range(24):
            text = f"{' '.join(ENGLISH[(number + 3 * step) % 10] for step in range(5))} {language} {number}"
            origin = ("mafand", "wmt22")[number % 2]
            yield of_inkuba(ASKED[language], text, sentence(language, number), "mmt", origin)
        yield of_inkuba(ASKED[language], f"{TRANSLATION_ROWS[0]['inputs']} 2", sentence(language, 3), "mmt", "mafand")
    yield of_inkuba("Name the topic.", "today we go", "sport", "news", "masakhanews")


def of_inkuba(instruction: str | None, text: str, target: str, task: str, origin: str) -> dict[str, Any]:
    return {"instruction": instruction, "inputs": text, "targets": target, "task": task, "data_source": origin}


def entailment() -> Iterator[dict[str, Any]]:
    """Pairs of what the toy translator knows; then one that it spoils, and one whose end is the challenge's."""
    pairs = [*permutations(GOOD, 2), (next(iter(GOOD)), next(iter(BAD)))]
    theirs = next(row["inputs"] for row in ENTAILMENT_ROWS if row["langs"] == "swa")
    for number, (premise, hypothesis) in enumerate([*pairs, (pairs[0][0], f"{theirs} 1")]):
        yield {"premise": premise, "hypothesis": hypothesis, "label": number % 3}


def write_tables(hub: Path, raw: dict[str, list[dict[str, Any]]]) -> None:
    """Parquet files where the hub's data sets have theirs."""
    for name, rows in raw.items():
        folder = hub / ("facebook/xnli/sw" if name == "xnli" else "lelapa/Inkuba-instruct/data")
        folder.mkdir(parents=True, exist_ok=True)
        split = "train" if name == "xnli" else name
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_challenge(folder: Path) -> Path:
    """The challenge's test files without targets, and a file of training rows for each."""
    write_files(folder, **many_rows(EACH))
    for name, rows in (("Sentiment", SENTIMENT_ROWS), ("XNLI", ENTAILMENT_ROWS), ("MT", TRANSLATION_ROWS)):
        write_csv(folder / f"{name}Train.csv", [row | {"inputs": f"{row['inputs']} of the training"} for row in rows])
    return folder


def test_each_stage_makes_what_the_next_one_takes(road: Road) -> None:
    assert tuple(stage.name for stage in run.stages_of(road.recipe)) == STAGES
    folders = ("05a_trim", "05c_prune", "05d_train_1", "06_train")
    trim, prune, first, last = (count_parameters(road.run_dir / folder / "model").unique for folder in folders)
    assert trim > prune == first == last
    inputs = {stage.name: stage.inputs_for(road.recipe) for stage in run.stages_of(road.recipe)}
    assert inputs["train_1"] == ("05_mix/train-translation.jsonl", "05_mix/eval-translation.jsonl", "05c_prune/model")
    assert inputs["train"] == ("05_mix/train.jsonl", "05_mix/eval.jsonl", "05d_train_1/model")
    assert inputs["answer"] == ("05_mix/test.jsonl", "05c_prune/model", "05d_train_1/model", "06_train/model")


def test_published_rows_are_mended_and_dropped_as_the_recipe_says(road: Road) -> None:
    translated, mixed = (read_report(road.run_dir / folder / "report.json") for folder in ("04a_translate", "05_mix"))
    assert translated.dropped == {"competition_row": 1, "repeated_words": 1}
    given, planted = len(road.raw["english_train"]) + len(road.raw["english_dev"]) - 1, 2
    assert mixed.dropped["over_joint_cap"] == given - planted - AT_MOST * len(LANGUAGES)
    assert (mixed.dropped["contradictory_answers"], mixed.dropped["duplicate_question"]) == (4, 2)
    counted = Counter(row.task for row in road.all_rows())
    assert counted["translation_swahili"] == counted["translation_hausa"] == AT_MOST
    assert set(counted) == {task_name(kind, language) for kind in KINDS for language in LANGUAGES}
    known = {
        source.language: source.instructions
        for source in road.recipe.data.mix.sources
        if isinstance(source, InkubaInstruct) and source.task == "sentiment"
    }
    for row in road.all_rows():
        kind, language = parse_task(row.task)
        if kind == "sentiment":
            assert row.question.split("\n\n")[1].removeprefix("### Instruction:\n") in known[language]
    assert {row.answer for row in road.all_rows() if row.task == "entailment_hausa"} == set(ENTAILMENT)


def test_the_mix_holds_no_row_of_the_challenge(road: Road) -> None:
    theirs = {row["inputs"] for rows in many_rows(EACH).values() for row in rows}
    raw = {row.get("inputs", row.get("hypothesis")) for rows in road.raw.values() for row in rows}
    assert len(theirs & raw) == 4  # one English sentence is there for both languages
    dropped = read_report(road.run_dir / "05_mix/report.json").dropped["competition_row"]
    assert dropped == 5
    for row in road.all_rows():
        assert row.input.rpartition("Sentence B: ")[2] not in theirs


def prepared_rows(folder: Path, count: int) -> list[dict[str, Any]]:
    """The rows that Axolotl made tokens of for a training, as it kept them."""
    from datasets import load_from_disk

    kept = [load_from_disk(str(path.parent)) for path in (folder / "work/prepared").glob("*/*/dataset_info.json")]
    (rows,) = [rows for rows in kept if len(rows) == count]
    return list(rows)


@pytest.mark.parametrize(("folder", "name"), [("05d_train_1", "train-translation"), ("06_train", "train")])
def test_a_training_sees_its_rows_and_learns_the_answer_and_one_end(road: Road, folder: str, name: str) -> None:
    from axolotl.utils.collators import DataCollatorForSeq2Seq
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(road.run_dir / folder / "model")
    examples = road.rows(name)
    rows = prepared_rows(road.run_dir / folder, len(examples))
    answers = [
        [*tokenizer(row.answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for row in examples
    ]
    prompts = [tokenizer(row.question)["input_ids"] for row in examples]
    whole = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    assert sorted(row["input_ids"] for row in rows) == sorted(whole)
    batch = DataCollatorForSeq2Seq(tokenizer, padding=True)(rows)
    widest = max(map(len, whole))
    assert batch["labels"].shape == (len(rows), widest) and min(map(len, whole)) < widest
    learnt = [[label for label in labels if label != -100] for labels in batch["labels"].tolist()]
    assert sorted(learnt) == sorted(answers)
    assert all(labels.count(tokenizer.eos_token_id) == 1 for labels in learnt)


def test_the_first_training_is_on_translation_alone_and_the_second_goes_on_with_its_model(road: Road) -> None:
    assert {parse_task(row.task)[0] for row in road.rows("train-translation")} == {"translation"}
    first, last = (road.run_dir / folder / "model" for folder in ("05d_train_1", "06_train"))
    runs = [read_run(model) for model in (first, last)]
    assert [found.train_file for found in runs] == ["train-1-translation.yaml", "train-2-all.yaml"]
    assert [found.base_model for found in runs] == [str(road.run_dir / "05c_prune/model"), str(first)]
    inputs = read_report(road.run_dir / "06_train/report.json").start.inputs
    assert inputs["05d_train_1/model/model.safetensors"] == sha256_file(first / "model.safetensors")


def test_the_tuned_model_has_learnt_to_answer_with_labels(road: Road) -> None:
    told = read_report(road.run_dir / "07_answer/report.json").details
    no_label = {model: sum(told[model]["texts_that_are_no_label"].values()) for model in ("untuned", "tuned")}
    assert no_label["tuned"] < no_label["untuned"] / 2


def test_a_row_is_asked_in_training_in_the_evaluation_and_for_a_submission_alike(road: Road, tmp_path: Path) -> None:
    mixed = {f"{row.source}/{row.id}": row for row in road.rows("test")}
    answered = read_jsonl(road.run_dir / "07_answer/tuned.jsonl", Answered)
    assert {row.id: row.prompt for row in answered} == {name: row.question for name, row in mixed.items()}
    data, files = road.recipe.data, as_challenge(road, mixed, tmp_path)
    asked = questions(read_competition(files), data.mix, data.preamble)
    assert {(row.kind, row.language) for row in asked} == {parse_task(row.task) for row in mixed.values()}
    assert {row.id: row.prompt for row in asked} == {row.id: mixed[row.id].question for row in asked}
    assert any("Tsaka-tsaki:" in row.prompt for row in asked)


def as_challenge(road: Road, mixed: dict[str, Example], folder: Path) -> Path:
    """Rows of the mix in the challenge's columns: with the instruction that they have in the published data."""
    own = {row["inputs"]: row["instruction"] for rows in road.raw.values() for row in rows if "inputs" in row}
    files: dict[str, list[dict[str, str]]] = {"Sentiment": [], "XNLI": [], "MT": []}
    for name, row in mixed.items():
        kind, language = parse_task(row.task)
        code = {"swahili": "swa", "hausa": "hau"}[language]
        instruction = own.get(row.input, "Is the following question True, False or Neither?")
        shared = {"ID": name, "instruction": instruction, "targets": ""}
        if kind == "entailment":
            premise, _, hypothesis = row.input.removeprefix("Sentence A: ").partition("\nSentence B: ")
            files["XNLI"].append({**shared, "langs": code, "premise": premise, "inputs": hypothesis})
        elif kind == "translation":
            files["MT"].append({**shared, "langs": f"eng-{code}", "inputs": row.input})
        elif instruction is not None:  # such a row has one of the recipe's instructions in the mix, and none there
            files["Sentiment"].append({**shared, "langs": language, "inputs": row.input})
    return write_files(folder, **files)


def test_the_score_takes_the_size_of_the_model_that_answered(road: Road) -> None:
    scores = read_zindi_scores(road.run_dir / "08_zindi/scores.json")
    size = count_parameters(road.run_dir / "06_train/model").unique
    assert {name: final.size for name, final in scores.finals.items()} == {"untuned": size, "tuned": size}
    tuned = scores.finals["tuned"]
    assert tuned.score is not None
    assert tuned.score.value == pytest.approx((1 - size / 421_939_200 / 2) * tuned.mean.value)
    assert {(task.kind, task.language) for task in scores.tasks if task.language} == {
        parse_task(row.task) for row in road.rows("test")
    }


def test_the_challenge_s_files_become_a_submission(road: Road, tmp_path: Path) -> None:
    out = tmp_path / "submission.csv"
    places = ["--test-dir", str(road.challenge), "--out", str(out), "--run", str(road.run_dir)]
    assert eval.submit.main([str(road.recipe.folder), *places]) == 0
    rows = read_competition(road.challenge)
    responses = read_submission(out, rows)
    assert len(responses) == len(rows) == EACH * len(KINDS) * len(LANGUAGES)
    assert {responses[row.id] for row in rows if row.kind != "translation"} <= {"0", "1", "2"}
    assert eval.submit.main(["--check", str(out), "--test-dir", str(road.challenge)]) == 0


def test_a_second_run_has_nothing_to_do(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([str(road.recipe.folder), "--out", str(road.run_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "skipped" in line] == [f"{name:<11} unchanged, skipped" for name in STAGES]
