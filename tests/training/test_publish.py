"""Publishing toy runs: what lands in the folder, and what a small hub on this machine receives."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from oneday.files import sha256_file, write_json, write_jsonl
from oneday.records import TaskEntry
from oneday.stage import StageError
from tests.conftest import ROOT, RecipeFolder
from tests.data_prep.mixing.toy_manifest import toy_source
from tests.eval.test_report import write
from tests.training.test_model_card import (
    RUN_DIR,
    finished_run,
    front_of,
    toy_parity,
    write_evaluation,
    write_stage_report,
)
from training.merging.merged_model import MadeFrom
from training.publish import check_repo_id, main, upload
from training.running.checkpoints import start_record, write_start

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PUBLISHED = RUN_DIR / "11_publish"
TOKEN = "hf_" + "T0kenOfNobody" * 3
NAMES = [
    "README.md", "adapter_config.json", "adapter_model.safetensors", "recipe/data.yaml", "recipe/eval.yaml",
    "recipe/rules.yaml", "recipe/serve.yaml", "recipe/train.yaml", "reports/run.json", "reports/training_log.json",
    "tokenizer.json",
]  # fmt: skip


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def litter(model_dir: Path) -> None:
    """What else lies in a training's folder and is nobody's business."""
    for name in (
        "checkpoint-5/optimizer.pt", "checkpoint-5/adapter_model.safetensors", "broken-checkpoint-3/trainer_state.json",
        "optimizer.pt", "training_args.bin", ".lock", "debug.log", "README.md", "rows.jsonl", "config.json",
    ):  # fmt: skip
        write(model_dir / name, "{}")
    write(model_dir.parent / "train.log", "/home/somebody")


@pytest.fixture
def run_of(recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecipeFolder:
    """A finished training of the recipe below the working folder, with litter beside the model."""
    monkeypatch.chdir(tmp_path)
    litter(finished_run(recipe))
    return recipe


def dry_run(recipe: RecipeFolder, *more: str) -> int:
    return main([str(recipe.path), "--to", "somebody/toy", "--dry-run", *more])


def test_the_folder_holds_model_recipe_reports_and_card_and_nothing_else(run_of: RecipeFolder) -> None:
    assert dry_run(run_of) == 0
    assert files_in(PUBLISHED) == NAMES
    card = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    assert front_of(card)["base_model"] == "toy-org/toy-base" and "| `recipe/data.yaml` |" in card
    assert "a training row" not in card
    weights = PUBLISHED / "adapter_model.safetensors"
    assert weights.stat().st_ino == (RUN_DIR / "06_train/model/adapter_model.safetensors").stat().st_ino
    assert not weights.is_symlink() and not list(RUN_DIR.glob(".11_publish*"))


def test_results_are_published_where_they_are(run_of: RecipeFolder) -> None:
    write_evaluation()
    assert dry_run(run_of) == 0
    assert files_in(PUBLISHED) == sorted([*NAMES, "reports/results.json"])
    assert front_of((PUBLISHED / "README.md").read_text(encoding="utf-8"))["model-index"][0]["name"] == "toy"


def test_the_licences_of_the_collected_tasks_are_read(run_of: RecipeFolder) -> None:
    entry = TaskEntry(
        task="task0000_sampled_answering", rows=9, definition=["Add."], categories=[], kind="generation",
        positive_examples=[], instance_licence=["CC BY-NC 4.0", "for research"],
    )  # fmt: skip
    write_jsonl(RUN_DIR / "01_collect/tasks.jsonl", [entry])
    assert dry_run(run_of) == 0
    card = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    assert "| CC BY-NC 4.0, for research | " in card and "`lima`, `task0000_sampled_answering`." in card


def test_lists_of_tasks_and_licences_of_the_base_go_along(run_of: RecipeFolder) -> None:
    write(run_of.path / "tasks.tsv", "task\tkind\n")
    write(run_of.path / "rows.csv", "a row")
    write(RUN_DIR / "06_train/model/LICENSE.txt", "the base's")
    assert dry_run(run_of) == 0
    assert files_in(PUBLISHED) == sorted([*NAMES, "LICENSE.txt", "recipe/tasks.tsv"])


def test_the_base_s_place_on_this_machine_is_not_published(run_of: RecipeFolder) -> None:
    assert dry_run(run_of) == 0
    assert json.loads((PUBLISHED / "adapter_config.json").read_text()) == {
        "base_model_name_or_path": "toy-org/toy-base", "r": 16,
    }  # fmt: skip


def test_folders_of_this_machine_are_shortened_in_what_is_copied(
    run_of: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    write(run_of.path / "data-other.yaml", f"a: {tmp_path}/runs/x\nb: /home/somebody/models\nc: /data/models\n")
    assert dry_run(run_of) == 2  # not a data file of ours
    (run_of.path / "data-other.yaml").rename(run_of.path / "notes.yaml")
    assert dry_run(run_of) == 0
    assert yaml.safe_load((PUBLISHED / "recipe/notes.yaml").read_text()) == {
        "a": "runs/x", "b": "~/models", "c": "/data/models",
    }  # fmt: skip


def test_a_second_run_replaces_the_folder(run_of: RecipeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(run_of) == 0
    write(PUBLISHED / "left-over.txt", "x")
    write(RUN_DIR / ".11_publish.killed/half", "x")
    assert dry_run(run_of, "--base-model", "toy-org/other", "--base-licence", "mit") == 0
    assert files_in(PUBLISHED) == NAMES and not list(RUN_DIR.glob(".11_publish*"))
    assert "toy-org/other" in (PUBLISHED / "README.md").read_text(encoding="utf-8")
    out = capsys.readouterr().out
    assert "runs/quickstart/11_publish: 11 files" in out and "nothing was uploaded (--dry-run)" in out


def test_a_full_fine_tune_is_published_whole(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    litter(finished_run(recipe, adapter=False))
    write_json(RUN_DIR / "06_train/model/config.json", {"_name_or_path": "/x/toy", "vocab_size": 3})
    assert dry_run(recipe) == 0
    assert {"config.json", "model.safetensors"} < set(files_in(PUBLISHED))
    assert not any("adapter" in name or "checkpoint" in name for name in files_in(PUBLISHED))
    assert json.loads((PUBLISHED / "config.json").read_text())["_name_or_path"] == "toy-org/toy-base"
    assert front_of((PUBLISHED / "README.md").read_text(encoding="utf-8"))["base_model_relation"] == "finetune"


def test_the_merged_model_takes_the_adapter_s_place(run_of: RecipeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(run_of, "--merged") == 1
    assert "holds no merged model; run python -m training.merge" in capsys.readouterr().err
    merged, adapter = RUN_DIR / "10_merge/model", RUN_DIR / "06_train/model/adapter_model.safetensors"
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.json"):
        write(merged / name, "{}")
    write_json(merged / "config.json", {"vocab_size": 3})
    write_json(merged / "model.safetensors.index.json", {"weight_map": {}})
    record = dict.fromkeys(MadeFrom.model_fields, "0")
    record |= {"weights": "full", "adapter_sha256": sha256_file(adapter)}
    write_json(merged / "oneday_merge.json", record)
    assert dry_run(run_of, "--merged") == 0
    names = files_in(PUBLISHED)
    assert "model-00002-of-00002.safetensors" in names and "model.safetensors.index.json" in names
    assert not any("adapter" in name for name in names)
    assert "reports/parity.json" not in names
    assert "merged into its full-precision weights" in (PUBLISHED / "README.md").read_text(encoding="utf-8")
    write_json(RUN_DIR / "10_merge/parity.json", toy_parity().model_dump())
    assert dry_run(run_of, "--merged") == 0
    assert "reports/parity.json" in files_in(PUBLISHED)
    assert "| merged into NF4" in (PUBLISHED / "README.md").read_text(encoding="utf-8")
    write_json(merged / "oneday_merge.json", record | {"adapter_sha256": "another"})
    assert dry_run(run_of, "--merged") == 1
    assert "was made from another adapter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("recipe/train.yaml", TOKEN),
        ("recipe/train.yaml", "sk-" + "a1B2" * 8),
        ("recipe/train.yaml", "ghp_" + "a1B2" * 9),
        ("recipe/train.yaml", "AKIA" + "ABCD" * 4),
        ("recipe/train.yaml", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("tokenizer_config.json", TOKEN),
        ("chat_template.jinja", TOKEN),
    ],
)
def test_a_secret_stops_it_and_names_the_file(
    run_of: RecipeFolder, name: str, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = run_of.path / "train.yaml" if name.startswith("recipe") else RUN_DIR / "06_train/model" / name
    before = place.read_text(encoding="utf-8") if place.exists() else ""
    assert dry_run(run_of) == 0
    card = (PUBLISHED / "README.md").read_bytes()
    text = json.dumps({"key": secret}) if name.endswith(".json") else f"{before}\n# {secret}\n"
    write(place, text)
    assert dry_run(run_of) == 1
    error = capsys.readouterr().err
    assert f"{name}:" in error and "looks like an access token or a private key" in error and secret not in error
    assert (PUBLISHED / "README.md").read_bytes() == card and not list(RUN_DIR.glob(".11_publish*"))


def test_words_that_only_begin_like_a_token_are_no_secret(run_of: RecipeFolder) -> None:
    write(RUN_DIR / "06_train/model/tokenizer.json", '{"vocab": ["hf_", "hf_transfer", "risk-' + "a" * 30 + '"]}')
    assert dry_run(run_of) == 0


def test_a_training_that_is_not_finished_is_refused(run_of: RecipeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    write_start(RUN_DIR / "06_train/model", start_record(run_of.load().train.values), finished=False)
    assert dry_run(run_of) == 1
    assert "holds no finished training" in capsys.readouterr().err and not PUBLISHED.exists()


def test_a_model_without_weights_is_refused(run_of: RecipeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (RUN_DIR / "06_train/model/adapter_model.safetensors").unlink()
    assert dry_run(run_of) == 1
    assert "holds no adapter_model*.safetensors" in capsys.readouterr().err and not PUBLISHED.exists()


def test_another_run_folder_and_a_copied_disk_work(
    run_of: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", no_links)
    RUN_DIR.rename(tmp_path / "elsewhere")
    write_stage_report(tmp_path / "elsewhere/06_train")
    assert main([str(run_of.path), "--to", "somebody/toy", "--dry-run", "--out", str(tmp_path / "elsewhere")]) == 0
    assert files_in(tmp_path / "elsewhere/11_publish") == NAMES


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy", "'toy' has no owner; give owner/name"),
        ("a/b/c", "'a/b/c'"),
        ("some body/toy", "'some body/toy'"),
        ("somebody/..", "'somebody/..'"),
    ],
)
def test_a_bad_name_is_told_before_anything_is_written(
    run_of: RecipeFolder, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run_of.path), "--to", name, "--dry-run"]) == 1
    assert message in capsys.readouterr().err and not PUBLISHED.exists()
    assert main([str(run_of.path), "--to", "somebody/toy", "--dry-run", "--base-model", name]) == 1
    assert "--base-model: " in capsys.readouterr().err and not PUBLISHED.exists()
    with pytest.raises(ValueError, match="--to"):
        check_repo_id(name)


def test_offline_and_without_login_nothing_is_written(
    run_of: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    assert main([str(run_of.path), "--to", "somebody/toy"]) == 1
    assert "HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set" in capsys.readouterr().err
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert main([str(run_of.path), "--to", "somebody/toy"]) == 1
    assert "you are not logged in to the hub" in capsys.readouterr().err and not PUBLISHED.exists()


def test_public_needs_a_look_at_the_licences(run_of: RecipeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(run_of, "--public") == 1
    error = capsys.readouterr().err
    assert "non-commercial: lima." in error and "not recorded: toy-org/toy-base." in error
    assert "give --accept-licences beside --public" in error
    assert dry_run(run_of, "--public", "--accept-licences") == 0


def test_public_needs_none_where_every_licence_is_known_and_free(
    recipe: RecipeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished_run(recipe, [toy_source()])
    assert dry_run(recipe, "--public", "--base-licence", "MIT") == 0
    assert front_of((PUBLISHED / "README.md").read_text(encoding="utf-8"))["license"] == "mit"


# A hub on this machine: the few addresses that an upload asks for


@dataclass
class Hub:
    """What was received. `status` is answered to the creation of a repository, in place of success."""

    address: str = ""
    status: int = 200
    private: bool | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    authorizations: set[str | None] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def reply(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            for name, text in ({"Content-Type": "application/json"} | (headers or {})).items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_GET(self) -> None:
            hub.authorizations.add(self.headers.get("Authorization"))
            if hub.private is None:
                self.reply({"error": "no such repository"}, 404, {"X-Error-Code": "RepoNotFound"})
            elif "/tree/" in self.path:
                tree = [
                    {"type": "file", "path": name, "size": len(text), "oid": "0"} for name, text in hub.files.items()
                ]
                self.reply(tree)
            else:
                self.reply({"id": "somebody/toy", "sha": "0" * 40, "private": hub.private, "siblings": []})

        def do_PUT(self) -> None:
            content = self.body()
            if self.path.endswith("/settings"):
                hub.private = json.loads(content).get("visibility") == "private"
            else:
                hub.objects[self.path.rpartition("/")[2]] = content
            self.reply({})

        def do_POST(self) -> None:
            content = self.body()
            hub.authorizations.add(self.headers.get("Authorization"))
            if self.path == "/api/repos/create" and hub.status != 200:
                self.reply({"error": "no, not you"}, hub.status)
            elif self.path == "/api/repos/create":
                exists = hub.private is not None
                hub.private = hub.private if exists else json.loads(content).get("visibility") == "private"
                self.reply({"url": f"{hub.address}/somebody/toy"}, 409 if exists else 200)
            elif "/preupload/" in self.path:
                self.reply({"files": [self.mode(file) for file in json.loads(content)["files"]]})
            elif self.path.endswith("/objects/batch"):
                self.reply(
                    {"transfer": "basic", "objects": [self.place(one) for one in json.loads(content)["objects"]]}
                )
            elif "/commit/" in self.path:
                self.commit([json.loads(line) for line in content.splitlines()])
            else:  # validate-yaml
                self.reply({"errors": [], "warnings": []})

        def mode(self, file: dict[str, Any]) -> dict[str, Any]:
            large = file["path"].endswith(".safetensors")
            return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

        def place(self, one: dict[str, Any]) -> dict[str, Any]:
            return one | {"actions": {"upload": {"href": f"{hub.address}/objects/{one['oid']}", "header": {}}}}

        def commit(self, lines: list[dict[str, Any]]) -> None:
            for line in lines:
                value = line["value"]
                if line["key"] == "header":
                    hub.messages.append(value["summary"])
                elif line["key"] == "file":
                    hub.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.files[value["path"]] = hub.objects[value["oid"]]
                else:
                    del hub.files[value["path"]]
            place = f"{hub.address}/somebody/toy/commit/{'0' * 40}"
            self.reply({"commitUrl": place, "commitOid": "0" * 40, "hookOutput": "", "success": True})

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A running hub that knows no repository yet."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def api_of(monkeypatch: pytest.MonkeyPatch) -> "Callable[[str], HfApi]":
    """Makes the hub's client for an address, in this process."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return lambda address: HfApi(endpoint=address, token=TOKEN)


