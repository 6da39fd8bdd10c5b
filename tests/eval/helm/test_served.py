"""The server that HELM asks: its start, its end, and its own count of answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from eval.helm.served import STRIKES, ServerWatch, answered, check_health, recipe_model, recipe_server, served_name
from oneday.recipe import load_recipe
from oneday.stage import StageError
from serve.running import bind, url_of
from tests.conftest import RecipeFolder
from tests.eval.challenge import trained


@contextmanager
def other_server(folder: Path, health: str) -> Iterator[str]:
    """A web server that is not ours: what it says on /health is a file."""
    (folder / "health").write_text(health, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_servers_count_has_every_path_and_status(address: str) -> None:
    check_health(address)
    assert served_name(address) == "toy"
    before = answered(address)
    assert httpx.post(f"{address}/process", json={"prompt": "One"}).status_code == 200
    assert httpx.post(f"{address}/process", json={}).status_code == 422
    assert httpx.post(f"{address}/tokenize", json={"text": "One"}).status_code == 200
    counted = answered(address)
    counted.subtract(before)
    counts = {key: count for key, count in counted.items() if count and key[0] != "/metrics"}
    assert counts == {("/process", "200"): 1, ("/process", "422"): 1, ("/tokenize", "200"): 1}


def test_a_server_that_is_another_one_is_told(address: str) -> None:
    with pytest.raises(StageError, match="404"):
        answered(f"{address}/elsewhere")
    with pytest.raises(StageError, match=r"/health answers 404, not 200"):
        check_health(f"{address}/elsewhere")


@pytest.mark.parametrize("body", ["[]", "{}", '{"status": "ready", "model": null}', "<p>It works</p>"])
def test_a_server_that_names_no_model_is_told(tmp_path: Path, body: str) -> None:
    with other_server(tmp_path, body) as url, pytest.raises(StageError, match=r"/health names no model; it must be a"):
        served_name(url)


def test_a_server_is_gone_once_it_was_missing_thrice_in_a_row_and_not_while_it_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with other_server(tmp_path, "{}") as url:
        watch = ServerWatch(url)
        assert watch.gone() is None
        with monkeypatch.context() as patch:
            patch.setattr("eval.helm.served.HEALTH_SECONDS", 1e-6)
            assert [watch.gone() for _ in range(STRIKES + 1)] == [None] * (STRIKES + 1)
        (tmp_path / "health").rename(tmp_path / "away")
        assert [watch.gone() for _ in range(STRIKES - 1)] == [None] * (STRIKES - 1)
        (tmp_path / "away").rename(tmp_path / "health")
        assert watch.gone() is None
    assert [watch.gone() for _ in range(STRIKES - 1)] == [None] * (STRIKES - 1)
    assert "does not answer" in str(watch.gone()) and watch.reason == watch.gone()


def test_a_recipe_without_a_model_is_told_no_option_that_is_not_there(tmp_path: Path, recipe: RecipeFolder) -> None:
    with pytest.raises(ValueError, match=r"run\.py .*, or name a server that has one by --url$"):
        recipe_model(load_recipe(recipe.path), tmp_path / "run", "tuned")


def test_a_server_that_is_not_there_is_told() -> None:
    bound = bind("127.0.0.1", 0)  # taken, but nobody listens
    with pytest.raises(StageError, match="does not answer"):
        check_health(url_of(bound))
    with pytest.raises(StageError, match=r"python -m serve"):
        answered(url_of(bound))
    bound.close()


def test_a_server_that_cannot_start_is_told_with_the_end_of_its_log(
    tmp_path: Path, recipe: RecipeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDAY_BASE_MODEL", str(tmp_path / "another-model"))
    with (
        pytest.raises(StageError, match=r"(?s)ended with exit code 1 before it was ready.*run\.py"),
        recipe_server(recipe.path, tmp_path / "run", tmp_path / "server.log", print),
    ):
        pytest.fail("there is no model to serve")


@pytest.mark.slow
def test_a_recipes_server_starts_answers_and_ends(tmp_path: Path, recipe: RecipeFolder, tiny_model_dir: Path) -> None:
    recipe.use_model(tiny_model_dir)
    trained(tmp_path / "run", tiny_model_dir)
    told: list[str] = []
    with recipe_server(recipe.path, tmp_path / "run", tmp_path / "server.log", told.append) as url:
        assert httpx.post(f"{url}/process", json={"prompt": "One"}, timeout=60).status_code == 200
        assert answered(url)["/process", "200"] == 1
    assert told and url in told[0]
    with pytest.raises(StageError, match="does not answer"):
        check_health(url)


@pytest.mark.slow
def test_a_fault_while_it_runs_is_told_with_the_end_of_the_servers_log_and_ends_it(
    tmp_path: Path, recipe: RecipeFolder, tiny_model_dir: Path
) -> None:
    recipe.use_model(tiny_model_dir)
    trained(tmp_path / "run", tiny_model_dir)
    with (
        pytest.raises(StageError, match=r"(?s)^helm-run failed.*end of the server's log.*Ready: "),
        recipe_server(recipe.path, tmp_path / "run", tmp_path / "server.log", print) as url,
    ):
        raise StageError("helm-run failed")
    with pytest.raises(StageError, match="does not answer"):
        check_health(url)
