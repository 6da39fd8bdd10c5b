"""A stage is skipped when nothing changed, goes on where it was cut off, and starts anew when anything changed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oneday import code
from oneday.files import sha256_file
from oneday.recipe import Recipe
from oneday.stage import Outcome, Report, Stage, StageError, exclusive, execute, plan, read_report

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

ROOT = Path(__file__).parents[2]


@dataclass
class Road:
    """A run folder with two toy stages: `first` writes a.txt and b/c.txt, `second` reads them and writes d.txt."""

    recipe: "RecipeFolder"
    run_dir: Path
    text: str = "a"
    stop_after: str = ""
    runs: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def first(self, **changes: Any) -> Report:
        return self._execute(self.stage("first", "01_first", (), **changes))

    def second(self, inputs: tuple[str, ...] = ("01_first/a.txt", "01_first/b"), **changes: Any) -> Report:
        return self._execute(self.stage("second", "02_second", inputs, **changes))

    def stage(self, name: str, folder: str, inputs: tuple[str, ...], **changes: Any) -> Stage:
        fields: dict[str, Any] = {"module": "eval.metrics.scorer"}
        fields["settings"] = lambda recipe: {"seed": recipe.data.seed}
        return Stage(name=name, folder=folder, summary="", inputs=inputs, run=self._run, **(fields | changes))

    def _execute(self, stage: Stage) -> Report:
        self.said.clear()
        code.fingerprint.cache_clear()
        return execute(stage, self.recipe.load(), self.run_dir, self.said.append)

    def _run(self, recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
        self.runs.append(output_dir.name)
        for name in ("a.txt", "b/c.txt") if output_dir.name == "01_first" else ("d.txt",):
            (output_dir / name).parent.mkdir(exist_ok=True)
            (output_dir / name).write_text(f"{name} {self.text}", encoding="utf-8")
            if name == self.stop_after:
                raise RuntimeError("killed")
        return Outcome({"rows_in": 3, "rows_out": 1}, {"too_long": 2, "too_short": 0}, {"note": "x"})


@pytest.fixture
def road(recipe: "RecipeFolder", tmp_path: Path) -> Road:
    return Road(recipe, tmp_path / "run")


def test_a_finished_unchanged_stage_is_skipped(road: Road) -> None:
    reports = [road.first(), road.first(), road.first()]
    assert road.runs == ["01_first"]
    assert reports[0] == reports[1] == reports[2]
    assert road.said == ["first       unchanged, skipped"]


def test_settings_that_json_has_no_word_for_do_not_run_a_stage_again(road: Road) -> None:
    settings = {"settings": lambda recipe: {"rules": ({"strip": {}},), "file": Path("a"), "seed": recipe.data}}
    road.first(**settings)
    road.first(**settings)
    assert road.runs == ["01_first"]


def test_the_report_holds_counts_drops_hashes_and_where_it_ran(road: Road) -> None:
    report = road.first()
    folder = road.run_dir / "01_first"
    assert read_report(folder / "report.json") == report
    assert report.counts == {"rows_in": 3, "rows_out": 1}
    assert report.dropped == {"too_long": 2, "too_short": 0}
    assert report.details == {"note": "x"}
    assert report.outputs == {name: sha256_file(folder / name) for name in ("a.txt", "b/c.txt")}
    assert report.seed == road.recipe.load().data.seed
    assert not report.resumed
    assert report.hardware["processors"] >= 1


def test_the_summary_line_names_counts_and_the_reasons_that_dropped_rows(road: Road) -> None:
    road.first()
    first, second = road.said[-1].splitlines()
    assert first.endswith("rows in 3, rows out 1")
    assert second.strip() == "dropped: 2 too long"


def test_a_first_run_is_not_announced_as_a_repetition(road: Road) -> None:
    road.first()
    assert len(road.said) == 1


def rerun(road: Road, reason: str) -> None:
    """The second stage runs exactly once more, for this reason, and is then finished."""
    runs = len(road.runs)
    report = road.second()
    assert road.runs[runs:] == ["02_second"]
    assert road.said[0] == f"second      runs again: {reason}"
    assert report == road.second()
    assert road.runs[runs:] == ["02_second"]


def test_a_changed_recipe_runs_a_stage_again(road: Road) -> None:
    road.first(settings=lambda recipe: None)
    road.second()
    road.recipe.edit("data.yaml", seed=7)
    rerun(road, "the recipe changed")


def test_a_part_of_the_recipe_that_shapes_other_stages_only_does_not_run_a_stage_again(road: Road) -> None:
    road.first()
    road.recipe.edit("data.yaml", mix__eval_share=0.5)
    road.first()
    assert road.runs == ["01_first"]


def test_a_changed_input_runs_a_stage_again(road: Road) -> None:
    road.first()
    road.second()
    road.text = "other"
    road.first(settings=lambda recipe: "anew")
    rerun(road, "its input 01_first/a.txt changed")


def test_an_input_that_was_made_again_but_is_the_same_does_not_run_a_stage_again(road: Road) -> None:
    road.first()
    road.second()
    road.first(settings=lambda recipe: "anew")
    road.second()
    assert road.runs == ["01_first", "02_second", "01_first"]


def test_changed_code_runs_a_stage_again(road: Road, source_tree: Path) -> None:
    road.first(module="eval.config")
    road.second()
    (source_tree / "eval" / "metrics.py").write_text("X = 1\n", encoding="utf-8")
    rerun(road, "the code changed")


def test_a_changed_output_runs_a_stage_again(road: Road) -> None:
    road.first()
    road.second()
    output = road.run_dir / "02_second" / "d.txt"
    output.write_text("tampered", encoding="utf-8")
    rerun(road, f"{output} was changed after it was written")
    assert output.read_text(encoding="utf-8") == "d.txt a"


def test_a_lost_output_runs_a_stage_again(road: Road) -> None:
    road.first()
    road.second()
    output = road.run_dir / "02_second" / "d.txt"
    output.unlink()
    rerun(road, f"{output} is gone")
    assert output.is_file()


def test_another_library_version_runs_a_stage_again(road: Road) -> None:
    road.first()
    report = road.second().model_dump()
    report["start"]["versions"] = {"torch": "1.0"}
    (road.run_dir / "02_second" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    rerun(road, "a library version changed")


@pytest.mark.parametrize("text", ["", '{"stage": "sec', "[]", '{"stage": "second"}'])
def test_a_report_that_is_not_whole_runs_a_stage_again(road: Road, text: str) -> None:
    road.first()
    road.second()
    (road.run_dir / "02_second" / "report.json").write_text(text, encoding="utf-8")
    road.second()
    assert road.runs == ["01_first", "02_second", "02_second"]
    assert "02_second/report.json is not a whole report" in road.said[0]


def test_a_stage_that_is_killed_leaves_no_report(road: Road) -> None:
    road.stop_after = "a.txt"
    with pytest.raises(RuntimeError, match="killed"):
        road.first()
    assert sorted(path.name for path in (road.run_dir / "01_first").iterdir()) == ["a.txt", "stage.json"]


def test_a_repetition_that_is_killed_leaves_no_report_of_the_earlier_run(road: Road) -> None:
    road.first()
    road.stop_after = "a.txt"
    with pytest.raises(RuntimeError, match="killed"):
        road.first(settings=lambda recipe: "other")
    assert not (road.run_dir / "01_first" / "report.json").exists()


def test_a_killed_stage_goes_on_in_its_folder_when_it_starts_from_the_same(road: Road) -> None:
    road.stop_after = "a.txt"
    with pytest.raises(RuntimeError):
        road.first()
    (road.run_dir / "01_first" / "work").mkdir()
    (road.run_dir / "01_first" / "work" / "journal.jsonl").write_text("half", encoding="utf-8")
    road.stop_after = ""
    report = road.first()
    assert report.resumed
    assert (road.run_dir / "01_first" / "work" / "journal.jsonl").read_text(encoding="utf-8") == "half"
    assert road.said[0] == "first       runs again: it was cut off; going on"


def test_a_killed_stage_starts_anew_when_it_starts_from_something_else(road: Road) -> None:
    road.stop_after = "b/c.txt"
    with pytest.raises(RuntimeError):
        road.first()
    (road.run_dir / "01_first" / "stale.txt").write_text("half", encoding="utf-8")
    road.stop_after = ""
    report = road.first(settings=lambda recipe: "other")
    assert not report.resumed
    assert set(report.outputs) == {"a.txt", "b/c.txt"}
    assert not (road.run_dir / "01_first" / "stale.txt").exists()


def test_a_killed_stage_that_starts_anew_does_not_say_that_it_goes_on(road: Road) -> None:
    road.stop_after = "a.txt"
    with pytest.raises(RuntimeError):
        road.first()
    road.stop_after = ""
    road.first(settings=lambda recipe: "other")
    assert "going on" not in road.said[0]


def test_a_spoilt_marker_starts_anew(road: Road) -> None:
    road.stop_after = "a.txt"
    with pytest.raises(RuntimeError):
        road.first()
    (road.run_dir / "01_first" / "stage.json").write_text("{", encoding="utf-8")
    road.stop_after = ""
    assert not road.first().resumed


def test_a_stage_that_keeps_its_folder_is_not_emptied(road: Road) -> None:
    road.first(keeps_folder=True)
    kept = road.run_dir / "01_first" / "checkpoint"
    kept.write_text("mine", encoding="utf-8")
    road.first(keeps_folder=True, settings=lambda recipe: "other")
    assert kept.read_text(encoding="utf-8") == "mine"


def test_working_files_logs_and_hidden_files_are_no_outputs(road: Road) -> None:
    def run(recipe: Recipe, run_dir: Path, output_dir: Path) -> Outcome:
        for name in ("a.txt", "work/journal.jsonl", "train.log", ".cache/x", ".hidden", "model/w.bin", "model/work"):
            (output_dir / name).parent.mkdir(exist_ok=True)
            (output_dir / name).write_text(name, encoding="utf-8")
        return Outcome({})

    stage = Stage("toy", "01_toy", "eval.metrics.scorer", "", (), lambda recipe: None, run)
    assert set(execute(stage, road.recipe.load(), road.run_dir).outputs) == {"a.txt", "model/w.bin", "model/work"}


def test_artefacts_outside_the_named_patterns_are_no_outputs(road: Road) -> None:
    assert set(road.first(artefacts=("b/*",)).outputs) == {"b/c.txt"}


@pytest.mark.parametrize("name", ["a.txt", "b/c.txt"])
def test_a_spoilt_artefact_of_an_earlier_stage_is_named_with_its_stage(road: Road, name: str) -> None:
    road.first()
    road.second()
    path = road.run_dir / "01_first" / name
    path.write_text("tampered", encoding="utf-8")
    with pytest.raises(StageError) as caught:
        road.second()
    assert f"{path} is not what the stage 'first' wrote" in str(caught.value)
    assert road.runs == ["01_first", "02_second"]


def test_a_lost_artefact_of_an_earlier_stage_is_named_with_its_stage(road: Road) -> None:
    road.first()
    (road.run_dir / "01_first" / "a.txt").unlink()
    with pytest.raises(StageError, match=r"a\.txt is not what the stage 'first' wrote \(SHA-256 absent"):
        road.second()


def test_an_earlier_stage_that_never_ran_is_asked_for(road: Road) -> None:
    with pytest.raises(StageError, match="has not finished; run the stage 'first' first, or the whole recipe"):
        road.second()
    assert not (road.run_dir / "02_second").exists()


def test_an_earlier_stage_that_was_killed_is_asked_for(road: Road) -> None:
    road.stop_after = "b/c.txt"
    with pytest.raises(RuntimeError):
        road.first()
    with pytest.raises(StageError, match="run the stage 'first' first"):
        road.second()


def test_an_input_that_the_earlier_stage_did_not_write_is_named(road: Road) -> None:
    road.first()
    with pytest.raises(StageError, match=r"01_first/e\.txt: not among the outputs of the stage 'first'"):
        road.second(inputs=("01_first/e.txt",))


def test_an_input_is_no_prefix_of_other_names(road: Road) -> None:
    road.first()
    with pytest.raises(StageError, match="not among the outputs"):
        road.second(inputs=("01_first/a",))


def test_the_whole_folder_of_a_stage_can_be_an_input(road: Road) -> None:
    road.first()
    report = road.second(inputs=("01_first",))
    assert set(report.start.inputs) == {"01_first/a.txt", "01_first/b/c.txt"}


def test_a_file_added_to_an_input_folder_is_not_read_in_silence(road: Road) -> None:
    road.first()
    (road.run_dir / "01_first" / "b" / "stray.txt").write_text("stray", encoding="utf-8")
    with pytest.raises(StageError, match=r"stray\.txt"):
        road.second()


def test_files_that_no_stage_wrote_are_refused_and_kept(road: Road) -> None:
    own = road.run_dir / "01_first" / "thesis.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(StageError, match="is a file that no stage wrote; move it away, or name another run folder"):
        road.first()
    assert own.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in own.parent.iterdir()] == ["thesis.txt"]
    assert road.runs == []


def test_a_report_that_no_stage_wrote_is_refused_and_kept(road: Road) -> None:
    own = road.run_dir / "01_first" / "report.json"
    own.parent.mkdir(parents=True)
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(StageError, match="no stage wrote"):
        road.first()
    assert own.read_text(encoding="utf-8") == "mine"


def test_a_file_put_beside_the_outputs_of_a_finished_stage_is_kept(road: Road) -> None:
    road.first()
    own = road.run_dir / "01_first" / "thesis.txt"
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(StageError, match="no stage wrote"):
        road.first(settings=lambda recipe: "other")
    assert own.is_file()


def test_a_stage_killed_while_it_writes_its_marker_runs(road: Road) -> None:
    marker = road.run_dir / "01_first" / ".stage.json.partial"
    marker.parent.mkdir(parents=True)
    marker.write_text("{", encoding="utf-8")
    road.first()
    assert road.runs == ["01_first"]


def test_an_empty_folder_is_taken(road: Road) -> None:
    (road.run_dir / "01_first").mkdir(parents=True)
    road.first()
    assert road.runs == ["01_first"]


def content(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_plan_says_what_would_run_and_changes_nothing(road: Road) -> None:
    stage = road.stage("first", "01_first", ())
    later = road.stage("second", "02_second", ("01_first/a.txt",))
    loaded = road.recipe.load()
    assert plan(stage, loaded, road.run_dir) == "first       would run"
    assert plan(later, loaded, road.run_dir) == "second      would run after the stages before it"
    assert not road.run_dir.exists()
    road.first()
    before = content(road.run_dir)
    road.recipe.edit("data.yaml", seed=7)
    assert plan(stage, loaded, road.run_dir) == "first       is finished and unchanged, would be skipped"
    assert plan(stage, road.recipe.load(), road.run_dir) == "first       would run again: the recipe changed"
    assert content(road.run_dir) == before


def test_a_model_that_changed_runs_a_stage_again(road: Road, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    road.recipe.use_model(model)
    report = road.first(uses_model=True)
    assert set(report.start.inputs) == {"base_model/config.json"}
    assert "transformers" in report.start.versions
    (model / "config.json").write_text("{ }", encoding="utf-8")
    road.first(uses_model=True)
    assert road.said[0] == "first       runs again: its input base_model/config.json changed"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process at work in tmp_path/run."""
    program = (
        "import sys, time; from pathlib import Path; from oneday.stage import exclusive\n"
        "with exclusive(Path(sys.argv[1])):\n"
        "    print('working', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        yield process
        process.kill()


def test_a_second_process_is_kept_out_until_the_first_is_gone(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"another run is at work in .*run; wait for it"), exclusive(tmp_path / "run"):
        pytest.fail("two runs in one folder")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with exclusive(tmp_path / "run"):
        pass


def test_a_run_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), exclusive(tmp_path / "run"):
        raise ValueError("boom")
    with exclusive(tmp_path / "run"), exclusive(tmp_path / "other"):
        pass
