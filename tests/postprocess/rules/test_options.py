"""What Birbal's rule, the safe one and the option letter keep of an answer."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprocess.chain import Step, apply_rules, step

NAMES = ("birbal_option", "stated_answer", "first_option_letter")
STEPS = [step(name) for name in NAMES] + [step(name, last="Z") for name in NAMES[1:]]
STEPS += [step("stated_answer", letters=False)]
PIECES = ["A", "B", "I", "option ", "Option", "the answer is", "The final answer is", "answer:", "correct option is"]
PIECES += ["(", ")", "[", "]", ".", ":", ",", "*", '"', " ", "\n", "and", "or", "bank", "U.S.", "\u0130", "\ud800"]
PIECES += ["\0", "**", "...", ". ", "So ", "so the answer is ", "# Answer", "### ", "Question", "Q:", "`",
           "$", "\\boxed{", "}", " because", " is not", " - ", "_", ";"]  # fmt: skip
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
        ("Yes. So, the answer is no", "no"),
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
        ("The answer is 5.\nAnswer:", "5"),
    ],
)
def test_what_is_stated_last_is_kept(text: str, expected: str) -> None:
    assert step("stated_answer").apply(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "B", "Bank", "the answer isn't B", "I know the answer", "Answers: B", "the answer is", "The answer is **.",
     "Answer: Answer:", "the answer\nis B", "The answer is...", "The answer is 5. Answer:"],
)  # fmt: skip
def test_text_that_states_nothing_stays(text: str) -> None:
    assert step("stated_answer").edit(text) is None


@pytest.mark.parametrize(
    "text",
    ["The minister said the answer is more police on the streets, but critics disagree.",
     "I cannot answer: it is not in the text.", "To answer: first boil water, then add rice.",
     'He said: "The answer is simple: vote." Voters agreed', "No, the answer is no",
     "Paris\nQuestion: Spain?\nAnswer: Madrid", "Paris\n### Spain\nThe answer is Madrid",
     "Paris\nQ: Spain?\nAnswer: Madrid", "Paris\nInput: Spain\nAnswer: Madrid"],
)  # fmt: skip
def test_words_of_prose_and_of_a_next_example_are_no_answer(text: str) -> None:
    assert step("stated_answer").edit(text) is step("stated_answer", letters=False).edit(text) is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B. bank. Explanation: the correct answer is the bank because", "B"),
        ("C\nExplanation: The answer is clear from the text", "C"),
        ("(B) bank\nThe answer is not A because it is a shop", "B"),
        ("answer: B\nreason: the answer is in passage.", "B"),
        ("The answer is (A) bank. So the answer is about money.", "A"),
        ("A\nQuestion: next?\nAnswer: C", "A"),
        ("It is wet\nAnswer: A\n### Question\nAnswer: C", "A"),
        ("(A) is wrong.\nThe answer is B", "B"),
    ],
)
def test_a_letter_counts_before_words_and_before_a_next_example(text: str, letter: str) -> None:
    assert apply_rules(text, [step("stated_answer"), step("first_option_letter")]) == letter


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The answer is E. coli", "E. coli"),
        ("The answer is *E. coli*.", "E. coli"),
        ("The answer is A. Lincoln", "A. Lincoln"),
        ("B\nThe answer is B", "B"),
        ("So the answer is Paris.", "Paris"),
        ("It is big. Therefore, the correct answer is Paris.", "Paris"),
        ("### Answer\nParis", "Paris"),
        ("## **Final answer**\n\nParis", "Paris"),
        ("Question: France?\nAnswer: Paris\nQuestion: Spain?\nAnswer: Madrid", "Paris"),
        ("The answer is **Paris**, the capital", "**Paris**, the capital"),
        ("**Answer: Paris**, the capital", "Paris"),
        ("The answer is **a** and **b**.", "**a** and **b**"),
        ("The answer is **Paris.**", "Paris"),
        ("The answer is 2**10", "2**10"),
        ("The answer is...\nParis", "Paris"),
    ],
)
def test_without_letters_only_words_are_kept_and_no_mark_dangles(text: str, words: str) -> None:
    assert step("stated_answer", letters=False).apply(text) == words


@pytest.mark.parametrize(
    "text",
    ["The best answer is B.", "The right answer is B.", "Correct option: B", "Answer : B", "### Answer\nB",
     "The Answer is, B", "The answer is B because it is wet", r"The final answer is $\boxed{B}$.",
     "The answer is...\nB",
     "So it is. The answer is... B", "**Correct answer:** B", "The answer is `B`", "The answer is B - bank"],
)  # fmt: skip
def test_a_letter_is_stated_in_many_forms(text: str) -> None:
    assert step("stated_answer").apply(text) == "B"


@pytest.mark.parametrize(
    "text",
    ["B", "B.", "B)", "B:", "B. bank", "B, bank", "(B) bank", "[B]", '"B"', "B: bank", "Option B", "option B is right",
     "Answer: B", "answer B", "Answer: (B)", "Answer:\nB", "**Answer:** B", " B\nmore", "B\n\n", "**B**", "**B.** bank",
     "**B** bank", "**(B)** bank", "B.\nC.", "I think (B) bank", "Between them, (B). So (B)",
     "B. I think", "B. A bank", "B because it is wet", "B is correct", "B is the right one", "B - bank",
     "B \u2013 bank", "B; bank", "`B`", r"$\boxed{B}$", r"\(\boxed{\text{B}}\)", "B)bank", "I choose (B)",
     "It is wet: (B)", "The answer is (B), not (B)"],
)  # fmt: skip
def test_an_option_letter_is_kept_alone(text: str) -> None:
    assert step("first_option_letter").apply(text) == "B"


@pytest.mark.parametrize(
    "text",
    ["", "A bank is", "I think", "Because", "B2", "U.S.", "B.C.", "B.bank", "B's", "'A's", "(c)", "b", "F.", "B!",
     "B (bank)", "A dog, a cat", "Answer: A dog", "The answer is B", "Options B", "P(A) = 1", "(A)s",
     "A, B and C", "A and B", "A/B", "A. B. C.", "A) or B)", "(A) and (B)", "(A)(B)", "Both (A) and (B)",
     "Option A or B", "\u0412. bank", "Vitamin (C)", "Sen. Smith (D) won", "f (A)", "(A) is wrong", "A isn't it",
     "(A) is wrong; (B) is right", "A because", "I because", "A - C", "A; B", "I think (B) is wrong",
     "I say (A) or [B]"],
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
