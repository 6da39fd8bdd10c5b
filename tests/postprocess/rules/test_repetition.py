"""The rule against loops: what counts as one, what is kept of it, and that long texts take no time."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.chain import step
from postprocess.rules.repetition import collapse_repeats


def collapsed(text: str, repeats: int = 3, longest: int = 64) -> str:
    edit = collapse_repeats(text, repeats=repeats, longest=longest)
    return text if edit is None else edit.apply(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("I see. I go. I go. I go.", "I see. I go.", id="sentence"),
        pytest.param("I see. I go. I go. I go. I", "I see. I go.", id="one more copy begun"),
        pytest.param("well ndiyo ndiyo ndiyo ndi", "well ndiyo", id="a word cut short"),
        pytest.param("well ndiyo ndiyo ndi", "well ndiyo ndiyo ndi", id="a word cut short is no copy"),
        pytest.param("yes\nyes \n\n yes\tyes\n", "yes", id="any white space between"),
        pytest.param("yes yes", "yes yes", id="too few copies"),
        pytest.param("no no no, and then he left", "no no no, and then he left", id="not at the end"),
        pytest.param("Yes yes YES", "Yes yes YES", id="capitals count"),
        pytest.param("a b b b a b b b a b b b", "a b", id="loop in a loop"),
        pytest.param("x a a a b b b", "x a a a b", id="what is before the loop stays"),
        pytest.param("x a b b b a b b b a b b b c c c", "x a b b b a b b b a b b b c", id="no loop at the new end"),
        pytest.param("x a b a b a b b b", "x a b", id="the new end is a loop"),
        pytest.param("Sannu da zuwa. Na gode. Na gode. Na gode. Na", "Sannu da zuwa. Na gode.", id="Hausa"),
        pytest.param("我不知道。我不知道。我不知道。我不", "我不知道。", id="Chinese"),
        pytest.param("はい、はい、はい、は", "はい、", id="Japanese"),
        pytest.param("ใช่ใช่ใช่ใช่", "ใช่", id="Thai"),
        pytest.param("sawa 👍 sawa 👍 sawa 👍", "sawa 👍", id="emoji"),
        pytest.param("👍👍👍👍", "👍👍👍👍", id="within one word"),
        pytest.param("hahahahahaha", "hahahahahaha", id="syllables of one word"),
        pytest.param("The population is 7 000 000 000", "The population is 7 000 000 000", id="groups of digits"),
        pytest.param("1 1 1", "1 1 1", id="numbers"),
        pytest.param("0 0 0 0", "0 0 0 0", id="zeros"),
        pytest.param("答えは１０００", "答えは１０００", id="full-width digits"),
        pytest.param("ราคา ๑๐๐๐", "ราคา ๑๐๐๐", id="Thai digits"),
        pytest.param("តម្លៃ១០០០", "តម្លៃ១០០០", id="Khmer digits"),
        pytest.param("ລາຄາ໑໐໐໐", "ລາຄາ໑໐໐໐", id="Lao digits"),
        pytest.param("| a | b |\n| --- | --- | --- |", "| a | b |\n| --- | --- | --- |", id="a table's line"),
        pytest.param("- - - -", "- - - -", id="marks"),
        pytest.param("👍 👍 👍", "👍 👍 👍", id="emoji alone"),
        pytest.param("a 1 1 1 a 1 1 1 a 1 1 1", "a 1 1 1", id="numbers in a loop with a letter"),
        pytest.param("Item 1 Item 1 Item 1", "Item 1", id="a word and a number"),
        pytest.param("１０個１０個１０個１", "１０個", id="full-width digits in a loop"),
        pytest.param("", "", id="nothing"),
        pytest.param(" \n ", " \n ", id="white space"),
    ],
)
def test_one_copy_of_what_the_end_repeats_is_kept(text: str, expected: str) -> None:
    assert collapsed(text) == expected


def test_copies_may_have_so_many_words_and_no_more() -> None:
    text = "x " + "a b c " * 3
    assert collapsed(text, longest=2) == text
    assert collapsed(text, longest=3) == "x a b c"


def test_number_of_copies_is_a_parameter() -> None:
    assert collapsed("yes yes", repeats=2) == "yes"
    assert collapsed("yes yes yes", repeats=4) == "yes yes yes"


@pytest.mark.parametrize("parameters", [{"repeats": 1}, {"repeats": 0}, {"longest": 0}, {"repeats": "many"}])
def test_parameters_that_say_nothing_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"collapse_repeats\(repeats: whole number >= 2 = 3, longest: "):
        step("collapse_repeats", **parameters)


THOROUGH = settings(max_examples=300, deadline=None)
ANY = st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=40)
WORDS = st.lists(st.sampled_from(["a", "ab", "b", "好", "的", "\ud800", "🙏"]), min_size=1, max_size=4)
SPACES = st.sampled_from([" ", "\n", "\u3000 "])


@st.composite
def loops(draw: st.DrawFn) -> str:
    """Words, of them some again and again, and the whole cut off anywhere."""
    words: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        words += draw(WORDS)
        words += words[-draw(st.integers(1, 6)) :] * draw(st.integers(0, 4))
    text = draw(SPACES).join(words)
    return text[: draw(st.integers(max(0, len(text) - 3), len(text)))]


@THOROUGH
@given(text=ANY | loops(), repeats=st.integers(2, 4), longest=st.integers(1, 8))
def test_cut_is_a_beginning_of_any_text_and_a_second_one_changes_nothing(text: str, repeats: int, longest: int) -> None:
    edit = collapse_repeats(text, repeats=repeats, longest=longest)
    if edit is not None:
        assert edit.text is None
        assert edit.start == 0 < edit.end < len(text)
        assert collapse_repeats(text[: edit.end], repeats=repeats, longest=longest) is None


@THOROUGH
@given(words=st.lists(st.sampled_from("abc"), max_size=14), repeats=st.integers(2, 4), longest=st.integers(1, 4))
def test_what_is_left_ends_in_no_loop_by_the_plain_definition(words: list[str], repeats: int, longest: int) -> None:
    left = collapsed(" ".join(words), repeats, longest).split()
    assert not ends_in_loop(left, repeats, longest)
    if not ends_in_loop(words, repeats, longest):
        assert left == words


def ends_in_loop(words: list[str], repeats: int, longest: int) -> bool:
    """Whether so many equal copies stand at the end, behind the last of which one more may have begun."""
    for length in range(1, longest + 1):
        for begun in range(length):
            size = length * repeats + begun
            tail = words[len(words) - size :]
            if size <= len(words) and all(word == tail[at % length] for at, word in enumerate(tail)):
                return True
    return False


def one_letter(size: int) -> str:
    return "a " * (size // 2)


def two_letters(size: int) -> str:
    return "ab" * (size // 2)


def random_words(size: int) -> str:
    choose = random.Random(0).choice
    return " ".join(choose(["ab", "ba"]) for _ in range(size // 3))


def fibonacci_words(size: int) -> str:
    before, text = "a ", "a b "
    while len(text) < size:
        before, text = text, text + before
    return text[:size]


def doubled_ends(size: int) -> str:
    words, choose = list("abcd"), random.Random(0)
    while len(words) < size // 2:
        words += words[-choose.randint(1, 64) :]
    return " ".join(words)


def characters(size: int) -> str:
    return "好" * size


def zeros(size: int) -> str:
    return "0 " * (size // 2)


def zeros_with_letters(size: int) -> str:
    return ("a " + "0 " * 40) * (size // 82)


MAKERS = [
    *(one_letter, two_letters, random_words, fibonacci_words, doubled_ends, characters, zeros, zeros_with_letters),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("repeats", "longest"), [(3, 64), (2, 64), (2, 100_000)])
def test_a_long_text_does_not_hang_a_rule(make: Callable[[int], str], repeats: int, longest: int) -> None:
    text = make(100_000)
    start = time.process_time()
    collapsed(text, repeats, longest)
    assert time.process_time() - start < 10  # linear: a fraction of a second; else minutes
