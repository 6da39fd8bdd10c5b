"""What HELM's log tells."""

import pytest

from eval.helm.logs import (
    demonstrations_lacking,
    failures,
    failures_by_run,
    names_planned,
    runs_planned,
    timed_runs,
)
from tests.eval.helm.recorded import LOG, RETRIED

FIRST, SECOND = "simple_mcqa:model=neurips_local", "dyck_language_np=3:model=neurips_local"


def test_runs_last_until_the_next_one_begins() -> None:
    runs = timed_runs(LOG)
    assert [(run.name, run.seconds) for run in runs] == [
        ("simple_mcqa:model=neurips_local", 10.5),
        ("dyck_language_np=3:model=neurips_local", 2.25),
    ]


def test_a_log_that_began_no_run_has_none() -> None:
    assert timed_runs("") == ()
    assert runs_planned("") is None
    assert runs_planned(LOG) == 2


@pytest.mark.parametrize(
    "line",
    [
        RETRIED,
        "2026-01-02 03:04:07,000 INFO         Failed to make request to neurips/local after retrying 1 times",
        "2026-01-02 03:04:07,000 INFO         Failed to tokenize after retrying 5 times",
        "2026-01-02 03:04:07,000 INFO         Failed to decode after retrying 5 times",
        "2026-01-02 03:04:07,000 INFO         Request error: 500 Server Error for url: http://127.0.0.1:1/process",
        "2026-01-02 03:04:07,000 INFO         Local Model error: 404 Client Error",
        "2026-01-02 03:04:07,000 INFO         Error when running simple_mcqa:model=neurips_local:",
        "Traceback (most recent call last):",
    ],
)
def test_every_kind_of_failure_is_found_in_a_log(line: str) -> None:
    (found,) = failures(f"{LOG}{line}\n")
    assert found and line.endswith(found)


def test_what_is_logged_without_a_failure_is_none() -> None:
    assert failures(LOG) == []


def test_failures_belong_to_the_run_that_had_begun() -> None:
    lines = LOG.splitlines()
    log = "\n".join([RETRIED, *lines[:5], RETRIED, RETRIED, *lines[5:], "Traceback (most recent call last):"])
    found = failures_by_run(log)
    assert {run: len(told) for run, told in found.items()} == {"": 1, FIRST: 2, SECOND: 1}
    assert failures_by_run(f"{log}\n  File x, line 1\n\n  File y\nValueError: 3\n")[SECOND] == ["ValueError: 3"]
    assert failures_by_run(LOG) == {}


def test_planned_runs_are_those_of_helms_list_not_of_a_prompt() -> None:
    begin = "2026-01-02 03:04:05,000 INFO     "
    log = f"{begin}    RunSpec(name='gsm:model=neurips_local', scenario_spec=1)\n{begin}      RunSpec(name='told', x)\n"
    assert names_planned(log) == ["gsm:model=neurips_local"]
    assert names_planned(LOG) == []


def test_runs_with_fewer_demonstrations_than_they_want_are_told() -> None:
    warning = "2026-01-02 03:04:06,200 WARNING        only 0 training instances, wanted 5"
    lines = LOG.splitlines()
    assert demonstrations_lacking("\n".join([*lines[:3], warning, *lines[3:]])) == {FIRST: "0 of 5"}
    assert demonstrations_lacking(LOG) == {}
