"""The command evaluates real models on files, goes on, compares, and says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.examples.answers import Answering
from eval.examples.models import journal_folder, named_models
from eval.examples.row import AnsweredRow
from eval.examples.scores import QuickReport, read_quick_scores
from eval.quick import main
from oneday.files import read_json, read_jsonl, sha256_file
from serve.transformers_engine import Precision

CHOICES = [
    {
        "question_stem": f"Number {n} is",
        "choices": {"text": ["odd", "an even one"], "label": ["A", "B"]},
        "answerKey": "AB"[n % 2],
    }
    for n in range(6)
]
TEXTS = [{"task": "say", "prompt": f"Say {n}:", "answer": str(n), "language": "en"} for n in range(4)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*CHOICES, *TEXTS]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def other_model(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("models") / "other"
    model: Any = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    torch.manual_seed(7)
    with torch.no_grad():
        model.lm_head.weight.normal_(std=0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(folder)
    return folder


def quick(*arguments: object) -> int:
    short = ("--max-new-tokens", "4") if "--model" in arguments and "--max-new-tokens" not in arguments else ()
    return main([*map(str, arguments), "--resamples", "200", *short])


def test_one_model_on_rows_of_two_kinds(
    file: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quick(file, "--model", tiny_model_dir, "--name", "tiny", "--out", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "| odd " in shown and "| say " in shown and "| (none) " in shown and "acc_norm" in shown
    rows = read_jsonl(tmp_path / "out/tiny/rows.jsonl", AnsweredRow)
    assert [(one.row.task, bool(one.option_scores), one.confidence is None) for one in rows] == [
        *[("odd", True, False)] * 6,
        *[("say", False, True)] * 4,
    ]
    scores = read_quick_scores(tmp_path / "out")
    accuracy = sum(one.scores["exact_match"] for one in rows[:6]) / 6
    assert scores.metrics[0].tasks[0].models["tiny"].value == pytest.approx(accuracy)
    report = read_json(tmp_path / "out/report.json", QuickReport)
    assert report.rows == {"odd": 6, "say": 4}
    assert report.inputs == {str(file): sha256_file(file)}
    (model,) = report.models
    assert model.seconds is not None and "base_model/model.safetensors" in model.files


def test_the_same_command_answers_nothing_twice(file: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = (file, "--model", f"tiny={tiny_model_dir}", "--out", out)
    assert quick(*command) == 0
    first = (out / "scores.json").read_bytes(), (out / "tiny/rows.jsonl").read_bytes()
    assert quick(*command) == 0
    assert ((out / "scores.json").read_bytes(), (out / "tiny/rows.jsonl").read_bytes()) == first
    assert [model.seconds for model in read_json(out / "report.json", QuickReport).models] == [None]
    assert quick(*command, "--length", "characters") == 0  # what was said is divided anew
    assert [model.seconds for model in read_json(out / "report.json", QuickReport).models] == [None]
    assert quick(*command, "--max-rows", "3") == 0
    assert [model.seconds is None for model in read_json(out / "report.json", QuickReport).models] == [False]


def test_two_models_and_an_earlier_run_are_compared(
    file: Path, tiny_model_dir: Path, other_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ("--model", f"a={tiny_model_dir}", "--model", f"b={other_model}")
    assert quick(file, *models, "--out", tmp_path / "two") == 0
    assert "b - a" in capsys.readouterr().out
    assert quick(file, *models[:2], "--against", tmp_path / "two", "--out", tmp_path / "third") == 0
    scores = read_quick_scores(tmp_path / "third")
    assert scores.models == ["two/a", "b", "a"]
    same = [gap for gap in scores.metrics[0].macro.differences if gap.candidate == "a"]
    assert [(gap.baseline, gap.value, gap.p_value) for gap in same] == [("two/a", 0, 1)]
    assert quick("--against", tmp_path / "two", "--out", tmp_path / "again") == 0
    both = [read_quick_scores(tmp_path / name) for name in ("two", "again")]
    assert both[0] == both[1]


def test_an_earlier_run_on_other_rows_is_refused(
    file: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", f"a={tiny_model_dir}")
    assert quick(file, *model, "--max-rows", 2, "--out", tmp_path / "few") == 0
    assert quick(file, *model, "--against", tmp_path / "few", "--out", tmp_path / "all") == 1
    assert "answered other rows: 6 of these are missing there and 0 are more, such as odd/3" in capsys.readouterr().err
    assert not (tmp_path / "all/scores.json").exists()
    file.write_text(file.read_text().replace('"answerKey": "A"', '"answerKey": "B"'))
    assert quick(file, *model, "--max-rows", 2, "--against", tmp_path / "few", "--out", tmp_path / "other") == 1
    assert "row odd/1 has other answers or options there" in capsys.readouterr().err


def test_an_earlier_run_with_other_settings_is_told(
    file: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", f"a={tiny_model_dir}")
    first = (file, *model, "--length", "characters", "--stop", "x", "--max-new-tokens", 3, "--out", tmp_path / "first")
    assert quick(*first) == 0
    capsys.readouterr()
    assert quick(file, *model, "--against", tmp_path / "first", "--out", tmp_path / "second") == 0
    shown = capsys.readouterr().out
    assert "other settings, so that more than the models differs: max_new_tokens: 3 there, 4 here; stop: 'x'" in shown
    assert "options are chosen anew by --length none; there it was characters" in shown
    report = read_json(tmp_path / "second/report.json", QuickReport)
    (earlier,) = report.against
    assert earlier.differs == {"max_new_tokens": (3, 4), "stop": ("x", "\n\n")}
    assert (earlier.folder, earlier.settings["length"]) == (str(tmp_path / "first"), "characters")
    assert (earlier.report, earlier.inputs) == (sha256_file(tmp_path / "first/report.json"), report.inputs)
    assert [(one.name, one.files == report.models[1].files) for one in report.models] == [
        ("first/a", True),
        ("a", True),
    ]
    (exact, *_) = read_quick_scores(tmp_path / "second").metrics
    assert [gap.value for part in exact.tasks if part.name == "odd" for gap in part.differences] == [0]
    assert (report.settings["device"], report.settings["precision"]) == ("cpu", "float32")
    assert {"sacrebleu", "numpy"} <= report.versions.keys()
    assert quick("--against", tmp_path / "first", "--against", tmp_path / "second", "--out", tmp_path / "both") == 0
    assert [len(one.differs) for one in read_json(tmp_path / "both/report.json", QuickReport).against] == [0, 2]


def test_other_prompts_of_an_earlier_run_are_told(
    file: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", f"a={tiny_model_dir}", "--metrics", "exact_match")
    assert quick(file, *model, "--out", tmp_path / "first") == 0
    file.write_text(file.read_text().replace("Number 0 is", "The number 0 is"))
    assert quick(file, *model, "--against", tmp_path / "first", "--out", tmp_path / "second") == 0
    assert "first: other prompts there, of so many rows: 1." in capsys.readouterr().out


def test_a_journal_is_of_one_precision_and_device(tiny_model_dir: Path, tmp_path: Path) -> None:
    (model,) = named_models([str(tiny_model_dir)], None, None)

    def folder(precision: Precision | None) -> Path:
        return journal_folder(tmp_path, [], model.files(), Answering(), precision)

    assert folder(None) == folder("float32") != folder("bfloat16")


def test_a_recipe_gives_preamble_and_rules(tiny_model_dir: Path, tmp_path: Path, recipe: Any) -> None:
    task = {"Definition": ["Name it."], "Instances": [{"id": "1", "input": "Mali", "output": ["Bamako"]}]}
    (tmp_path / "capital.json").write_text(json.dumps(task | {"Categories": []}))
    arguments = (tmp_path / "capital.json", "--model", f"tiny={tiny_model_dir}", "--recipe", recipe.path)
    assert quick(*arguments, "--out", tmp_path / "out") == 0
    (row,) = read_jsonl(tmp_path / "out/tiny/rows.jsonl", AnsweredRow)
    assert row.row.prompt.startswith(recipe.load().data.preamble.strip())
    assert row.prediction == row.raw.split("\n\n")[0].strip()


def test_the_plan_asks_no_model(
    file: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quick(file, "--model", tiny_model_dir, "--out", tmp_path / "out", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "odd: 6 rows; the first has the answer 'odd', one of 'odd', 'an even one'" in shown
    assert "say: 4 rows; the first has the answer '0', a text" in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name files with examples, or by --against"),
        (("FILE",), "name a model by --model, or by --against"),
        (("FILE", "--model", "MODEL", "--metrics", "rouge"), "unknown metric 'rouge'; allowed: exact_match"),
        (("FILE", "--model", "no/such/folder"), "there is no such folder with a model"),
        (("FILE", "--model", "a b=MODEL"), "'a b' cannot name a model"),
        (("FILE", "--model", "MODEL", "--model", "MODEL"), "two models are called"),
        (("FILE", "--model", "MODEL", "--model", "x=MODEL", "--name", "y"), "--adapter and --name are for one --model"),
        (("FILE", "--model", "x=MODEL", "--adapter", "MODEL"), "has no adapter_config.json"),
        (("FILE", "--model", "MODEL", "--answer", "nothing"), "no field 'nothing'"),
        (("FILE", "--against", "EMPTY", "--model", "MODEL"), "No such file"),
        (
            ("--against", "EMPTY", "--model", "MODEL", "--max-rows", "3", "--option", "x", "--option", "y"),
            "--option, --max-rows: the answers of --against are as they are; leave out, or use with FILE",
        ),
        (("--against", "EMPTY", "--stop", "x"), "--stop: the answers of --against are as they are"),
        (
            ("FILE", "--model", "MODEL", "--answer-is", "number"),
            "field 'answerKey' is 'A', which is no option's number",
        ),
        (("MIXED", "--model", "MODEL", "--dry-run"), "task mixed has rows with options and rows without"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_loaded(
    arguments: tuple[str, ...],
    message: str,
    file: Path,
    tiny_model_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text("".join(json.dumps(row | {"task": "mixed"}) + "\n" for row in [CHOICES[0], TEXTS[0]]))
    given = [text.replace("MODEL", str(tiny_model_dir)).replace("MIXED", str(mixed)) for text in arguments]
    given = [str(file) if text == "FILE" else str(tmp_path) if text == "EMPTY" else text for text in given]
    assert quick(*given, "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*/work"))


def test_models_are_named_after_their_folders(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    adapter = tmp_path / "ad"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    base = tmp_path / "base"
    (plain,) = named_models([str(base)], None, None)
    assert (plain.name, plain.base_model, plain.adapter) == ("base", str(base), None)
    (tuned,) = named_models([f"{base}+{adapter}"], None, None)
    assert (tuned.name, tuned.adapter, str(tuned)) == ("base+ad", adapter, f"{adapter} on {base}")
    (given,) = named_models([str(base)], adapter, "mine")
    assert (given.name, given.adapter) == ("mine", adapter)
    (hub,) = named_models(["owner/model"], None, None)
    assert (hub.name, hub.files()) == ("model", {"base_model": "owner/model"})
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="gone"):
        named_models([str(tmp_path / "link")], None, None)


def test_the_scores_of_a_damaged_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"models": []}')
    with pytest.raises(ValueError, match=r"scores.json is damaged: models"):
        read_quick_scores(tmp_path)
