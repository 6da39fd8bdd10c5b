"""What is marked in two texts that are compared."""

import pytest

from data_prep.mixing.marks import CUT, Piece, differing, excerpt, sharing, words_in
from data_prep.mixing.words import words_of
from oneday.page import shorten


def shown(found: list[Piece]) -> str:
    return "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in found)


def both(one: str, other: str) -> tuple[str, str]:
    first, second = differing(one, other)
    return shown(first), shown(second)


@pytest.mark.parametrize(
    "text",
    ["", "don't stop_it", "İstanbul ΟΔΟΣ ﷺ", "中国abc กขค", "ที่ naïve e\u0301 Ⅷ ①", "a\u200db | <b> १२३"],
)
def test_words_are_those_by_which_texts_are_compared(text: str) -> None:
    assert [word.text for word in words_in(text)] == words_of([text])[0].to_list()
    assert all(text[word.start : word.end] for word in words_in(text))


@pytest.mark.parametrize(
    ("one", "other", "marked"),
    [
        ("a b c d", "a x c d", ("a [b] c d", "a [x] c d")),
        ("a b c", "a b c d e", ("a b c", "a b c [d e]")),
        ("A, b! c", "a b c", ("A, b! c", "a b c")),
        ("a, b", "c; d", ("[a, b]", "[c; d]")),
        ("", "a", ("", "[a]")),
    ],
)
def test_words_that_differ_are_marked(one: str, other: str, marked: tuple[str, str]) -> None:
    assert both(one, other) == marked


def test_a_cut_at_another_place_is_no_difference() -> None:
    assert both(f"a b c{CUT}x y z", f"a b{CUT}w x y z") == (f"a b c{CUT}x y z", f"a b{CUT}w x y z")
    assert both(f"a B c{CUT}x y z", f"a d{CUT}w x z") == (f"a [B] c{CUT}x [y] z", f"a [d]{CUT}w x z")


def test_pieces_are_the_whole_text() -> None:
    first, second = differing("  One, two; three.\n", "One two — four!")
    assert "".join(piece.text for piece in first) == "  One, two; three.\n"
    assert "".join(piece.text for piece in second) == "One two — four!"


@pytest.mark.parametrize(
    ("text", "shared", "marked"),
    [
        ("Say: The Cat sat, on the mat now", "the cat sat on the mat", "Say: [The Cat sat, on the mat] now"),
        ("the cat sat on a mat", "the cat sat on the mat", "[the cat sat on] a [mat]"),
        (
            "the dog and the mat and " * 2,
            "the cat sat on the mat",
            "[the] dog and [the mat] and the dog and the mat and ",
        ),
        ("which has the most moons", "which has the most known moons", "[which has the most moons]"),
        ("none of it", "the cat", "none of it"),
        ("the " + "x " * 30, "the cat sat on a mat", "the " + "x " * 30),
        ("something", "", "something"),
    ],
)
def test_the_shared_run_is_marked(text: str, shared: str, marked: str) -> None:
    assert shown(sharing(text, shared)) == marked


def test_both_ends_of_a_run_that_was_cut_are_marked() -> None:
    run = " ".join(f"w{n}" for n in range(60))
    text = shorten(f"before {run} after", 120)
    head, tail = shown(sharing(text, run)).split(CUT)
    assert (
        head.startswith("before [w0 ")
        and head.endswith("w19]")
        and tail.startswith("[w")
        and tail.endswith("w59] after")
    )


def test_an_excerpt_keeps_what_is_marked() -> None:
    long = [Piece("a " * 400, False), Piece("marked", True), Piece(" b" * 400, False)]
    found = excerpt(long, 400)
    assert found[1] == Piece("marked", True) and sum(len(piece.text) for piece in found) < 400
    assert excerpt(found, 400) == found


def test_an_excerpt_of_many_or_of_no_marks_stays_short() -> None:
    many = [piece for n in range(200) for piece in (Piece(f" plain {n} ", False), Piece("marked", True))]
    assert sum(len(piece.text) for piece in excerpt(many, 300)) < 320
    assert excerpt(many, 300)[-1].text.endswith("[\N{HORIZONTAL ELLIPSIS}]")
    assert len(excerpt([Piece("c " * 900, False)], 300)[0].text) <= 304