def test_the_command_uploads_the_folder_as_private(run_of: RecipeFolder, hub: Hub, tmp_path: Path) -> None:
    environment = os.environ | {
        "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "training.publish", str(run_of.path), "--to", "somebody/toy"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"uploaded    {hub.address}/somebody/toy (private)" in done.stdout
    assert hub.private is True and hub.authorizations == {f"Bearer {TOKEN}"}
    assert sorted(hub.files) == NAMES and hub.messages == ["Publish quickstart with oneday"]
    for name, content in hub.files.items():
        assert content == (PUBLISHED / name).read_bytes(), name
    weights = (RUN_DIR / "06_train/model/adapter_model.safetensors").read_bytes()
    assert hub.objects == {hashlib.sha256(weights).hexdigest(): weights}
    assert TOKEN not in done.stdout + done.stderr and not any(TOKEN.encode() in text for text in hub.files.values())


def test_uploading_again_replaces_what_was_ours_and_keeps_the_rest(
    run_of: RecipeFolder, hub: Hub, api_of: "Callable[[str], HfApi]"
) -> None:
    assert dry_run(run_of) == 0
    hub.private = True
    theirs = {"notes.md": b"mine", ".gitattributes": b"*"}
    hub.files = theirs | {"model.safetensors": b"old", "recipe/train-old.yaml": b"old", "README.md": b"old"}
    for _ in range(2):
        upload(api_of(hub.address), PUBLISHED, "somebody/toy", public=False)
        assert sorted(hub.files) == sorted([*NAMES, *theirs]) and hub.files["README.md"] != b"old"
    assert hub.private is True


def test_a_private_repository_becomes_public_only_when_asked(
    run_of: RecipeFolder, hub: Hub, api_of: "Callable[[str], HfApi]"
) -> None:
    assert dry_run(run_of) == 0
    hub.private = True
    upload(api_of(hub.address), PUBLISHED, "somebody/toy", public=True)
    assert hub.private is False and sorted(hub.files) == NAMES
    hub.files = {}
    with pytest.raises(StageError, match="is public on the hub already: give --public"):
        upload(api_of(hub.address), PUBLISHED, "somebody/toy", public=False)
    assert hub.files == {}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, r"refused \(400\): run the same command again later. The hub says: no, not you"),
        (401, r"refused \(401\): it does not accept your token: run `hf auth login` again"),
        (403, r"refused \(403\): you may not write to somebody/toy"),
        (404, r"refused \(404\): there is no somebody/toy that you can see"),
        (429, r"refused \(429\): it takes no more requests for now"),
        (500, r"refused \(500\): run the same command again later"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_message(
    tmp_path: Path, hub: Hub, api_of: "Callable[[str], HfApi]", status: int, message: str
) -> None:
    hub.status = status
    with pytest.raises(StageError, match=message):
        upload(api_of(hub.address), tmp_path, "somebody/toy", public=False)


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path, api_of: "Callable[[str], HfApi]") -> None:
    with pytest.raises(StageError, match=r"the hub \(http://127\.0\.0\.1:1\) could not be reached"):
        upload(api_of("http://127.0.0.1:1"), tmp_path, "somebody/toy", public=False)
