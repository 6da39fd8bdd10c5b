"""The exported lm-eval tasks: prompts of the recipe to the character, and its scores, through lm_eval's own code."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eval.harness import main
from eval.harness_tasks.exported import ExportedTasks
from eval.metrics.chrf import chrf, chrf_statistics
from eval.score import scored_row, scorers_by_task
from oneday.buzuzu_mavi import SENTIMENT
from oneday.files import write_jsonl
from oneday.prompt import build_prompt, task_prompt
from oneday.records import Example, HeldOut, Prediction, TaskEntry
from tests.eval.challenge import PREAMBLE, write_recipe

if TYPE_CHECKING:
    from serve.transformers_engine import LoadedModel
    from tests.conftest import RecipeFolder

PROMPT_TRAPS = ["{{ not a field }}", "{% raw %}", "a #comment: 'x' \"y\"", "  spaces around  ", "", "swali: ƙasa\n\nB."]
ENTRIES = [
    TaskEntry.model_validate(
        {
            "task": "openbookqa",
            "rows": 6,
            "Definition": ["Choose {{ the }} option.", "Reply with its letter."],
            "Categories": ["x"],
            "Kind": "exact_match",
            "Positive Examples": [
                {"input": "Which?\nA. yes: no\nB. # none", "output": " 17:12 "},
                {"input": " Why?\nA. {% so %}\nB. not\n", "output": "B"},
            ],
        }
    ),
    TaskEntry.model_validate(
        {
            "task": "xsum",
            "rows": 3,
            "Definition": ["Tell it."],
            "Categories": ["x"],
            "Kind": "generation",
            "Positive Examples": [],
        }
    ),
    TaskEntry.model_validate(
        {
            "task": "boolq",
            "rows": 0,
            "Definition": ["Nobody asks."],
            "Categories": ["x"],
            "Kind": "generation",
            "Positive Examples": [],
        }
    ),
]
ROWS = [
    *(HeldOut(task="openbookqa", id=str(n), input=text, output=["A", "[A]"]) for n, text in enumerate(PROMPT_TRAPS)),
    *(HeldOut(task="xsum", id=str(n), input=f"Once {n}", output=["lol", "a cat sat"]) for n in range(3)),
]
RULES = """
cases:
  - name: options
    tasks: [openbookqa, boolq]
    rules: [cut_at_blank_line, first_option_letter]
default: [cut_at_blank_line, strip]
"""


def held_out_run(folder: Path) -> Path:
    """A run folder with what collect writes."""
    write_jsonl(folder / "01_collect/tasks.jsonl", ENTRIES)
    write_jsonl(folder / "01_collect/held_out.jsonl", ROWS)
    return folder


@pytest.fixture
def exported(recipe: "RecipeFolder", tmp_path: Path) -> Path:
    """The tasks of the held-out rows above."""
    (recipe.path / "rules.yaml").write_text(RULES, encoding="utf-8")
    folder = tmp_path / "exported"
    assert main([str(recipe.path), "--out", str(held_out_run(tmp_path / "run")), "--tasks-dir", str(folder)]) == 0
    return folder


def loaded(folder: Path, group: str) -> dict[str, Any]:
    """lm_eval's task objects of a group, by the names of the run."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False, metadata={"pretrained": "a model"})
    ((found, tasks),) = manager.load_task_or_group(group).items()
    assert found.group == group
    return {name.removeprefix(f"{group}_"): task for name, task in tasks.items()}


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_lm_eval_asks_the_trained_prompt_to_the_character(exported: Path, recipe: "RecipeFolder", shown: int) -> None:
    preamble = recipe.load().data.preamble
    tasks = loaded(exported, "oneday_quickstart")
    assert set(tasks) == {"openbookqa", "xsum"}
    for entry in ENTRIES[:2]:
        own = [row for row in ROWS if row.task == entry.task]
        demonstrations = min(shown, len(entry.positive_examples))
        asked = [tasks[entry.task].fewshot_context(doc, demonstrations) for doc in tasks[entry.task].test_docs()]
        assert asked == [task_prompt(preamble, entry, row.input, demonstrations) for row in own]
        assert all(prompt.endswith("### Response:\n") for prompt in asked)


@pytest.mark.parametrize(("stops", "until"), [(False, []), (True, ["\n\n"])])
def test_the_request_holds_the_prompt_and_the_recipe_s_limits(
    recipe: "RecipeFolder", tmp_path: Path, stops: bool, until: list[str]
) -> None:
    recipe.edit("eval.yaml", stop_at_blank_line=stops, variants__2__demonstrations=3)
    folder = tmp_path / "exported"
    assert main([str(recipe.path), "--out", str(held_out_run(tmp_path / "run")), "--tasks-dir", str(folder)]) == 0
    tasks, settings = loaded(folder, "oneday_quickstart"), recipe.load()
    for entry in ENTRIES[:2]:
        task = tasks[entry.task]
        task.build_all_requests(limit=2)
        prompt, arguments = task.instances[1].args
        row = [row for row in ROWS if row.task == entry.task][1]
        assert prompt == task_prompt(settings.data.preamble, entry, row.input, 3)
        assert arguments["until"] == until
        assert arguments["max_gen_toks"] == getattr(settings.eval.max_new_tokens, entry.kind)
        assert arguments["do_sample"] is False


