"""The rules that cut a generation off: what they keep, on tables of answers and on any text."""

# ruff: noqa: RUF001 (marks and letters of other scripts are meant)

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprocess.chain import Step, step
from postprocess.rule import Edit
from postprocess.rules.cuts import cut_at_blank_line, cut_at_stop, first_line, first_sentence, strip

STEPS = [
    step("cut_at_blank_line"),
    step("cut_at_stop", stops=["Q:", "\n\nQ", "aa"]),
    step("strip"),
    step("first_line"),
    step("first_sentence"),
]
ANY = st.text(alphabet=st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=40)
THOROUGH = settings(max_examples=300, deadline=None)
# The characters that the rules look at, and words that they know.
PIECES = st.sampled_from(
    [*" \t\n\r.!?…。！\"')”»aAQ:1é是\u00a0\u2028\ud800", "\n\n", "Dr", "U.S", "is B", "e.g.", "3.5", "No.", "Jan"]
)
TEXTS = ANY | st.lists(PIECES, max_size=25).map("".join)


def kept(text: str, edit: Edit | None) -> str:
    return text if edit is None else edit.apply(text)


@pytest.mark.parametrize("each", STEPS, ids=lambda each: each.name)
@THOROUGH
@given(text=TEXTS)
def test_cut_is_a_part_of_any_text_and_a_second_one_changes_nothing(each: Step, text: str) -> None:
    edit = each.edit(text)
    if edit is not None:
        assert edit.text is None
        assert 0 <= edit.start <= edit.end <= len(text)
        assert text != edit.apply(text)
        assert each.edit(edit.apply(text)) is None


@pytest.mark.parametrize("each", STEPS, ids=lambda each: each.name)
@pytest.mark.parametrize("piece", [" ", "\n", "\n ", "\r", ".", ". ", "A. ", "1. ", ".)", "x.", "。x", "Q", "a "])
def test_a_long_text_does_not_hang_a_rule(each: Step, piece: str) -> None:
    start = time.process_time()
    each.apply(piece * (100_000 // len(piece)) + "x")
    assert time.process_time() - start < 10  # linear: a fraction of a second; else minutes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("B\n\n### Input:\nnext", "B", id="blank line"),
        pytest.param("B\n\nC\n\nD", "B", id="only the first counts"),
        pytest.param("B\n \t\nC", "B", id="line of white space"),
        pytest.param("one\ntwo\n", "one\ntwo\n", id="line breaks alone"),
        pytest.param("B\n\n", "B", id="at the end"),
        pytest.param("\n\nB", "", id="at the start"),
        pytest.param("", "", id="nothing"),
        pytest.param(" B \n\nC", " B ", id="space is left to the next rule"),
        pytest.param("B\n\n\n\nC", "B", id="several blank lines"),
        pytest.param("B\r\n\r\nC", "B", id="Windows line ends"),
        pytest.param("B\r\n \t\r\nC", "B", id="Windows line of white space"),
        pytest.param("B\r\nC\r\n", "B\r\nC\r\n", id="Windows line ends alone"),
        pytest.param("B\r\n\nC", "B", id="Windows line end before another"),
    ],
)
def test_text_is_cut_at_the_first_blank_line(text: str, expected: str) -> None:
    assert kept(text, cut_at_blank_line(text)) == expected


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        pytest.param("bank\nQ: next", ("\nQ:",), "bank", id="stop"),
        pytest.param("Q: bank", ("Q:",), "", id="at the start"),
        pytest.param("bank", ("Q:", "###"), "bank", id="none"),
        pytest.param("bank ### Q: next", ("Q:", "###"), "bank ", id="the first of two"),
        pytest.param("bank\nQ: next", ("Q:", "\nQ:"), "bank", id="the longer of two that end together"),
        pytest.param("bank</s></s>", ("</s>", "</s></s>"), "bank", id="one begins with the other"),
        pytest.param("xabcy", ("abc", "b"), "xa", id="within another"),
        pytest.param("bank q:", ("Q:",), "bank q:", id="capitals count"),
        pytest.param("Ndiyo.\nSwali: Je, ni kweli?", ("\nSwali:",), "Ndiyo.", id="Swahili"),
        pytest.param("是的。问：为什么？", ("问：",), "是的。", id="Chinese"),
        pytest.param("na'am 🛑 daga", ("🛑",), "na'am ", id="emoji"),
    ],
)
def test_text_is_cut_at_the_first_stop(text: str, stops: tuple[str, ...], expected: str) -> None:
    assert kept(text, cut_at_stop(text, stops=stops)) == expected


