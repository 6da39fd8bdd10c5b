from pathlib import Path

import pytest

from oneday.machine import free_port
from serve.image.buildah import ImageError, lacking, run_logged
from serve.image.check import main
from serve.image.context import ROOT
from serve.image.trial import ask, wait_until

TRAINED = ROOT / "runs" / "quickstart" / "06_train" / "model"


def test_what_a_machine_lacks_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert lacking()[:2] == ["buildah (apt-get install buildah)", "debootstrap (apt-get install debootstrap)"]
    assert main([]) == 1
    assert "an image cannot be built here; needed: buildah (apt-get install buildah)" in capsys.readouterr().err


def test_a_command_that_fails_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    run_logged(["echo", "well"], log)
    with pytest.raises(ImageError, match=r"sh ended with 3:\nwell\nwhy\n"):
        run_logged(["sh", "-c", "echo why >&2; exit 3"], log)


def test_a_condition_that_never_holds_ends_the_trial() -> None:
    with pytest.raises(ImageError, match=r"not within 0\.1 s: pigs fly"):
        wait_until(lambda: False, 0.1, "pigs fly")


def test_a_server_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(OSError, match="Connection refused"):
        ask(free_port(), "/health")


@pytest.mark.slow
@pytest.mark.skipif(bool(lacking()), reason=f"an image cannot be built here: {', '.join(lacking())}")
@pytest.mark.skipif(not TRAINED.is_dir(), reason="no trained quickstart; run `make quickstart`")
def test_the_quickstarts_image_builds_serves_and_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = main(["recipes/quickstart"])
    told = capsys.readouterr()
    print(told.out)
    assert code == 0, told.err
    assert "user 10001" in told.out
    assert "container: started, asked, stopped" in told.out
