"""Which texts become a label: by similarity, and by spelling."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneday.buzuzu_mavi import ENTAILMENT, LANGUAGES, POLARITIES, SENTIMENT
from postprocess.chain import Step, step
from postprocess.rule import Edit

FILM = step("nearest_label", labels=["positive", "negative"])
KINDS = [
    step("label_spelling", language=language, labels=kind)
    for language in LANGUAGES
    for kind in ("sentiment", "entailment")
]
STEPS = [FILM, step("nearest_label", labels=["A", "B", "a b"], threshold=0), *KINDS]
WORDS = [*SENTIMENT["hausa"], *SENTIMENT["swahili"], *ENTAILMENT, *POLARITIES, "A", "b"]
PIECES = [
    *WORDS,
    "tsaka",
    "tsaki",
    "k",
    "ƙ",
    "ɓ",
    "-",
    " ",
    "*",
    ".",
    "\n",
    "\u0301",
    "\uff2b",
    "\ud800",
    "\0",
    "\u1e9e",
]
ANY = st.text(alphabet=st.characters(exclude_categories=())) | st.lists(st.sampled_from(PIECES), max_size=8).map(
    "".join
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "positive"),
        ("Positive", "positive"),
        ("**NEGATIVE**.\n", "negative"),
        ("\u201cpositive\u201d", "positive"),
        ("positve", "positive"),
        ("possitive!", "positive"),
        ("postive", "positive"),
        ("negatve", "negative"),
        ("positively", "positively"),
        ("\uff50ositive", "positive"),
        ("", ""),
        ("...", "..."),
        ("neutral", "neutral"),
        ("A good film", "A good film"),
        ("The film review is positive.", "The film review is positive."),
        ("not positive", "not positive"),
        ("not-positive", "not-positive"),
        ("unpositive", "unpositive"),
        ("unpositve", "unpositve"),
        ("native", "native"),
        ("positive, as I said of the other film", "positive, as I said of the other film"),
    ],
)
def test_a_text_becomes_the_nearest_label_if_it_is_near(text: str, label: str) -> None:
    assert FILM.apply(text) == label


def test_threshold_says_how_near_a_text_must_be() -> None:
    assert step("nearest_label", labels=["True", "False"], threshold=100).apply("true.") == "True"
    assert step("nearest_label", labels=["True", "False"], threshold=100).apply("Truee") == "Truee"
    assert step("nearest_label", labels=["True", "False"], threshold=75).apply("Truee") == "True"
    assert step("nearest_label", labels=["True", "False"], threshold=0).apply("Felse?") == "False"


@pytest.mark.parametrize("threshold", [0, 60, 80, 90])
@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("not positive", ["positive", "negative"]),
        ("unpositive", ["positive", "negative"]),
        ("Not negative", ["positive", "negative"]),
        ("no positive", ["positive", "negative"]),
        ("nonnegative", ["positive", "negative"]),
        ("si chanya", ["Chanya", "Hasi"]),
        ("sichanya", ["Chanya", "Hasi"]),
        ("ba korau", ["Kyakkyawa", "Korau"]),
        ("ba kyau", ["da kyau", "mummuna"]),
        ("no hate speech", ["hate speech", "normal"]),
        ("not duplicate", ["duplicate", "other"]),
        ("duplicate", ["not duplicate", "other"]),
        ("untrue", ["True", "False"]),
        ("happy", ["unhappy", "neutral"]),
        ("irrelevant", ["relevant", "off-topic"]),
        ("disinformation", ["information", "opinion"]),
        ("now", ["yes", "no"]),
        ("not", ["yes", "no"]),
        ("dis", ["yes", "no"]),
        ("very positive", ["positive", "negative"]),
    ],
)
def test_a_text_that_may_mean_another_thing_stays(text: str, labels: list[str], threshold: int) -> None:
    assert step("nearest_label", labels=labels, threshold=threshold).edit(text) is None


@pytest.mark.parametrize(
    ("text", "labels", "label"),
    [
        ("No.", ["yes", "no"], "no"),
        ("YES!", ["yes", "no"], "yes"),
        ("hate-speech", ["hate speech", "normal"], "hate speech"),
        ("no hate spech", ["hate speech", "no hate speech"], "no hate speech"),
        ("unhapppy", ["unhappy", "neutral"], "unhappy"),
        ("diagree", ["agree", "disagree"], "disagree"),
        ("ineutral", ["neutral", "positive"], "neutral"),
    ],
)
def test_a_misspelt_label_becomes_it_with_its_negation(text: str, labels: list[str], label: str) -> None:
    assert step("nearest_label", labels=labels).apply(text) == label


def test_of_two_labels_as_near_none_is_taken() -> None:
    between = step("nearest_label", labels=["slate", "skate"], threshold=50)
    assert between.edit("spate") is None
    assert between.apply("slates") == "slate"


def test_a_label_as_it_is_stays_though_another_contains_it() -> None:
    assert step("nearest_label", labels=["yes", "yes!?1"], threshold=10).edit("yes") is None


def test_a_label_that_stands_in_the_text_is_cut_out_of_it() -> None:
    assert FILM.edit(" positive.") == Edit(1, 9)
    assert FILM.edit(" Positive. ") == Edit(1, 10, "positive")


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({}, "labels is required"),
        ({"labels": []}, "give at least 2 labels"),
        ({"labels": ["yes"]}, "give at least 2 labels"),
        ({"labels": ["yes", "Yes."]}, r"'yes' and 'Yes\.' differ in case or marks alone"),
        ({"labels": ["yes", " "]}, "' ' has no letter and no digit"),
        ({"labels": "yes"}, r"labels: input should be a list, as \[a, b\] \(given: 'yes'\)"),
        ({"labels": ["yes", 1]}, r"labels.1: input should be a valid string; put it in quotes \(given: 1\)"),
        ({"labels": [True, "no"]}, r"labels.0: input should be a valid string; put it in quotes \(given: True\)"),
        ({"labels": ["yes", "no"], "threshold": 101}, "threshold: input should be less than or equal to 100"),
        ({"labels": ["yes", "no"], "threshold": -1}, "threshold: input should be greater than or equal to 0"),
        ({"labels": ["yes", "no"], "threshold": True}, "threshold: expected a number"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(parameters: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=rf"(?i){fault}") as error:
        step("nearest_label", **parameters)
    assert "nearest_label(labels: list of text, threshold: number >= 0" in str(error.value)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("tsaka-tsaki", "Tsaka-tsaki"),
        ("TSAKA TSAKI.", "Tsaka-tsaki"),
        ("Tsakatsaki", "Tsaka-tsaki"),
        ("Tsaka\u2010tsaki", "Tsaka-tsaki"),
        ("tsaka - tsaki", "Tsaka-tsaki"),
        ("Tsaƙa-tsaƙi", "Tsaka-tsaki"),
        ("Kyakyawa", "Kyakkyawa"),
        ("Ƙyaƙƙyawa", "Kyakkyawa"),
        ("\u201ckyakkyawa\u201d", "Kyakkyawa"),
        ("**Korau**", "Korau"),
        ("KORAU!\n", "Korau"),
        ("korrau", "Korau"),
        ("\uff2borau", "Korau"),
        ("Positive", "Kyakkyawa"),
        ("neutral.", "Tsaka-tsaki"),
        ("negative", "Korau"),
    ],
)
def test_hausa_spellings_become_the_label(text: str, label: str) -> None:
    assert step("label_spelling", language="hausa").apply(text) == label


@pytest.mark.parametrize(
    "text",
    ["", "Korau", "Tsaka-tsaki", "Tsaka", "Ko rau", "Ko-rau", "Korau ne", "Korau, saboda", "Kyakkyawa ko Korau",
     "Kyakkyawan", "Chanya", "entailment", "positivity", "Kore", "tsaka tsaki tsaka", "t", "\ud800"],
)  # fmt: skip
def test_other_hausa_texts_stay(text: str) -> None:
    assert step("label_spelling", language="hausa").edit(text) is None


def test_swahili_spellings_become_the_label() -> None:
    swahili = step("label_spelling", language="swahili")
    texts = ["chanya.", "WASTANI", "'hasi'", "positive", "Neutral", "NEGATIVE", "Korau", "ha-si"]
    assert [swahili.apply(text) for text in texts] == [
        *("Chanya", "Wastani", "Hasi", "Chanya", "Wastani", "Hasi", "Korau", "ha-si"),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_neutral_is_of_the_kind_that_is_asked_for(language: str) -> None:
    entailment = step("label_spelling", language=language, labels="entailment")
    assert entailment.apply("Neutral.") == "neutral"
    assert entailment.apply("CONTRADICTION") == "contradiction"
    assert entailment.apply("Entailment\n") == "entailment"
    assert entailment.edit("positive") is None
    assert step("label_spelling", language=language).apply("Neutral.") in SENTIMENT[language]  # type: ignore[index]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["sentiment", "entailment"])
def test_every_label_stays(language: str, kind: str) -> None:
    labels = SENTIMENT[language] if kind == "sentiment" else ENTAILMENT  # type: ignore[index]
    for label in labels:
        assert step("label_spelling", language=language, labels=kind).edit(label) is None
        assert step("label_spelling", language=language, labels=kind).apply(f" {label.upper()}.") == label


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({}, "language is required"),
        ({"language": "sw"}, "language: input should be 'swahili' or 'hausa'"),
        ({"language": "hausa", "labels": "polarity"}, "labels: input should be 'sentiment' or 'entailment'"),
    ],
)
def test_languages_and_kinds_are_those_of_the_challenge(parameters: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=rf"(?i){fault}"):
        step("label_spelling", **parameters)


@pytest.mark.parametrize("each", STEPS, ids=str)
@given(text=ANY)
def test_any_text_becomes_a_label_once_or_stays(each: Step, text: str) -> None:
    edit = each.edit(text)
    once = text if edit is None else edit.apply(text)
    assert edit is None or (0 <= edit.start < edit.end <= len(text) and once != text and once in [*WORDS, "B", "a b"])
    assert each.edit(once) is None


@pytest.mark.parametrize("each", STEPS, ids=str)
@pytest.mark.parametrize("piece", ["a", "*", " ", "tsaka-", "\u0301\u0323", "\ufdfa", "\ud800"])
def test_a_long_text_does_not_hang_a_rule(each: Step, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    for whole in (text, f"{text}positive", f"Korau{text}"):
        assert each.edit(whole) is None
    assert time.process_time() - started < 10  # linear: a fraction of a second; else minutes