@pytest.mark.parametrize(
    "answer", ["A", "The answer is B. lol", " A. yes\n\nMore", "lol\n\nA", "a cat lay down", "", "a  CAT sat!", "[A]"]
)
def test_answers_get_the_scores_of_our_own_evaluation(exported: Path, recipe: "RecipeFolder", answer: str) -> None:
    settings = recipe.load()
    for name, task in loaded(exported, "oneday_quickstart").items():
        own = [row for row in ROWS if row.task == name]
        kind = {entry.task: entry.kind for entry in ENTRIES}[name]
        scorer = scorers_by_task({name: [text for row in own for text in row.output]}, settings.sampling.score)[name]
        task.build_all_requests()
        for instance in task.instances:
            instance.resps = [answer]
        task.apply_filters()
        for instance, row in zip(task.instances, own, strict=True):
            answered = Prediction(
                task=name, id=row.id, orig_input=row.input, few_shot_prompt="", answer=row.output, prediction=answer
            )
            ours = scored_row("tuned", answered, kind, scorer, settings.rules.for_task(name).rules)
            text = instance.filtered_resps["rules"]
            theirs = task.process_results(instance.doc, [text])
            judged = scorer.judge(ours.prediction, row.output)
            assert text == ours.prediction
            assert theirs == {
                "task_score": ours.score,
                "exact_match": float(judged.exact_match),
                "rouge_l": judged.rouge_l_f,
            }


def test_the_group_is_the_mean_over_tasks_and_not_over_rows(exported: Path) -> None:
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager, get_task_dict

    class OneAnswer(LM):  # type: ignore[misc, unused-ignore]
        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
            return ["lol" for _ in requests]

        def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    manager = TaskManager(include_path=str(exported), include_defaults=False)
    tasks = get_task_dict(["oneday_quickstart"], manager)
    results = evaluate(lm=OneAnswer(), task_dict=tasks, bootstrap_iters=0)["results"]
    assert results["oneday_quickstart_openbookqa"]["task_score,rules"] == 0
    assert results["oneday_quickstart_xsum"]["task_score,rules"] == 1
    assert results["oneday_quickstart"]["task_score,rules"] == 0.5
    assert results["oneday_quickstart"]["exact_match,rules"] == 0.5


def test_the_folder_may_be_moved_and_is_replaced_whole(
    exported: Path, recipe: "RecipeFolder", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere" / "tasks"
    shutil.copytree(exported, moved)
    shutil.rmtree(exported)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(list(loaded(moved, "oneday_quickstart")["openbookqa"].test_docs())) == len(PROMPT_TRAPS)
    assert (moved / "xsum.yaml").exists()
    write_jsonl(tmp_path / "run/01_collect/held_out.jsonl", [row for row in ROWS if row.task == "openbookqa"])
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--tasks-dir", str(moved)]) == 0
    names = ["oneday_quickstart.yaml", "oneday_tasks.py", "openbookqa.jsonl", "openbookqa.yaml", "settings.json"]
    assert sorted(path.name for path in moved.iterdir()) == names
    assert list(moved.parent.iterdir()) == [moved]


def test_a_folder_of_other_files_is_left_alone(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("keep", encoding="utf-8")
    assert main([str(recipe.path), "--out", str(held_out_run(tmp_path / "run")), "--tasks-dir", str(mine)]) == 1
    assert "choose another --tasks-dir" in capsys.readouterr().err
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    (mine / "settings.json").write_text("{}", encoding="utf-8")
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--tasks-dir", str(mine)]) == 1
    assert "other files (notes.txt, settings.json)" in capsys.readouterr().err
    assert sorted(path.name for path in mine.iterdir()) == ["notes.txt", "settings.json"]
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--tasks-dir", str(mine / "notes.txt")]) == 1
    assert (mine / "notes.txt").read_text(encoding="utf-8") == "keep"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", "mine", "(notes.txt)"),
        ("scores.yaml", "mine", "(scores.yaml)"),
        ("oneday_tasks.py", "mine", "(oneday_quickstart.yaml, oneday_tasks.py, openbookqa.jsonl, "),
        ("settings.json", '{"editor.tabSize": 4}', "(oneday_quickstart.yaml, oneday_tasks.py, openbookqa.jsonl, "),
    ],
)
def test_an_exported_folder_with_a_file_of_another_s_is_left_alone(
    exported: Path,
    recipe: "RecipeFolder",
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str,
    told: str,
) -> None:
    (exported / name).write_text(content, encoding="utf-8")
    before = {path: path.read_bytes() for path in exported.iterdir()}
    assert main([str(recipe.path), "--out", str(tmp_path / "run"), "--tasks-dir", str(exported)]) == 1
    assert told in capsys.readouterr().err
    assert {path: path.read_bytes() for path in exported.iterdir()} == before


