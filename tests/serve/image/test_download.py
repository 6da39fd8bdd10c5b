import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from serve.image.download import repository

COMMIT = 40 * "a"
TOKEN = "token-of-the-build"


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A hub with the one model owner/name, which asks for the token: its address, and the files that it gave."""
    given: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.rpartition(f"/resolve/{COMMIT}/")[2]
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                self._answer(401, b"{}")
            elif self.path.partition("?")[0] == "/api/models/owner/name/revision/v2":
                siblings = [{"rfilename": file} for file in files]
                self._answer(200, json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": siblings}).encode())
            elif name in files:
                given.append(name)
                self._answer(200, files[name])
            else:
                self._answer(404, b"{}")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{sha1(body).hexdigest()}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", given
        server.shutdown()


def download(address: str, to: Path, home: Path, name: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    """Fetch as the Dockerfile does: the token in a file."""
    (home / "token").write_text(token, encoding="utf-8")
    settings = {
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home),
        "HF_TOKEN_PATH": str(home / "token"),
    }
    kept = {key: value for key, value in os.environ.items() if key not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    command = [sys.executable, "-m", "serve.image.download", "--to", str(to), "--base-model", name, "--adapter", ""]
    return subprocess.run(command, env=kept | settings, capture_output=True, text=True, check=False)


def test_only_what_serving_needs_is_fetched_with_the_token_of_the_secret(tmp_path: Path) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"pickle", "odd.py": b"code"}
    with hub(files) as (address, given):
        done = download(address, tmp_path / "model", tmp_path, "owner/name@v2")
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in (tmp_path / "model/base").iterdir()) == ["config.json", "model.safetensors"]
        assert (tmp_path / "model/base/model.safetensors").read_bytes() == b"weights"
        assert set(given) == {"config.json", "model.safetensors"}
        again = download(address, tmp_path / "model", tmp_path, "owner/name@v2")
    assert again.returncode == 2
    assert "has weights of the build context, so owner/name@v2 is not fetched" in again.stderr


def test_without_safetensors_or_access_the_build_ends_with_the_reason(tmp_path: Path) -> None:
    with hub({"config.json": b"{}", "pytorch_model.bin": b"pickle"}) as (address, _):
        pickled = download(address, tmp_path / "a", tmp_path, "owner/name@v2")
        refused = download(address, tmp_path / "b", tmp_path, "owner/name@v2", token="another")
    assert (pickled.returncode, refused.returncode) == (2, 1)
    assert "owner/name@v2 has no .safetensors file" in pickled.stderr
    assert "Error: the hub does not give it: " in refused.stderr
    assert "another" not in refused.stderr


def test_nothing_named_is_nothing_fetched(tmp_path: Path) -> None:
    done = download("http://127.0.0.1:9", tmp_path / "model", tmp_path, "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("name", "parts"), [("a/b", ("a/b", "main")), ("a/b@v1", ("a/b", "v1")), ("a/b@", ("a/b", "main"))]
)
def test_a_hub_id_may_have_a_revision(name: str, parts: tuple[str, str]) -> None:
    assert repository(name) == parts


@pytest.mark.parametrize("name", ["b", "/b", "a/", "a/b/c", "@v1", ""])
def test_what_is_no_hub_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no hub id; write OWNER/NAME"):
        repository(name)
