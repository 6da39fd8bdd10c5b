"""What Birbal's rule, the safe one and the option letter keep of an answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprocess.chain import Step, step

NAMES = ("birbal_option", "stated_answer", "first_option_letter")
STEPS = [step(name) for name in NAMES] + [step(name, last="Z") for name in NAMES[1:]]
PIECES = ["A", "B", "I", "option ", "Option", "the answer is", "The final answer is", "answer:", "correct option is"]
PIECES += [
    "(",
    ")",
    "[",
    "]",
    ".",
    ":",
    ",",
    "*",
    '"',
    " ",
    "\n",
    "and",
    "or",
    "bank",
    "U.S.",
    "\u0130",
    "\ud800",
    "\0",
]
ANY = st.text(alphabet=st.characters(exclude_categories=())) | st.lists(st.sampled_from(PIECES)).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is B", "B"),
        ("The answer is Bank", "B"),
        ("The answer is: B", ":"),
        ("The answer is (B)", "("),
        ("The answer isn't B", "n"),
        ("  THE ANSWER IS\n\n7 apples\n", "7"),
        ("the answer is", ""),
        ("the answer is \n", ""),
        ("the answer i", "the answer i"),
        ("So the answer is B", "So the answer is B"),
        (" B ", " B "),
        ("the answer \u0130s B", "the answer \u0130s B"),
        ("", ""),
    ],
)
def test_birbal_keeps_one_character_behind_his_words(text: str, expected: str) -> None:
    assert step("birbal_option").apply(text) == expected


@given(ANY)
def test_birbal_rule_is_that_of_his_server(text: str) -> None:
    after = text
    if text.lower().strip().startswith("the answer is"):
        after = text.strip().removeprefix(text.strip()[:13]).strip()[0:1]
    assert step("birbal_option").apply(text) == after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the answer is (B)", "B"),
        ("The answer is B.", "B"),
        ("The answer is C. volcanic", "C"),
        ("The answer is E. C", "E"),
        ("The correct answer is C.", "C"),
        ("The correct option is: C", "C"),
        ("Answer: B) bank", "B"),
        ("ANSWER: B: bank", "B"),
        ("Answer:\n\nB", "B"),
        ("**Answer:** B", "B"),
        ("**Answer**: B", "B"),
        ("**Answer: B**", "B"),
        ("The answer is **B**", "B"),
        ("The answer is **B** bank", "B"),
        ("The answer is **B. bank**", "B"),
        ("The answer is B, because it is wet", "B"),
        ("The answer is option B because it is wet", "B"),
        ("First A seems right. Answer: A\nNo. Final answer: B\n", "B"),
        ("The answer is the answer is B", "B"),
        ("The answer is B. The answer is", "B"),
        ("The answer is Bank.", "Bank"),
        ("The answer is **Bank**.", "Bank"),
        ("The answer is 3.5", "3.5"),
        ("The answer is $260.00.", "$260.00"),
        ("No, the answer is no", "no"),
        ("The answer is: Sky UK Limited\n\n", "Sky UK Limited"),
        ("The answer is San Diego .", "San Diego"),
        ("The answer is a date.\nIt is", "a date"),
        ("The answer is in the U.S.", "in the U.S."),
        ("The answer is wait...", "wait..."),
        ("the answer is A dog", "A dog"),
        ("The answer is A's", "A's"),
        ("The answer is option trading", "option trading"),
        ("The answer is E. B. White", "E. B. White"),
        ("The answer is F. bank", "F. bank"),
        ("The answer is A, B and C.", "A, B and C"),
        ("The answer is (A) and (B)", "(A) and (B)"),
        ("The answer is A or B", "A or B"),
        ("The answer is 5. Answer:", "5"),
    ],
)
def test_what_is_stated_last_is_kept(text: str, expected: str) -> None:
    assert step("stated_answer").apply(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "B", "Bank", "the answer isn't B", "I know the answer", "Answers: B", "the answer is", "The answer is **.",
     "Answer: Answer:", "the answer\nis B"],
)  # fmt: skip
def test_text_that_states_nothing_stays(text: str) -> None:
    assert step("stated_answer").edit(text) is None


@pytest.mark.parametrize(
    "text",
    ["B", "B.", "B)", "B:", "B. bank", "B, bank", "(B) bank", "[B]", '"B"', "B: bank", "Option B", "option B is right",
     "Answer: B", "answer B", "Answer: (B)", "Answer:\nB", "**Answer:** B", " B\nmore", "B\n\n", "**B**", "**B.** bank",
     "**B** bank", "**(B)** bank", "B.\nC.", "I think (B) bank", "Between them, (B). So (B)",
     "B. I think", "B. A bank"],
)  # fmt: skip
def test_an_option_letter_is_kept_alone(text: str) -> None:
    assert step("first_option_letter").apply(text) == "B"


@pytest.mark.parametrize(
    "text",
    ["", "A bank is", "I think", "Because", "B2", "U.S.", "B.C.", "B.bank", "B's", "'A's", "(c)", "b", "F.", "B!",
     "B (bank)", "A dog, a cat", "Answer: A dog", "The answer is B", "Options B", "P(A) = 1", "(A)s",
     "A, B and C", "A and B", "A/B", "A. B. C.", "A) or B)", "(A) and (B)", "(A)(B)", "Both (A) and (B)",
     "Option A or B", "\u0412. bank"],
)  # fmt: skip
def test_a_text_that_names_no_option_or_several_stays(text: str) -> None:
    assert step("first_option_letter").edit(text) is None


def test_last_says_which_letters_are_options() -> None:
    assert step("first_option_letter", last="J").apply("J. bank") == "J"
    assert step("first_option_letter", last="C").apply("D. bank") == "D. bank"
    assert step("stated_answer", last="J").apply("The answer is J. bank") == "J"


@pytest.mark.parametrize("last", ["A", "b", "EF", "", "B\n", 5])
@pytest.mark.parametrize("name", NAMES[1:])
def test_last_is_one_capital_letter(name: str, last: object) -> None:
    with pytest.raises(ValueError, match=r"last: .*given: "):
        step(name, last=last)


@pytest.mark.parametrize("each", STEPS, ids=str)
@given(text=ANY)
def test_any_text_is_cut_once_or_stays(each: Step, text: str) -> None:
    edit = each.edit(text)
    once = text if edit is None else edit.apply(text)
    assert edit is None or (edit.text is None and 0 <= edit.start <= edit.end <= len(text) and once != text)
    assert each.edit(once) is None


@pytest.mark.parametrize("each", STEPS, ids=str)
@pytest.mark.parametrize("piece", [*PIECES[:9], " ", "*", "(", "(A)", "[A] ", "A, ", "A. ", "answer: B ", "\n"])
def test_a_long_text_does_not_hang_a_rule(each: Step, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    for whole in (text, f"the answer is{text}x", f"B{text}x"):
        each.edit(whole)
    assert time.process_time() - started < 10  # linear: a fraction of a second; else minutes
