"""The comparison of the chain of rules with lm-evaluation-harness: what it prints is there and so."""

import re

import pytest

from benchmarks import rules

TEXTS = 2_000


def test_texts_are_the_same_each_time_and_of_many_kinds() -> None:
    texts = rules.make_texts(TEXTS)
    assert texts == rules.make_texts(TEXTS)
    assert len(set(texts)) > TEXTS / 2


def test_each_of_the_six_rules_has_work_and_most_texts_come_out_alike() -> None:
    texts = rules.make_texts(TEXTS)
    lines = list(rules.by_rule(texts))
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(rules.CHAIN)
    assert all(int(line.split()[-3]) > 0 for line in lines)
    ours, peer = rules.measure_ours(texts), rules.measure_peer(texts)
    assert len(ours.outputs) == len(peer.outputs) == TEXTS
    same = sum(a == b for a, b in zip(ours.outputs, peer.outputs, strict=True))
    assert same > TEXTS / 2
    assert "[invalid]" not in peer.outputs


def test_the_command_prints_a_table_with_the_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.main(["--texts", str(TEXTS), "--peer-texts", "1000"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"\| oneday, 6 rules \| 2,000 \| [\d.]+ \| [\d.]+ \| [\d,]+ \| [\d.]+ \| [\d.]+ \|", told)
    assert re.search(r"\| lm_eval [\d.]+, 6 filters \| 1,000 \| .* \| 1\.0 \|", told)
    assert "cpu " in told and "seed 9" in told


def test_a_missed_target_is_told() -> None:
    slow = rules.Speed("slow", 1.0, 1.0, ["a"])
    assert rules.missed(slow) == ["1,000,000 texts take 1000000.0 CPU s; the target is 20"]
    assert rules.missed(rules.Speed("fast", 1e-6, 1e-6, ["a"])) == []
