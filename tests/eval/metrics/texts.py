"""Texts of many scripts, random and real, for tests against other libraries."""

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import strategies as st

SAMPLES = Path(__file__).parents[3] / "../shared/data"
NEEDED = "the MAFAND and NTREX samples are not here"
SENTENCES = [
    "the cats sat sitting on mats A an I 9 1,000 nations national don't (hi) e.g.",
    "nyumba ni kubwa watoto wanacheza ng'ombe habari",
    "ƙasa ɗaya ɓera Ƙofar 'yan ƴar",
    "ما هي عاصمة مصر القاهرة؟ مَدِينَةٌ",
    "भारत की राजधानी। क्ष",
    "北京 是中国的 首都。 東京、 กรุงเทพ",
    "🎂 \N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5} cafe\u0301 STRASSE \u0130x \u212aelvin \u200b",
    "... -- ?! \u2014 $5 &amp; &quot;x&quot; <skipped> 3.14 well-known",
]
WORDS = [word for sentence in SENTENCES for word in sentence.split()]
any_text = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).flatmap(
        lambda words: st.sampled_from([" ", "  ", ""]).map(lambda gap: gap.join(words))
    ),
    st.lists(st.sampled_from(WORDS[:6]), max_size=20).map(" ".join),
    st.text(max_size=30),
    st.text("abc .,\n\t", max_size=30),
    st.sampled_from(["", " ", "\n", ".", "...!", "a", "🎂", "字", "\x00", "\xa0"]),
)
reference_lists = st.lists(any_text, min_size=1, max_size=3)
corpora = st.lists(st.tuples(any_text, reference_lists), min_size=1, max_size=6)


def real_pairs() -> dict[str, list[tuple[str, str]]]:
    """Language -> a text beside another that shares words with it: Swahili and Hausa news, and each beside English."""
    ntrex = [json.loads(line) for line in (SAMPLES / "ntrex/test.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = {"swa with hau": [(row["swa"], row["hau"]) for row in ntrex]}
    for code in ("swa", "hau"):
        lines = (SAMPLES / f"mafand/en-{code}/validation.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line)["translation"] for line in lines]
        pairs[f"en with {code}"] = [(row["en"], row[code]) for row in rows]
        texts = [row[code] for row in rows]
        pairs[f"{code} with the sentence before"] = list(pairwise(texts))
        halves = [" ".join(text.split()[::2]) for text in texts]
        pairs[f"half of {code}"] = list(zip(halves, texts, strict=True))
    return pairs
