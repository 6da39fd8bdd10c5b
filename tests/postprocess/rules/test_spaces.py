"""The rule for white space and Unicode: what comes to a space, what goes, what stays."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import sys
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.chain import Step, step
from postprocess.rules.spaces import fix_spaces

STEPS = [step("fix_spaces", form=form, newlines=newlines) for form in ("NFC", "NFKC") for newlines in ("keep", "space")]


def fixed(text: str) -> str:
    edit = fix_spaces(text)
    return text if edit is None else edit.apply(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a  b   c", "a b c", id="runs of spaces"),
        pytest.param(" a \n", "a", id="around the text"),
        pytest.param("a \n b", "a\n b", id="space at a line end"),
        pytest.param("a\n\nb", "a\n\nb", id="blank line stays"),
        pytest.param("a\r\nb\rc", "a\nb\nc", id="line ends of Windows and old Macs"),
        pytest.param("a\u2028b\u2029c\x85d", "a\nb\nc\nd", id="rarer line ends"),
        pytest.param("a\tb\x0bc\x1cd", "a b c d", id="control characters that are white space"),
        pytest.param("10\u202f000\u00a0TZS", "10 000 TZS", id="no-break spaces"),
        pytest.param("是\u3000不是", "是 不是", id="ideographic space"),
        pytest.param("a\x00b\x07c\x7fd", "abcd", id="control characters"),
        pytest.param("\ufeffnd\u200biyo\u00ad", "ndiyo", id="byte order mark, zero-width space, soft hyphen"),
        pytest.param("caf\ufffd", "caf", id="bytes that make no character"),
        pytest.param("caf\ud83d", "caf", id="half a character"),
        pytest.param("cafe\u0301", "café", id="composed"),
        pytest.param("e\u200b\u0301", "é", id="composed once nothing stands between"),
        pytest.param("ɗan'uwa da ƙanwa, ʼyan mata", "ɗan'uwa da ƙanwa, ʼyan mata", id="Hausa letters"),
        pytest.param("Ninakupenda 👩🏽\u200d❤️\u200d👨🏿", "Ninakupenda 👩🏽\u200d❤️\u200d👨🏿", id="joined emoji"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="non-joiner"),
        pytest.param("\u200fשלום\u200e (a)", "\u200fשלום\u200e (a)", id="direction marks"),
        pytest.param("ＡＢＣ①", "ＡＢＣ①", id="compatibility characters in form NFC"),
        pytest.param("\u00a0\n\ufeff", "", id="nothing is left"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_white_space_and_characters_are_put_right(text: str, expected: str) -> None:
    assert fixed(text) == expected


def test_compatibility_form_is_a_parameter() -> None:
    assert step("fix_spaces", form="NFKC").apply("ＡＢＣ①…") == "ABC1..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5½ kg", "5 1⁄2 kg"), ("5\u200b½", "5 1⁄2"), ("½", "1⁄2"), ("5 ½", "5 1⁄2"), ("５¾5", "5 3⁄4 5"), ("⅟3", "1⁄3")],
)
def test_a_fraction_in_one_character_does_not_run_into_a_number(text: str, expected: str) -> None:
    assert step("fix_spaces", form="NFKC").apply(text) == expected
    assert step("fix_spaces").apply("5½") == "5½"


def test_newlines_can_come_to_spaces() -> None:
    assert step("fix_spaces", newlines="space").apply("a\n\nb\r\n c") == "a b c"


def test_form_that_takes_characters_apart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fix_spaces\(form: NFC or NFKC = .*form: .*'NFC' or 'NFKC'"):
        step("fix_spaces", form="NFD")


def test_only_what_cannot_be_cut_out_is_rewritten() -> None:
    assert fix_spaces("\ufeff bank\r\n") == (2, 6, None)
    assert fix_spaces(" a  b\n") == (1, 5, "a b")


THOROUGH = settings(max_examples=300, deadline=None)
ANY = st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=40)
AIMED = st.text(
    alphabet="ae \n\r\t\x00\x1c\x85\u00a0\u00a8\u00ad\u00b4\u0300\u0301\u0323\u200b\u200d\u2000\u2028\u3000\u1100\u1161"
    "5½⅟²\u11a8\uac00\ufdfa\ufe70\ufeff\ufffd\ud800\udc00\u0344\u0958\u212b\ufb2c\U0001d15e",
    max_size=12,
)


@pytest.mark.parametrize("each", STEPS, ids=str)
@THOROUGH
@given(text=ANY | AIMED)
def test_any_text_is_put_right_at_once(each: Step, text: str) -> None:
    edit = each.edit(text)
    if edit is not None:
        after = edit.apply(text)
        assert 0 <= edit.start <= edit.end <= len(text)
        assert after != text
        assert edit.text is None or edit.text not in text
        assert each.edit(after) is None


@pytest.mark.parametrize("each", STEPS, ids=str)
def test_no_character_is_missed(each: Step) -> None:
    form = each.parameters.model_dump()["form"]
    for code in range(0x20000):
        after = each.apply(f"a{chr(code)}b")
        assert after.encode()  # no half characters
        assert unicodedata.is_normalized(form, after)
        spaces = {character for character in after if character.isspace()}
        assert spaces <= {" ", "\n"}, hex(code)
        assert "\n" not in after or each.parameters.model_dump()["newlines"] == "keep"
        assert not any(unicodedata.category(character) == "Cc" for character in after if character != "\n"), hex(code)


def test_every_letter_and_mark_of_a_script_stays() -> None:
    kept = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code))[0] in "LMN" and unicodedata.is_normalized("NFC", f"a{chr(code)}b")
    ]
    assert len(kept) > 100_000
    text = " ".join(kept)
    assert fixed(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "piece",
    [" ", "\n", " \n", "\r", "\u200b", "\u0323\u0301", "\u0301\u200b\u0323", "a  ", "\ufdfa", "\u00a8", "\ud800"],
)
def test_a_long_text_does_not_hang_a_rule(piece: str) -> None:
    text = "a" + piece * (100_000 // len(piece)) + "b"
    start = time.process_time()
    for each in STEPS:
        each.apply(text)
    assert time.process_time() - start < 10  # linear: a fraction of a second; else minutes


MARKS = st.text(
    alphabet="a \u0301\u0323\u0327\u0344\u0f71\u0f73\u05c1\ufb2c\u200b\U0001d15e", min_size=20, max_size=120
)


@pytest.mark.parametrize("each", STEPS, ids=str)
@given(text=MARKS)
@settings(deadline=None, max_examples=200)
def test_marks_beyond_thirty_on_a_letter_are_put_right_at_once(each: Step, text: str) -> None:
    assert each.edit(each.apply(text)) is None


def test_a_letter_keeps_thirty_marks() -> None:
    assert fixed("q" + "\u0323\u0301" * 40) == "q" + "\u0323" * 15 + "\u0301" * 15
