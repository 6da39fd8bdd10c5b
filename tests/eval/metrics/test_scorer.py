"""The metrics agree with their definitions, and with Google's rouge-score on texts of every kind."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest
from rouge_score.rouge_scorer import RougeScorer

from eval.metrics.scorer import Judgement, Scorer, exact_match
from eval.metrics.tokens import words

PLAIN = Scorer("rouge_score", stemming=False)
STEMMED = Scorer("rouge_score", stemming=True)
UNICODE = Scorer("unicode", stemming=False)
PAIRS = 10_000

SENTENCES = [
    "the cat cats sat sitting on mats skies sky dying ponies relational a an I 9 12 nine nation national",
    "ukubwa wa nyumba ni mkubwa sana na watoto wanacheza ng'ombe habari za asubuhi",
    "ƙasa ɗaya ɓera mai kyau Ƙofar ya 'yan \N{MODIFIER LETTER APOSTROPHE}yar gida ce",
    "ما هي عاصمة مصر القاهرة مَدِينَةٌ",
    "北京 是 中国 的 首都 吗",
]
SYMBOLS = ["...", "--", "(9)", "1,000", "3.14", "$5", "\t", "\n", "\xa0", "_x_", "don't", "\u2014", "\x00", "\x1f"]
EMOJI = [
    "\N{GRINNING FACE}",
    "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}",
    "1\N{COMBINING ENCLOSING KEYCAP}",
]
MARKS = ["cafe\u0301", "\u0301", "caf\xe9", "\N{KELVIN SIGN}elvin", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}x", "क्ष"]
WORDS = [*(sentence.split() for sentence in SENTENCES), SYMBOLS, EMOJI, MARKS]
EMPTY = ["", " ", "\n \t", "..."]


def random_text(rng: random.Random) -> str:
    """Words of one list or of all, joined by spaces or by nothing; now and then empty, or very long."""
    if rng.random() < 0.04:
        return rng.choice(EMPTY)
    known = WORDS[0] * 3 + rng.choice(WORDS) if rng.random() < 0.8 else list(chain.from_iterable(WORDS))
    length = 500 if rng.random() < 0.002 else rng.randint(1, 9)
    cased: list[Callable[[str], str]] = [str, str, str.upper, str.title]
    parts = [rng.choice(cased)(rng.choice(known)) for _ in range(length)]
    if rng.random() < 0.1:
        parts.append("".join(chr(rng.randrange(32, 127)) for _ in range(rng.randint(1, 12))))
    return rng.choice([" ", " ", " ", ", ", ""]).join(parts)


def random_pair(rng: random.Random) -> tuple[str, str]:
    """Two texts: independent, the same, one shuffled, or one with words taken out."""
    text = random_text(rng)
    pieces = text.split(" ")
    match rng.randrange(5):
        case 0:
            return text, text
        case 1:
            return text, " ".join(rng.sample(pieces, len(pieces)))
        case 2:
            return text, " ".join(piece for piece in pieces if rng.random() < 0.6)
        case _:
            return text, random_text(rng)


@pytest.mark.parametrize("scorer", [PLAIN, STEMMED], ids=["plain", "stemmed"])
def test_rouge_l_equals_that_of_rouge_score_on_random_texts_of_many_scripts(scorer: Scorer) -> None:
    rng = random.Random(5)
    peer = RougeScorer(["rougeL"], use_stemmer=scorer.stemming)
    seen: Counter[str] = Counter()
    for _ in range(PAIRS):
        prediction, reference = random_pair(rng)
        expected = peer.score(reference, prediction)["rougeL"].fmeasure
        found = scorer.rouge_l_f(prediction, [reference])
        assert found == pytest.approx(expected, abs=1e-9, rel=0), (prediction, reference)
        seen["nothing" if expected == 0 else "all" if expected == 1 else "part"] += 1
    assert min(seen.values()) > PAIRS // 10  # the texts try every outcome often enough


def test_the_best_reference_is_that_of_rouge_score() -> None:
    rng = random.Random(6)
    peer = RougeScorer(["rougeL"], use_stemmer=True)
    for _ in range(200):
        prediction, *references = (random_text(rng) for _ in range(4))
        expected = peer.score_multi(references, prediction)["rougeL"].fmeasure
        assert STEMMED.rouge_l_f(prediction, references) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("prediction", "references", "right"),
    [
        ("B", ["B"], True),
        (" B\n", ["B "], True),
        ("b", ["B"], False),
        ("B.", ["B"], False),
        ("B", ["A", "B"], True),
        ("C", ["A", "B"], False),
        ("", ["B"], False),
        ("New  York", ["New York"], False),
    ],
)
def test_exact_match_is_equality_but_for_surrounding_space(prediction: str, references: list[str], right: bool) -> None:
    assert exact_match(prediction, references) is right
    assert PLAIN.score("exact_match", prediction, references) == float(right)


@pytest.mark.parametrize(
    ("prediction", "reference", "rouge_l", "f1"),
    [
        ("a b c d", "a b c d", 1, 1),
        ("a b c d", "w x y z", 0, 0),
        ("d c b a", "a b c d", 1 / 4, 1),
        ("a b c d", "a c", 2 / 3, 2 / 3),
        ("a c", "a b c d", 2 / 3, 2 / 3),
        ("a a a", "a", 1 / 2, 1 / 2),
        ("a a b", "b a a c", 4 / 7, 6 / 7),
        ("The CAT!", "the cat", 1, 1),
    ],
)
def test_rouge_l_counts_words_in_order_and_token_f1_in_any(
    prediction: str, reference: str, rouge_l: float, f1: float
) -> None:
    assert PLAIN.rouge_l_f(prediction, [reference]) == pytest.approx(rouge_l)
    assert PLAIN.token_f1(prediction, [reference]) == pytest.approx(f1)


def test_token_f1_is_the_f_measure_of_the_common_bag_of_words() -> None:
    rng = random.Random(7)
    for _ in range(500):
        prediction, reference = random_pair(rng)
        predicted, wanted = words(prediction, "unicode", False), words(reference, "unicode", False)
        common = (Counter(predicted) & Counter(wanted)).total()
        expected = 2 * common / (len(predicted) + len(wanted)) if common else 0
        assert UNICODE.token_f1(prediction, [reference]) == pytest.approx(expected)


def test_a_score_of_a_tenth_is_that_tenth_exactly() -> None:
    for tenth in range(1, 10):
        shared, rest = ["w"] * tenth, 10 - tenth
        prediction, reference = [*shared, *["x"] * rest], [*shared, *["y"] * rest]
        assert PLAIN.rouge_l_f(" ".join(prediction), [" ".join(reference)]) == tenth / 10


def test_stemming_makes_forms_of_a_word_equal() -> None:
    assert PLAIN.rouge_l_f("apples", ["apple"]) == PLAIN.token_f1("apples", ["apple"]) == 0
    assert STEMMED.rouge_l_f("apples", ["apple"]) == STEMMED.token_f1("apples", ["apple"]) == 1


@pytest.mark.parametrize("prediction", ["", " \n", "..."])
@pytest.mark.parametrize("references", [["the answer", "another"], ["..."], [""]])
def test_a_prediction_without_words_scores_0(prediction: str, references: list[str]) -> None:
    for scorer in (PLAIN, STEMMED, UNICODE):
        assert scorer.rouge_l_f(prediction, references) == scorer.token_f1(prediction, references) == 0
        assert scorer.score("generation", prediction, references) == 0


@pytest.mark.parametrize("references", [["a b", "x y z"], ["x y z", "a b"], ["x", "a b", "y"]])
def test_the_best_of_several_references_counts(references: list[str]) -> None:
    assert PLAIN.rouge_l_f("a b c d", references) == pytest.approx(2 / 3)
    assert PLAIN.token_f1("b a d c", references) == pytest.approx(2 / 3)
    assert PLAIN.score("generation", "a b c d", references) == pytest.approx(2 / 3)


def test_each_metric_takes_its_own_best_reference() -> None:
    judged = PLAIN.judge("a b c", ["a b x", "c b a"])
    assert not judged.exact_match and judged.token_f1 == 1
    assert judged.rouge_l_f == pytest.approx(2 / 3)
    assert PLAIN.judge("A", ["B", "A"]) == Judgement(exact_match=True, rouge_l_f=1, token_f1=1)


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("Nyumba ni kubwa", "nyumba ni ndogo"),
        ("ƙasa ɗaya", "ƙasa biyu"),
        ("القاهرة عاصمة", "عاصمة مصر"),
        ("भारत की राजधानी", "भारत का झंडा"),
        ("北京是首都", "首都是北京"),
        ("กรุงเทพ", "กรุงไทย"),
    ],
)
def test_with_unicode_words_no_language_scores_0_for_an_answer_that_is_right_in_part(
    prediction: str, reference: str
) -> None:
    for score in (UNICODE.rouge_l_f, UNICODE.token_f1):
        assert 0 < score(prediction, [reference]) <= 1
        assert score(prediction, [prediction]) == 1
