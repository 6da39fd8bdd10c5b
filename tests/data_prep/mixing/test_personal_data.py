"""E-mail addresses and phone numbers go, and nothing of a calculation does."""

import json
from pathlib import Path

import pytest

from data_prep.mixing.config import PersonalData
from data_prep.mixing.personal_data import scrub

SAMPLES = Path(__file__).parents[3] / "../shared/data"
ABROAD = PersonalData(email_as="<email>", phone_as="<phone>")


def at(region: str | None) -> PersonalData:
    return PersonalData(email_as="<email>", phone_as="<phone>", phone_region=region)


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("Write to jane.doe+news@mail.example.co.uk.", "Write to <email>."),
        ("(oliver_82@email.com)", "(<email>)"),
        ("Mail:a-b@c-d.org,x@y.io", "Mail:<email>,<email>"),
        ("mailto:müller@büro.de", "mailto:<email>"),
        ("<o'brien@example.ie>", "<<email>>"),
    ],
)
def test_an_email_address_is_replaced_and_the_text_around_it_is_not(text: str, scrubbed: str) -> None:
    assert scrub(text, ABROAD) == (scrubbed, scrubbed.count("<email>"), 0)


@pytest.mark.parametrize(
    "text",
    [
        "3 apples @ 2.50 each",
        "@property",
        "follow @someone.else",
        "x@w.transpose()",
        "a@b",
        "user@localhost",
        "foo@@bar.com",
        "price@5.99",
    ],
)
def test_other_uses_of_the_sign_stay(text: str) -> None:
    assert scrub(text, ABROAD) == (text, 0, 0)


@pytest.mark.parametrize(
    ("region", "text"),
    [
        (None, "Call {+1 650-253-0000} now"),
        (None, "London: {+44 20 7946 0018}, Nairobi: {+254 722 123456}"),
        (None, "Tel. {+49 (0)30 123456-78}; Fax {+33 1 42 68 53 00}"),
        (None, "Lagos {+234 803 123 4567} / Mumbai {+91 98765 43210}"),
        (None, "Sydney {+61 2 9374 4000}"),
        ("US", "arson tip line at {800-540-7085}. Gov."),
        ("US", "Call us at {650-636-4884} or {(650) 636-4885} ext"),
        ("GB", "ring {020 7031 3000} today"),
        ("DE", "Telefon: {030 22 73 71 71}"),
        ("KE", "simu {0722 123 456}"),
        ("NG", "kira {0803 123 4567}"),
        ("US", "from abroad: {+44 20 7946 0018}"),
    ],
)
def test_a_phone_number_is_replaced(region: str | None, text: str) -> None:
    given = text.replace("{", "").replace("}", "")
    shown, count = text, text.count("{")
    while "{" in shown:
        start, end = shown.index("{"), shown.index("}")
        shown = f"{shown[:start]}<phone>{shown[end + 1 :]}"
    assert scrub(given, at(region)) == (shown, 0, count)


MATHS = [
    "1,234,567",
    "3.14159 and 2.718281828459045",
    "12-5=7",
    "650-253-0000=397",
    "x = 800-540-7085 + 2",
    "the years 1999-2004 and 1914-1918",
    "2023-10-12 11:12:34",
    "6502530000",
    "3+16502530000",
    "$650 253 0000",
    "(1) 25 (2) 30 (3) 42 (4) 57",
    "0.5*(650+253)/1000",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "192.168.100.200",
    "4111 1111 1111 1111",
    "34.71697004°N 132.46599393°E",
    "https://example.org/journals/2015/954027/",
    "ISBN 978-3-16-148410-0",
]


@pytest.mark.parametrize("region", [None, "US", "GB", "DE", "KE"])
@pytest.mark.parametrize("text", MATHS)
def test_mathematics_years_and_other_numbers_stay(region: str | None, text: str) -> None:
    assert scrub(text, at(region)) == (text, 0, 0)


def test_a_local_number_needs_its_region() -> None:
    assert scrub("at 650-636-4884 now", ABROAD) == ("at 650-636-4884 now", 0, 0)


def test_kinds_are_counted_apart_and_replacements_may_be_anything() -> None:
    config = PersonalData(email_as=r"\1 a@b.cd", phone_as="", phone_region="US")
    text = "a.b@c.org or 650-636-4884, d@e.org"
    assert scrub(text, config) == (r"\1 a@b.cd or , \1 a@b.cd", 2, 1)


def test_a_long_text_of_near_addresses_is_searched_in_time() -> None:
    text = "a." * 50_000 + "@" + "b." * 50_000 + "+1 " * 50_000
    assert scrub(text, at("US")) == (text, 0, 0)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the real rows of gsm8k and aqua_rat")
@pytest.mark.parametrize("file", ["gsm8k/train", "gsm8k/test", "aqua_rat/validation", "aqua_rat/test"])
@pytest.mark.parametrize("region", [None, "US", "GB"])
def test_no_real_maths_row_is_changed(file: str, region: str | None) -> None:
    lines = (SAMPLES / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = ["\n".join(map(str, json.loads(line).values())) for line in lines]
    assert len(rows) >= 200
    assert [row for row in rows if scrub(row, at(region)) != (row, 0, 0)] == []
