"""The words of a text: as rouge-score has them, and of every script."""

import pytest
from rouge_score.tokenizers import DefaultTokenizer

from eval.metrics import tokens
from eval.metrics.tokens import MAX_LOST_LETTERS, forget_stems, lost_letters, resolve_tokenizer, words

ENGLISH = [
    "The cats' 3 dying_skies, sitting on 1,000 ponies!",
    "a",
    "",
    " \n",
    "...",
    "News of the INNINGS",
    "x" * 5000,
]


@pytest.mark.parametrize("stemming", [False, True])
def test_the_words_of_rouge_score_are_those_of_its_default_tokeniser(stemming: bool) -> None:
    peer = DefaultTokenizer(use_stemmer=stemming)
    for text in [*ENGLISH, "K\N{KELVIN SIGN} \N{LATIN CAPITAL LETTER I WITH DOT ABOVE}stanbul caf\xe9s", "\ud800 lone"]:
        assert words(text, "rouge_score", stemming) == peer.tokenize(text)


@pytest.mark.parametrize("stemming", [False, True])
def test_both_tokenisers_agree_on_ascii(stemming: bool) -> None:
    for text in ENGLISH:
        assert words(text, "unicode", stemming) == words(text, "rouge_score", stemming)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ƙasar Ɗan-Masani: ɓera!", ["ƙasar", "ɗan", "masani", "ɓera"]),
        ("Ng'ombe wanakula.", ["ng", "ombe", "wanakula"]),
        ("ما هي عاصمة مصر؟", ["ما", "هي", "عاصمة", "مصر"]),
        ("भारत की राजधानी।", ["भारत", "की", "राजधानी"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("北京是首都。2024年", ["北", "京", "是", "首", "都", "2024", "年"]),
        ("お茶とコーヒー", ["お", "茶", "と", "コ", "ー", "ヒ", "ー"]),
        ("กรุงเทพ ๑๒", ["ก", "รุ", "ง", "เ", "ท", "พ", "๑๒"]),
        ("ລາວ", ["ລ", "າ", "ວ"]),
        ("ខ្មែរ។", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
    ],
)
def test_unicode_words_are_letters_marks_and_numbers_of_every_script(text: str, found: list[str]) -> None:
    assert words(text, "unicode", stemming=False) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAF\N{LATIN CAPITAL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}b\N{FULLWIDTH DIGIT ONE}", "ab1"),
        ("STRASSE", "straße"),
        ("क्\N{ZERO WIDTH JOINER}ष", "क्ष"),
        ("ｺｰﾋｰ", "コーヒー"),
    ],
)
def test_two_spellings_of_a_word_are_one_word(one: str, other: str) -> None:
    assert words(one, "unicode", stemming=False) == words(other, "unicode", stemming=False)


def test_emoji_and_loose_marks_are_no_words() -> None:
    assert (
        words("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5} \N{COMBINING ACUTE ACCENT}", "unicode", False)
        == []
    )


def test_words_outside_a_to_z_are_not_stemmed() -> None:
    assert words("cafés ponies", "unicode", stemming=True) == ["cafés", "poni"]


def test_a_full_cache_of_stems_is_emptied_and_gives_the_same_stems(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "ponies cats caresses running ponies cats"
    before = words(text, "rouge_score", stemming=True)
    forget_stems()
    monkeypatch.setattr(tokens, "MAX_STEMS", 2)
    assert words(text, "rouge_score", stemming=True) == before
    assert len(tokens._stems()) <= 2


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (["abcd", "E 12."], 0),
        (["abc é"], 1 / 4),
        (["ab", "ƙɗ"], 1 / 2),
        (["北京 12"], 1 / 2),
        (["४२"], 1),
        (["١٢"], 1),
        (["12 + 3"], 0),
        ([], 0),
    ],
)
def test_the_lost_letters_are_those_outside_a_to_z(texts: list[str], share: float) -> None:
    assert lost_letters(texts) == pytest.approx(share)


def test_auto_takes_unicode_only_where_more_than_the_limit_is_lost() -> None:
    ten_letters = "abcdefghi\xe9"
    assert lost_letters([ten_letters]) == MAX_LOST_LETTERS
    assert resolve_tokenizer("auto", [ten_letters]) == "rouge_score"
    assert resolve_tokenizer("auto", [ten_letters, "\xe9"]) == "unicode"
    assert resolve_tokenizer("auto", ["ما هي"]) == "unicode"
    assert resolve_tokenizer("auto", []) == "rouge_score"


def test_a_named_tokeniser_is_taken_whatever_the_references_are() -> None:
    assert resolve_tokenizer("rouge_score", ["ما هي"]) == "rouge_score"
    assert resolve_tokenizer("unicode", ["plain"]) == "unicode"
