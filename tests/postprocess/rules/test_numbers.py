"""Which number of a worked answer is the final one, and how it is written."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprocess.chain import Step, step
from postprocess.rule import Edit

GSM8K = Path(__file__).parents[3] / "../shared/data/gsm8k"
NUMBER, ANYWHERE = step("final_number"), step("final_number", anywhere=True)
PIECES = ["0", "7", "12", ",345", ".", ",", "/", "-", "\u2212", "+", "$", "\\$", "€", "%", "\\%", " ", "\n", "####",
          "^", "\\boxed{", "\\text{", "\\frac{", "{", "}", "{,}", "\\,", "\\", "the answer is", "answer: ", "x", "e5",
          "\u0663", "\u00b2", "\ud800", "\0", "*", "(", ")", ":", "\u00a0", "\\!,", "\\boxed ", "\\frac12", "x=",
          " million", " and ", "!", "\u2013", "\nQuestion"]  # fmt: skip
ANY = st.text(alphabet=st.characters(exclude_categories=())) | st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", "18"),
        ("He pays 5 + 6 = <<5+6=11>>11.\n#### 11", "11"),
        ("#### 24\n#### 24", "24"),
        ("#### 5\nThat is 6.", "5"),
        ("#### 5\nThe answer is 6.", "5"),
        ("####1,234", "1234"),
        ("#### $1,234.50", "1234.5"),
        ("#### **70,000**", "70000"),
        ("#### 18 dollars", "18"),
        ("The answer is 18 because 6 * 3 = 18", "18"),
        ("The answer is 5!", "5"),
        ("The answer is 18 dollars and some cents", "18"),
        ("The answer is 5.\nQuestion: more?\nAnswer: 6", "5"),
        ("#### 5 apples, 3 pears", "5"),
        ("#### 3 + 4 = 7\n#### 7", "7"),
        ("#### -5", "-5"),
        ("#### \u22125", "-5"),
        ("The answer is 2.\n\n", "2"),
        ("the answer is: 18", "18"),
        ("The answer is $260.00.", "260"),
        ("The answer is 1,234.", "1234"),
        ("The answer is 18. 5 more are left.", "18"),
        ("The final answer is **18** dollars", "18"),
        (r"The answer is \(18\).", "18"),
        (r"The answer is 18\%.", "18"),
        ("Answer: 42", "42"),
        ("The answer is 5. So the answer is 6", "6"),
        ("The answer is 5. The answer is that.", "5"),
    ],
)
def test_a_stated_number_is_kept(text: str, number: str) -> None:
    assert NUMBER.apply(text) == ANYWHERE.apply(text) == number


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ("5", "5"),
        (" 5 ", "5"),
        ("-5", "-5"),
        (r"\text{18}", "18"),
        (r"\text{18 apples}", "18"),
        (r"18\text{ cm}", "18"),
        (r"18 \mathrm{~cm}", "18"),
        ("18 apples", "18"),
        (r"\frac{3}{4}", "3/4"),
        (r"-\dfrac{3}{4}", "-3/4"),
        (r"\frac34", "3/4"),
        ("3/4", "3/4"),
        (r"\$1{,}234.50", "1234.5"),
        ("$18$", "18"),
        (r"1\,234", "1234"),
        (r"1\!,\!234", "1234"),
        (r"50\%", "50"),
        (r"90^\circ", "90"),
        (r"90^{\circ}", "90"),
        (r"\boxed{7}", "7"),
        (r"\frac{-1}{2}", "-1/2"),
        ("x=5", "5"),
        (r"$x = \frac{1}{2}$", "1/2"),
        (r"1\,234\,567", "1234567"),
    ],
)
def test_a_number_that_fills_a_box_is_kept(content: str, number: str) -> None:
    text = rf"First \boxed{{1}}, 2 then $x = \boxed{{{content}}}$. So 3."
    assert NUMBER.apply(text) == ANYWHERE.apply(text) == number


@pytest.mark.parametrize(
    "content",
    ["x^2", r"2\sqrt{3}", r"2\pi", "(1, 2)", r"\frac{a}{2}", "B", "1,2,3", "",
     r"1\frac{4}{5}", r"3\dfrac{1}{2}", r"-2\frac{1}{3}", r"6\,\frac12", r"5\text{ or }6", r"3\text{ R }1",
     r"9\text{:}30", r"3\;4", r"1\ 2", r"30^\circ15", r"10\text{2}", r"3\mathrm{e}5", r"1 \frac{4}{5}", r"\frac345",
     r"\frac{3}{4}5", r"\frac{3}{4}\,500", r"1\,23", r"1234\,567", r"0.123\,456", "5 million", r"5\text{ million}",
     "2 pi", "y=x=5", "5 or 6"],
)  # fmt: skip
def test_a_box_with_a_formula_leaves_the_text_as_it_is(content: str) -> None:
    text = rf"So 7 gives \boxed{{{content}}}."
    assert NUMBER.edit(text) is ANYWHERE.edit(text) is None


def test_a_box_that_is_not_closed_does_not_count() -> None:
    assert NUMBER.apply(r"\boxed{7} or \boxed{8") == "7"
    assert NUMBER.apply(r"\boxed{8") == r"\boxed{8"
    assert ANYWHERE.apply(r"\boxed{8") == "8"
    assert NUMBER.apply(r"\{ \boxed{\text{7}} }") == "7"


@pytest.mark.parametrize("text", [r"So $\boxed 5$.", r"\boxed{3} or \boxed 5", r"\boxed5"])
def test_a_box_without_braces_counts(text: str) -> None:
    assert NUMBER.apply(text) == "5"
    assert NUMBER.edit(r"\boxed 5x") is NUMBER.edit(r"\boxed x") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", "18"),
        (" 18.\n", "18"),
        ("18.0", "18"),
        ("1234.50", "1234.5"),
        ("1234.00", "1234"),
        (".5", "0.5"),
        ("-.50", "-0.5"),
        ("007", "7"),
        ("000", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0.10", "0.1"),
        ("100", "100"),
        ("+5", "5"),
        ("\u22125", "-5"),
        ("$5", "5"),
        ("$ 5", "5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("$5$", "5"),
        ("\u20a65,000", "5000"),
        ("50%", "50"),
        ("1,234,567.10", "1234567.1"),
        ("03/04", "3/4"),
        ("-0/5", "0/5"),
        ("1234567890" * 30, "1234567890" * 30),
        ("0" * 9000 + "1" * 9000, "1" * 9000),
    ],
)
def test_a_number_alone_gets_its_form(text: str, number: str) -> None:
    assert NUMBER.apply(text) == ANYWHERE.apply(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "twelve", "B", "12 spoons", "1,2,3", "1,23", "1234,567", "1e5", "1.5E-3", "18km", "3rd", "5-3", "- 5", "--5",
     "3.5.2", "1/2/2023", "1 1/2", "2^10", "10:30", "\u0663", "\u00b2", "The answer is 5x", "The answer is 18km",
     "The answer is 3 + 4 = 7", "The answer is 1, 2 and 3", "The answer is 10:30", "The answer is 1 1/2",
     "The answer is 2^{10}", r"The answer is 2\pi", r"The answer is 2 \times 3", "The answer is 1,23",
     "The answer is 5 million.", "The answer is **5** million", "The answer is 5 + x", "The answer is 5 times 3",
     "The answer is 5! = 120", "#### 10**2", "The answer is 12 and 14", "The answer is 5 or 6",
     "The answer is 5\u20136", "The answer is 3 hours 20 minutes", "The answer is 3 hours and 20 minutes",
     "The answer is 5\u00a0000", "The answer is **5** + **6**", "The answer is **5**, **6**",
     "The answer is **12** and **14**", "The answer is 5\u202f000", "The answer is 5 000",
     r"The answer is 5\text{ million}", "#### 2 dozen",
     "6 or so\nQuestion: more?\nAnswer: 5",
     "The answer is a 5", "#### 86 x 36 = 2720\n#### 2720 / 3", "##### none 5"],
)  # fmt: skip
def test_without_a_stated_number_the_text_stays(text: str) -> None:
    assert NUMBER.edit(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12 spoons", "12"),
        ("Each group is 10 x 75 = 75 x 2 = 140.\n", "140"),
        ("She gave $260.00 to the last set of families", "260"),
        ("Bianca had 45 + 20 = 65 coloring books.", "65"),
        ("So it is = -3.", "-3"),
        ("So it costs -$1,250.", "-1250"),
        ("5-3", "3"),
        ("(5)-3", "3"),
        ("1,2,3", "3"),
        ("1.5,2.5,10.5", "10.5"),
        ("Total:5", "5"),
        ("7, then 10:30", "7"),
        ("about...18", "18"),
        ("one day.18 more", "18"),
        ("a share of .5", "0.5"),
        ("x=3,y=4", "4"),
        ("it is ...18", "18"),
        ("3/4 of 12/16", "12/16"),
        ("7 H2O A1", "7"),
        ("18 m^2", "18"),
        ("18 and 3rd", "18"),
        ("18, 1e5", "18"),
        ("The answer is 3 + 4 = 7", "7"),
    ],
)
def test_anywhere_takes_the_last_number(text: str, number: str) -> None:
    assert ANYWHERE.apply(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "x2",
        "2^10",
        "1e5",
        "3.5.2",
        "1/2/2023",
        "\u0663",
        ". , /",
        "5,00",
        "1 1/2 cups",
        "10:30",
        "1,00,500",
        "1,234,5678",
        "5\u00a0000",
        "5\u202f000",
        "5 million",
        "10:30:15",
    ],
)
def test_anywhere_without_a_number_leaves_the_text(text: str) -> None:
    assert ANYWHERE.edit(text) is None


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("#### 18", Edit(5, 7)),
        ("The answer is $18.00.", Edit(15, 17)),
        ("The answer is 1,234.", Edit(14, 19, "1234")),
        (r"\boxed{\frac{3}{4}}", Edit(7, 18, "3/4")),
        ("It is -$5", Edit(6, 9, "-5")),
    ],
)
def test_the_edit_spans_the_characters_of_the_number(text: str, edit: Edit) -> None:
    assert ANYWHERE.edit(text) == edit


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs the real rows of gsm8k")
@pytest.mark.parametrize("file", ["train", "test"])
@pytest.mark.parametrize("form", ["{answer}", "The answer is {number}.", r"So it is \boxed{{\${number}}}."])
def test_final_number_of_every_gsm8k_answer_is_its_reference(file: str, form: str) -> None:
    lines = (GSM8K / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line)["answer"] for line in lines]
    assert len(answers) >= 200
    wrong = []
    for answer in answers:
        number = answer.rpartition("#### ")[2]
        if NUMBER.apply(form.format(answer=answer, number=number)) != number.replace(",", ""):
            wrong.append(answer)
    assert wrong == []


def test_anywhere_is_true_or_false() -> None:
    with pytest.raises(ValueError, match=r"anywhere: .*given: 'often'"):
        step("final_number", anywhere="often")


@pytest.mark.parametrize("each", [NUMBER, ANYWHERE], ids=str)
@given(text=ANY)
def test_any_text_gets_a_number_once_or_stays(each: Step, text: str) -> None:
    edit = each.edit(text)
    once = text if edit is None else edit.apply(text)
    assert edit is None or (0 <= edit.start < edit.end <= len(text) and once != text)
    assert each.edit(once) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.sampled_from(["{}", "#### {}", "So ${}."]))
def test_a_decimal_keeps_its_value_and_gets_one_form(value: object, form: str) -> None:
    plain, grouped = f"{value:f}", f"{value:,f}"
    number = ANYWHERE.apply(form.format(plain))
    assert number == ANYWHERE.apply(form.format(grouped))
    assert float(number) == float(plain)
    assert number == "0" or not number.startswith(("00", "-0.000", "+"))


@pytest.mark.parametrize("each", [NUMBER, ANYWHERE], ids=str)
@pytest.mark.parametrize(
    "piece", ["1", "0", "1,", ",234", "1,234", "1.", ".", "1a", "1 ", "1/", "$1", "\\$", "####", "#### ", "####1,", "{",
              "-", "\\boxed{", "\\boxed{1}", "\\text{", "\\frac{1}{", "\\", "the answer is ", "answer: 1x ", " ", "^{"]
)  # fmt: skip
def test_a_long_text_does_not_hang_a_rule(each: Step, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    for whole in (text, f"#### {text}x1", f"\\boxed{{{text}}}", f"the answer is 1{text}x"):
        each.edit(whole)
    assert time.process_time() - started < 10  # linear: a fraction of a second; else minutes
