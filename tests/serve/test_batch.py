"""Answering in batches: a run that is cut off goes on and gives what an undisturbed one gives."""

import errno
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oneday.files import read_jsonl
from serve.batch import Answer, Group, answer_all
from serve.engine import Engine, load_transformers_engine


@dataclass
class Upside:
    """An engine that turns prompts round, two a batch; it dies after `batches` batches."""

    batches: int = 1000
    asked: list[str] = field(default_factory=list)
    calls: int = 0

    def generate(
        self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
    ) -> Iterator[list[tuple[int, str]]]:
        self.calls += 1
        for start in range(0, len(prompts), 2):
            positions = range(start, min(start + 2, len(prompts)))
            if all(position in done for position in positions):
                continue
            if self.batches == 0:
                raise RuntimeError("killed")
            self.batches -= 1
            self.asked += [prompts[position] for position in positions]
            yield [(position, prompts[position][::-1][:max_new_tokens]) for position in reversed(positions)]


GROUPS = [
    Group("one", ["a", "b", "c", "d", "e"], ["pa", "pb", "pc", "pd", "pe"], 10),
    Group("two", ["a", "f", "g"], ["qa", "qf\n\n\u2028é", "qg"], 1),
]
WHOLE = {
    ("one", "a"): "ap",
    ("one", "b"): "bp",
    ("one", "c"): "cp",
    ("one", "d"): "dp",
    ("one", "e"): "ep",
    ("two", "a"): "a",
    ("two", "f"): "é",
    ("two", "g"): "g",
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "work" / "answers.jsonl"


def answer(journal: Path, engine: Engine, groups: Sequence[Group] = GROUPS) -> dict[tuple[str, str], str]:
    return answer_all(groups, lambda: engine, journal, "test")


def not_loaded() -> Engine:
    pytest.fail("the engine was loaded")


def test_every_prompt_is_answered_once(journal: Path) -> None:
    engine = Upside()
    assert answer(journal, engine) == WHOLE
    assert engine.asked == [prompt for group in GROUPS for prompt in group.prompts]


def test_the_journal_holds_every_answer(journal: Path) -> None:
    answer(journal, Upside())
    assert {(line.group, line.id): line.text for line in read_jsonl(journal, Answer)} == WHOLE


@pytest.mark.parametrize("batches", range(5))
def test_a_killed_run_goes_on_and_gives_the_same_answers(journal: Path, batches: int) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        answer(journal, Upside(batches))
    engine = Upside()
    assert answer(journal, engine) == WHOLE
    everything = [prompt for group in GROUPS for prompt in group.prompts]
    assert engine.asked == everything[[0, 2, 4, 5, 7][batches] :]


def test_a_run_that_is_killed_after_every_batch_ends(journal: Path) -> None:
    for _ in range(4):
        with pytest.raises(RuntimeError, match="killed"):
            answer(journal, Upside(1))
    assert answer(journal, Upside(1)) == WHOLE
    assert len(read_jsonl(journal, Answer)) == len(WHOLE)


def test_a_batch_is_on_disk_before_the_next_is_asked_for(journal: Path) -> None:
    class Watching(Upside):
        def generate(
            self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
        ) -> Iterator[list[tuple[int, str]]]:
            for number, batch in enumerate(super().generate(prompts, max_new_tokens, stop, done)):
                assert len(read_jsonl(journal, Answer)) == 2 * number
                yield batch

    answer(journal, Watching(), GROUPS[:1])


def test_the_engine_is_not_loaded_when_nothing_is_left(journal: Path) -> None:
    answer(journal, Upside())
    assert answer_all(GROUPS, not_loaded, journal, "test") == WHOLE


def test_the_engine_is_not_loaded_for_no_prompts(journal: Path) -> None:
    assert answer_all([], not_loaded, journal, "test") == {}
    assert answer_all([Group("one", [], [], 5)], not_loaded, journal, "test") == {}


def test_groups_that_are_empty_or_answered_are_passed_over(journal: Path) -> None:
    answer(journal, Upside(), GROUPS[:1])
    engine = Upside()
    assert answer(journal, engine, [Group("none", [], [], 5), *GROUPS]) == WHOLE
    assert engine.calls == 1


def damaged(journal: Path, damage: Callable[[list[bytes]], bytes]) -> Upside:
    """Answer all, damage the journal's lines, answer again; returns the second run's engine."""
    answer(journal, Upside())
    journal.write_bytes(damage(journal.read_bytes().splitlines(keepends=True)))
    engine = Upside()
    assert answer(journal, engine) == WHOLE
    return engine


@pytest.mark.parametrize("cut", [1, 20])
def test_a_last_line_that_was_cut_off_is_answered_again_without_a_word(
    journal: Path, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = damaged(journal, lambda lines: b"".join(lines)[:-cut])
    assert engine.asked == ["qg"]
    assert "Warning" not in capsys.readouterr().err
    assert len(read_jsonl(journal, Answer)) == len(WHOLE)


@pytest.mark.parametrize(
    "line", [b"\0\0\0\n", b'{"group": "one"}\n', b'{"group":"one","id":"c","te\n', b"\n", b"\xff\n"]
)
def test_a_spoilt_line_in_the_middle_is_named_and_answered_again(
    journal: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = damaged(journal, lambda lines: b"".join([*lines[:3], line, *lines[4:]]))
    assert engine.asked == ["pc", "pd"]
    message = capsys.readouterr().err
    assert f"Warning: {journal}:4: not a answer record: " in message
    assert "its prompt is answered again" in message
    assert message.count("Warning") == 1


def test_answers_to_rows_that_nobody_asked_for_are_ignored(journal: Path) -> None:
    strangers = [Answer(group="one", id="z", text="x"), Answer(group="three", id="a", text="x")]
    journal.parent.mkdir()
    journal.write_text("".join(line.model_dump_json() + "\n" for line in strangers), encoding="utf-8")
    engine = Upside()
    assert answer(journal, engine) == WHOLE
    assert len(engine.asked) == len(WHOLE)


def test_an_id_is_that_of_its_group_alone(journal: Path) -> None:
    answer(journal, Upside(), GROUPS[:1])
    engine = Upside()
    assert answer(journal, engine) == WHOLE
    assert engine.asked == ["qa", "qf\n\n\u2028é", "qg"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is always full")
def test_a_full_disk_ends_the_run(journal: Path) -> None:
    journal.parent.mkdir()
    journal.symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        answer(journal, Upside())
    assert caught.value.errno == errno.ENOSPC


def test_a_real_engine_goes_on_with_the_same_text(tiny_model_dir: Path, journal: Path) -> None:
    prompts = [f"### Input:\n{'word ' * words}{words}\n\n### Response:\n" for words in (4, 0, 9, 2, 6)]
    groups = [Group("toy", list("abcde"), prompts, 6)]
    whole = answer_all(groups, lambda: load_transformers_engine(str(tiny_model_dir), 2), journal, "test")
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in (b"".join(lines[:3]), b"".join(lines[:2]), b"".join([lines[0], *lines[2:]])):
        journal.write_bytes(kept)
        again = answer_all(groups, lambda: load_transformers_engine(str(tiny_model_dir), 2), journal, "test")
        assert again == whole


def test_each_group_names_the_string_that_ends_its_texts(journal: Path) -> None:
    class Telling(Upside):
        def generate(
            self, prompts: Sequence[str], max_new_tokens: int, stop: str, done: Collection[int] = ()
        ) -> Iterator[list[tuple[int, str]]]:
            yield [(position, repr(stop)) for position in range(len(prompts))]

    groups = [Group("one", ["a"], ["p"], 1), Group("two", ["a"], ["p"], 1, "")]
    assert answer(journal, Telling(), groups) == {("one", "a"): repr("\n\n"), ("two", "a"): repr("")}