def test_a_run_without_rows_names_the_command_that_writes_them(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main([str(recipe.path), "--out", str(run)]) == 1
    assert f"write it with: python run.py {recipe.path} --until collect --out {run}" in capsys.readouterr().err
    write_recipe(tmp_path / "challenge")
    assert main([str(tmp_path / "challenge"), "--out", str(run)]) == 1
    assert f"python run.py {tmp_path / 'challenge'} --until mix --out {run}" in capsys.readouterr().err


def test_a_run_with_no_row_held_out_is_told(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = held_out_run(tmp_path / "run")
    write_jsonl(run / "01_collect/held_out.jsonl", [])
    assert main([str(recipe.path), "--out", str(run)]) == 1
    assert "has no rows to evaluate; raise held_out_per_task" in capsys.readouterr().err


def test_a_recipe_that_evaluates_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "recipe")
    (recipe.folder / "zindi.yaml").unlink()
    assert main([str(recipe.folder)]) == 2
    assert "eval.yaml: no such file, and what is to be run needs it" in capsys.readouterr().err


def test_rules_of_a_task_that_is_not_there_are_told(
    recipe: "RecipeFolder", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.path / "rules.yaml").write_text(RULES.replace("boolq", "asdiv"), encoding="utf-8")
    assert main([str(recipe.path), "--out", str(held_out_run(tmp_path / "run"))]) == 2
    assert "there is no task asdiv" in capsys.readouterr().err


def test_damaged_settings_are_told(exported: Path) -> None:
    settings = json.loads((exported / "settings.json").read_text(encoding="utf-8"))
    settings["tasks"]["openbookqa"]["kind"] = None
    (exported / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ValueError, match=r"settings\.json: task openbookqa says no kind"):
        ExportedTasks(exported).judge({"task": "openbookqa", "references": ["A"]}, ["A"])
    (exported / "settings.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"settings\.json is damaged"):
        ExportedTasks(exported).clean(["A"], [{"task": "openbookqa"}])


def example(task: str, number: int, answer: str) -> Example:
    prompt = build_prompt(PREAMBLE, "Is it so?", f"Mstari {number} {{{{ }}}}")
    return Example(question=prompt, answer=answer, source="toy", task=task, id=str(number), input="")


CHALLENGE = [
    *(example("sentiment_hausa", number, SENTIMENT["hausa"][number % 3]) for number in range(5)),
    *(example("entailment_swahili", number, "neutral") for number in range(2)),
    example("translation_hausa", 0, "barka da safiya k\u0323asa"),
    example("translation_hausa", 1, "ina kwana"),
]


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """The tasks of the challenge's rows above."""
    recipe = write_recipe(tmp_path / "toy")
    write_jsonl(tmp_path / "run/05_mix/test.jsonl", CHALLENGE)
    folder = tmp_path / "challenge"
    assert main([str(recipe.folder), "--out", str(tmp_path / "run"), "--tasks-dir", str(folder)]) == 0
    return folder


def test_label_words_are_chosen_behind_the_prompt(challenge: Path) -> None:
    task = loaded(challenge, "oneday_toy")["sentiment_hausa"]
    task.build_all_requests()
    rows = [row for row in CHALLENGE if row.task == "sentiment_hausa"]
    assert [instance.args for instance in task.instances] == [
        (row.question, label) for row in rows for label in SENTIMENT["hausa"]
    ]
    right = [task.doc_to_target(doc) for doc in task.test_docs()]
    assert [SENTIMENT["hausa"][number] for number in right] == [row.answer for row in rows]


def test_macro_f1_is_that_of_scikit_learn(challenge: Path) -> None:
    from sklearn.metrics import f1_score

    aggregate = loaded(challenge, "oneday_toy")["sentiment_hausa"].aggregation()["f1"]
    random = np.random.default_rng(1)
    for _ in range(20):
        right, chosen = random.integers(0, 3, size=(2, 7)).tolist()
        assert aggregate(list(zip(right, chosen, strict=True))) == pytest.approx(
            f1_score(right, chosen, average="macro", zero_division=0), abs=1e-12
        )


def test_translations_are_scored_by_chrf_in_normal_form_c(challenge: Path) -> None:
    task = loaded(challenge, "oneday_toy")["translation_hausa"]
    task.build_all_requests()
    prompt, arguments = task.instances[0].args
    assert (prompt, arguments["max_gen_toks"]) == (CHALLENGE[-2].question, 6)
    answers = ["barka k\u0323asa", "kwana\u0323"]
    for instance, answer in zip(task.instances, answers, strict=True):
        instance.resps = [answer]
    task.apply_filters()
    pairs = [
        task.process_results(instance.doc, [instance.filtered_resps["rules"]])["chrf"] for instance in task.instances
    ]
    ours = chrf(chrf_statistics(["barka \u1e33asa", "kwan\u1ea1"], ["barka da safiya \u1e33asa", "ina kwana"]).sum(0))
    assert task.aggregation()["chrf"](pairs) == pytest.approx(100 * float(ours), abs=1e-9)


def test_an_answer_that_is_no_label_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "toy")
    write_jsonl(tmp_path / "run/05_mix/test.jsonl", [example("sentiment_hausa", 1, "Sawa")])
    assert main([str(recipe.folder), "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "task sentiment_hausa, row toy/1: the answer 'Sawa' is no label; allowed: Kyakkyawa" in error


@pytest.mark.slow
def test_lm_eval_our_server_and_our_engine_agree(
    exported: Path, challenge: Path, recipe: "RecipeFolder", tiny_model_dir: Path, tmp_path: Path
) -> None:
    from eval.helm.served import recipe_server, served_name
    from serve.transformers_engine import load_model

    recipe.use_model(tiny_model_dir)
    groups = {exported: "oneday_quickstart", challenge: "oneday_toy"}
    local = {"pretrained": str(tiny_model_dir), "dtype": "float32"}
    here = {path: samples(path, group, model="hf", model_args=local, device="cpu") for path, group in groups.items()}
    with recipe_server(recipe.path, tmp_path / "served", tmp_path / "server.log", print, "base") as url:
        remote = {"base_url": f"{url}/v1/completions", "model": served_name(url), "tokenizer": str(tiny_model_dir)}
        there = {
            path: samples(path, group, model="local-completions", model_args=remote) for path, group in groups.items()
        }
    for path in groups:
        assert [row["doc"] for row in here[path]] == [row["doc"] for row in there[path]] != []
        for mine, theirs in zip(here[path], there[path], strict=True):
            if "label" in mine["doc"]:
                assert likelihoods(theirs) == pytest.approx(likelihoods(mine), abs=1e-4)
            else:
                assert whole(theirs["filtered_resps"][0]) == whole(mine["filtered_resps"][0])
    loaded_model = load_model(str(tiny_model_dir), None, "float32")
    check_texts([row for row in here[exported] if row["doc"]["task"] == "openbookqa"], 6, loaded_model)
    check_choices([row for row in here[challenge] if row["doc"]["task"] == "sentiment_hausa"], loaded_model)


def samples(folder: Path, group: str, **arguments: Any) -> list[dict[str, Any]]:
    """Each row of the group as lm_eval answers it, by task and row."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(tasks=[group], task_manager=manager, bootstrap_iters=0, **arguments)
    assert found is not None
    return [row for _, rows in sorted(found["samples"].items()) for row in rows]


def likelihoods(row: dict[str, Any]) -> list[float]:
    return [score for ((score, _),) in row["resps"]]


def whole(text: str) -> str:
    """The text without the part of a character that the limit of tokens may leave at its end: our server drops it."""
    return text.removesuffix("\N{REPLACEMENT CHARACTER}")


def check_texts(rows: list[dict[str, Any]], limit: int, loaded_model: "LoadedModel") -> None:
    """The texts are those that the stage generate gets."""
    from serve.transformers_engine import TransformersEngine

    engine = TransformersEngine(*loaded_model, 4)
    prompts = [row["arguments"][0][0] for row in rows]
    texts = dict(one for batch in engine.generate(prompts, limit, "") for one in batch)
    assert [row["resps"][0][0] for row in rows] == [texts[place] for place in range(len(rows))]


def check_choices(rows: list[dict[str, Any]], loaded_model: "LoadedModel") -> None:
    """The labels' log-likelihoods are those of the stage answer, but for the line end before them.

    lm_eval scores it with the label, whichever that is.
    """
    from eval.label_choice import LabelChoice
    from serve.transformers_engine import TransformersEngine

    choice = LabelChoice(TransformersEngine(*loaded_model, 4), SENTIMENT["hausa"], "none")
    found = dict(one for batch in choice.generate([row["doc"]["prompt"] for row in rows], 1, "") for one in batch)
    for place, row in enumerate(rows):
        theirs, ours = np.array(likelihoods(row)), np.array(json.loads(found[place]))
        assert theirs - theirs[0] == pytest.approx(ours - ours[0], abs=1e-4)