@pytest.mark.parametrize("stops", [[], [""], ["Q:", ""], "Q:"])
def test_stops_are_a_list_of_texts_none_of_them_empty(stops: object) -> None:
    with pytest.raises(ValueError, match=r"cut_at_stop\(stops: list of text\).*stops(\.\d)?: "):
        step("cut_at_stop", stops=stops)


@THOROUGH
@given(
    text=st.text(alphabet="abc\n", max_size=20),
    stops=st.lists(st.text(alphabet="abc\n", min_size=1, max_size=4), min_size=1, max_size=4),
    overhang=st.integers(0, 20),
    blank_line=st.booleans(),
)
def test_generation_that_ends_at_a_stop_gives_what_a_longer_one_gives(
    text: str, stops: list[str], overhang: int, blank_line: bool
) -> None:
    each = step("cut_at_blank_line") if blank_line else step("cut_at_stop", stops=stops)
    ends = (end for end in range(len(text) + 1) if any(stop in text[:end] for stop in each.stops))
    end = next(ends, len(text))
    assert each.apply(text[: end + overhang]) == each.apply(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(" bank \n", "bank", id="both ends"),
        pytest.param("\u00a0\u3000是\u2003", "是", id="wide and no-break spaces"),
        pytest.param(" \n\t", "", id="white space alone"),
        pytest.param("a  b", "a  b", id="within"),
        pytest.param("\u200bbank", "\u200bbank", id="zero-width space is none"),
    ],
)
def test_white_space_at_both_ends_goes(text: str, expected: str) -> None:
    assert kept(text, strip(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bank\nA bank holds money.", "bank", id="two lines"),
        pytest.param("\n\n bank \nshop", " bank ", id="blank lines before; spaces are left to strip"),
        pytest.param("bank\r\nshop", "bank", id="Windows"),
        pytest.param("bank\rshop", "bank", id="old Mac"),
        pytest.param("\r\nbank", "bank", id="line end before"),
        pytest.param("bank\n", "bank", id="line end behind"),
        pytest.param("\n \n", "\n \n", id="blank"),
        pytest.param("", "", id="nothing"),
        pytest.param("one\u2028two\x0bthree", "one\u2028two\x0bthree", id="rarer separators end no line"),
        pytest.param("Ndiyo 👍🏽\nKwa sababu...", "Ndiyo 👍🏽", id="Swahili with emoji"),
    ],
)
def test_first_line_that_is_not_blank_is_kept(text: str, expected: str) -> None:
    assert kept(text, first_line(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("He left. I stayed.", "He left.", id="two"),
        pytest.param("He left.", "He left.", id="one"),
        pytest.param("He left. ", "He left.", id="space behind the last"),
        pytest.param("He left.\nI stayed.", "He left.", id="line end between"),
        pytest.param("Why?! I know.", "Why?!", id="several marks"),
        pytest.param("Well... Then he left. I stayed.", "Well...", id="three stops before a capital"),
        pytest.param("Well... then he left. I stayed.", "Well... then he left.", id="three stops in a sentence"),
        pytest.param("Well… then he left. I stayed.", "Well… then he left.", id="ellipsis in a sentence"),
        pytest.param("Really? yes.", "Really?", id="question before a small letter"),
        pytest.param('"Really?" she asked. He left.', '"Really?" she asked.', id="speech in a sentence"),
        pytest.param('"I stay." He left.', '"I stay."', id="closing quote"),
        pytest.param("“I stay.” He left.", "“I stay.”", id="curly quote"),
        pytest.param("(He left.) I stayed.", "(He left.)", id="closing bracket"),
        pytest.param("**He left.** I stayed.", "**He left.**", id="bold"),
        pytest.param("« Il part. » Je reste.", "« Il part. »", id="French quotes"),
        pytest.param("Mr. and Mrs. Bello left. I stayed.", "Mr. and Mrs. Bello left.", id="titles"),
        pytest.param("Bw. Juma na Bi. Asha walifika. Kisha...", "Bw. Juma na Bi. Asha walifika.", id="Swahili titles"),
        pytest.param("Alh. Musa ya tafi. Ya dawo.", "Alh. Musa ya tafi.", id="Hausa title"),
        pytest.param("He was held on Jan. 6 in Paris. I left.", "He was held on Jan. 6 in Paris.", id="month and day"),
        pytest.param("I saw Jan. He left.", "I saw Jan.", id="a name as a month's"),
        pytest.param("On Wed. Musa left. I stayed.", "On Wed. Musa left.", id="day"),
        pytest.param("In Aug. Or Sept. 2020 it fell. So?", "In Aug. Or Sept. 2020 it fell.", id="months"),
        pytest.param("It costs approx. 5 pounds. Buy it.", "It costs approx. 5 pounds.", id="approx."),
        pytest.param("She is No. 1 in the world. He is not.", "She is No. 1 in the world.", id="number"),
        pytest.param("No. He left.", "No.", id="no as an answer"),
        pytest.param("See p. 5 and pp. 7-9. I did.", "See p. 5 and pp. 7-9.", id="pages"),
        pytest.param("Dkt. Magufuli alifika. Kisha...", "Dkt. Magufuli alifika.", id="Swahili doctor"),
        pytest.param("Mh. Rais na Ndg. Juma walifika. Sawa.", "Mh. Rais na Ndg. Juma walifika.", id="more Swahili"),
        pytest.param("Mal. Sani ya tafi. Ya dawo.", "Mal. Sani ya tafi.", id="another Hausa title"),
        pytest.param("John F. Kennedy won. He left.", "John F. Kennedy won.", id="initial"),
        pytest.param("J. K. Rowling wrote it. I read it.", "J. K. Rowling wrote it.", id="initials"),
        pytest.param("The U.S. Senate sat. It voted.", "The U.S. Senate sat.", id="dotted letters"),
        pytest.param("Fruit, e.g. Kiwis, helps. Eat it.", "Fruit, e.g. Kiwis, helps.", id="e.g."),
        pytest.param("Matunda n.k. Hula kila siku. Sawa.", "Matunda n.k. Hula kila siku.", id="n.k."),
        pytest.param("It is 5 a.m. now. He left.", "It is 5 a.m. now.", id="a.m."),
        pytest.param("It rose 3.5 percent. Then it fell.", "It rose 3.5 percent.", id="decimal point"),
        pytest.param("See example.com for it. Go.", "See example.com for it.", id="domain"),
        pytest.param("It was in 1999. Then he left.", "It was in 1999.", id="year at the end"),
        pytest.param("1. Open the door. 2. Go in.", "1. Open the door.", id="number of a list's item"),
        pytest.param("Steps:\n1. Open the door. Go in.", "Steps:\n1. Open the door.", id="number on a later line"),
        pytest.param("B. A bank is safe. A shop is not.", "B. A bank is safe.", id="option with its words"),
        pytest.param("The answer is B. A bank is safe.", "The answer is B.", id="option's letter"),
        pytest.param("Jibu ni B. Benki ni salama.", "Jibu ni B.", id="option's letter in Swahili"),
        pytest.param("Answer: B. A bank is safe.", "Answer: B.", id="option's letter behind a colon"),
        pytest.param("他走了。我也走了。", "他走了。", id="Chinese"),
        pytest.param("他说：“走吧！”我也走了。", "他说：“走吧！”", id="Chinese quotes"),
        pytest.param("本当？はい。", "本当？", id="Japanese"),
        pytest.param("वह गया। मैं भी।", "वह गया।", id="Hindi"),
        pytest.param("እሱ ሄደ። እኔም።", "እሱ ሄደ።", id="Amharic"),
        pytest.param("Na gode! 🙏 Sai anjima.", "Na gode!", id="Hausa with emoji"),
        pytest.param("... and so on. Then", "... and so on.", id="marks before the first word end nothing"),
        pytest.param("?!", "?!", id="marks alone"),
        pytest.param("no end\nof a sentence", "no end\nof a sentence", id="no end"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_first_sentence_is_kept(text: str, expected: str) -> None:
    assert kept(text, first_sentence(text)) == expected
