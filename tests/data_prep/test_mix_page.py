"""The page of a mix: a made-up one of the size of Birbal's, and small ones, read as text."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from data_prep.mix_page import MOST_PAIRS, MOST_TASKS, bin_names, render_mix_page, template_hashes
from data_prep.mixing.records import CompetitionResult, EvalSetResult, Manifest, TaskRows
from tests.data_prep.mixing.toy_manifest import (
    HOSTILE,
    birbal_manifest,
    hit,
    manifest_with_test,
    pair,
    toy_manifest,
    toy_source,
)

RULES = ["An input has 5 to 799 words.", f"Nothing else, {HOSTILE}."]


def page_of(manifest: Manifest, facts: dict[str, str] | None = None) -> str:
    return render_mix_page("Mix of toy", manifest, facts or {}, f"seed: 42 # {HOSTILE}", RULES)


@pytest.fixture(scope="module")
def page() -> str:
    """The page of the large mix."""
    return page_of(birbal_manifest(), {"Recipe": "mistral-7b-birbal"})


def section(page: str, name: str) -> str:
    return page.split(f'<h2 id="{name}">')[1].split("<h2")[0]


def cells(html: str, table: int = 0) -> list[list[str]]:
    """The text of each row of a table."""
    found = re.findall(r"<table.*?</table>", html, flags=re.DOTALL)[table]
    return [
        [unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", found, flags=re.DOTALL)
    ]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def words_of(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html))


def test_page_fetches_nothing_and_runs_nothing(page: str) -> None:
    assert not re.search(r"<script|\bsrc=|@import|url\((?!#)|<[^>]*\son\w+=", page)
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:;" in page
    assert re.findall(r'href="https://[^"]*"(?! rel="noreferrer")', page) == []


def test_every_link_and_label_has_its_target(page: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r'labelledby="([^"]+)"', page)) <= set(ids)


def test_tags_are_balanced(page: str) -> None:
    class Balance(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attributes: object) -> None:
            if tag not in {"meta", "link", "wbr"}:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_startendtag(self, tag: str, attributes: object) -> None:
            pass

    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []


def test_head_says_in_one_sentence_what_the_set_is(page: str) -> None:
    (verdict,) = re.findall(r'<p class="verdict">(.*?)</p>', page)
    assert verdict.startswith("200,685 rows with about 86.1M tokens from 7 sources: 196,673 to train on, 4,012 to")
    assert "estimated from 20,000 of 200,685 rows, by bytes and source" in page
    assert "<dt>Recipe</dt>" in page


def test_counted_tokens_are_written_whole() -> None:
    manifest = toy_manifest([toy_source()])
    page = page_of(manifest)
    assert f"100 rows with {manifest.sources[0].tokens:,} tokens from 1 source: 98 to train on" in page
    assert "counted in every row" in page and "estimated" not in page


def test_composition_adds_up(page: str) -> None:
    head, *sources, total = cells(section(page, "composition"))
    assert head[0] == "Source" and [row[0] for row in sources][:2] == ["natural_instructions", "lima"]
    for column in (1, 3, 6):
        assert sum(number(row[column]) for row in sources) == number(total[column])
    assert sources[0][2] == "50.4 %" and total[1] == "200,685"


def test_tasks_stand_by_size_for_each_source_with_several(page: str) -> None:
    composition = section(page, "composition")
    assert re.findall(r"<span class=\"soft\">(.*? tasks)", composition) == ["454 tasks", "3 tasks"]
    rows = [number(row[1]) for row in cells(composition, 1)[1:]]
    assert len(rows) == 454 and rows == sorted(rows, reverse=True) and sum(rows) == 101_240


def test_every_row_is_accounted_for_by_source_and_reason(page: str) -> None:
    head, read, *reasons, dropped, train, evaluation = cells(section(page, "fates"))
    assert head[3:5] == ["natural_instructions", "lima"] and read[0] == "read" and dropped[0] == "dropped"
    assert {"near duplicate", "input too long", "contaminated"} <= {row[0] for row in reasons}
    for column in (1, *range(3, 10)):
        assert sum(number(row[column]) for row in reasons) == number(dropped[column])
        assert number(read[column]) == sum(number(row[column]) for row in (dropped, train, evaluation))


def test_numbers_of_the_histogram_add_up(page: str) -> None:
    head, *bins = cells(section(page, "lengths"))
    assert [row[0] for row in bins] == bin_names() and bins[0][0] == "0 to 31" and bins[-1][0] == "8,192 and more"
    assert sum(number(row[1]) for row in bins) == 200_685
    assert all(number(row[1]) == sum(map(number, row[3:])) for row in bins) and len(head) == 10


def test_one_source_has_no_histogram_of_its_own() -> None:
    assert page_of(toy_manifest([toy_source()])).count("<svg") == 3
    assert page_of(toy_manifest([toy_source("a"), toy_source("b")])).count("<svg") == 4


def test_words_that_differ_are_marked_in_near_duplicates(page: str) -> None:
    found = section(page, "duplicates")
    assert "at <mark>room</mark> temperature" in found and "at <mark>high</mark> temperature" in found
    assert "<mark>Yesterday</mark> The committee" in found and "86.0 % of the words are the same." in found
    assert "中国的首都是哪<mark>里</mark>" in found and "中国的首都是哪<mark>座城市</mark>" in found


def test_an_exact_duplicate_is_shown_once(page: str) -> None:
    assert section(page, "duplicates").count("What is the capital of France?") == 1


def test_a_difference_that_is_cut_away_is_said_to_be_so() -> None:
    first, last = "one two three " * 40, " four five six" * 40
    alike = pair(f"{first} x {last}", f"{first} y {last}", 0.99999)
    manifest = toy_manifest([toy_source()], near_duplicates=[alike])
    found = section(page_of(manifest), "duplicates")
    assert "over 99.9 % of the words are the same; the others are in a part that is not shown." in found
    assert "<mark>" not in found


def test_no_more_pairs_are_shown_than_fit() -> None:
    manifest = toy_manifest([toy_source()], near_duplicates=[pair(f"a b {n}", f"a c {n}") for n in range(50)])
    assert page_of(manifest).count('<div class="pair">') == MOST_PAIRS


def test_shared_words_are_marked_in_both_texts(page: str) -> None:
    found = section(page, "contamination")
    assert "Question: <mark>A ball is thrown" in found and "<mark>a ball is thrown" in found
    assert found.count("back to the hand</mark>") == 2
    assert "<mark>Which planet has the most known moons</mark>?" in found
    assert "<mark>Which planet has the most moons</mark>?" in found


def test_shared_words_that_are_not_shown_are_written_out() -> None:
    example = hit("an input without them", "the quick brown fox jumps", "the quick brown fox jumps")
    found = EvalSetResult(name="set", rows=10, unchecked=0, hit=1, dropped=1, examples=[example])
    page = page_of(toy_manifest([toy_source()], eval_sets=[found]))
    assert "Shared, in a part that is not shown or in the answer: the quick brown fox jumps" in page


def test_contamination_table_has_every_evaluation_set(page: str) -> None:
    head, *sets = cells(section(page, "contamination"))
    assert head[2] == "too short"
    assert "only if they are the whole input of a row; more fields in the recipe make them longer." in page
    assert sets[1] == ["mmlu", "14,042", "310", "118", "0.8 %", "164"]
    assert [row[0] for row in sets] == ["held_out", "mmlu", "cnn_dailymail_test", "our_own_set_of_questions"]
    assert "171 rows went because they hold a part of one" in words_of(section(page, "contamination"))


def test_a_mix_that_was_not_compared_says_so() -> None:
    found = section(page_of(toy_manifest([toy_source()])), "contamination")
    assert "<strong>Not checked.</strong>" in found and "<table" not in found


def test_licences_and_what_to_heed_are_shown(page: str) -> None:
    _, *sources = cells(section(page, "licences"))
    origin = "huggingface.co/datasets/GAIR/lima, read from hub/lima"
    assert sources[1] == ["lima", "CC BY-NC-SA non-commercial", origin, "main", "01" * 6]
    assert sources[2][1].endswith("none stated (leetcode_ne) non-commercial not stated")
    assert sources[3][1:3] == ["Apache-2.0 The hub's card states none.", "huggingface.co/datasets/allenai/openbookqa"]
    assert sources[4][2:] == ["quac.ai, huggingface.co/datasets/allenai/quac", "local files", "c3" * 6]
    assert sources[0][3:] == ["-", "-"] and sources[6][1] == "MIT"
    assert 'href="https://quac.ai"' in page and "data/quac" not in page


def test_restrictions_are_listed_with_their_sources(page: str) -> None:
    found = words_of(section(page, "licences"))
    assert "Non-commercial: lima, open_platypus. The licence of all or of a part" in found
    assert "Not stated: open_platypus. " in found and "Differs by task: natural_instructions. Each task" in found
    assert "Non-commercial:" not in words_of(section(page_of(toy_manifest([toy_source()])), "licences"))


def test_only_addresses_of_the_web_become_links() -> None:
    source = toy_source(origin="javascript:alert(1)")
    assert 'href="java' not in page_of(toy_manifest([source])) and "javascript:alert(1)" in page_of(
        toy_manifest([source])
    )


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    source = toy_source(HOSTILE, HOSTILE, f"https://{HOSTILE}", tasks=2)
    source.tasks[0].task = HOSTILE
    source.dropped, source.path, source.revision, source.commit = {HOSTILE: 5}, HOSTILE, HOSTILE, HOSTILE
    source.read, source.remark = 105, HOSTILE
    found = EvalSetResult(
        name=HOSTILE, rows=1, unchecked=0, hit=1, dropped=1, examples=[hit(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)]
    )
    manifest = toy_manifest(
        [source], recipe=HOSTILE, tokenizer=HOSTILE, tokens_counted=HOSTILE, eval_sets=[found],
        near_duplicates=[pair(HOSTILE, f"x {HOSTILE}", source=HOSTILE, id=HOSTILE)],
    )  # fmt: skip
    page = render_mix_page(HOSTILE, manifest, {HOSTILE: HOSTILE}, HOSTILE, [HOSTILE])
    assert "<script" not in page and page.count("<mark>") == page.count("</mark>") and "49 |" not in page


def test_texts_and_names_find_their_own_direction(page: str) -> None:
    assert page.count('<p class="text" dir="auto">') == page.count('<p class="text"')
    assert '<p class="text" dir="auto">ما هي عاصمة <mark>فرنسا</mark>' in page


def test_rules_and_settings_are_shown(page: str) -> None:
    found = words_of(section(page, "rules"))
    assert RULES[0] in found and RULES[1] in found and f"seed: 42 # {HOSTILE}" in found


def test_page_is_the_same_bytes_again(page: str) -> None:
    assert page_of(birbal_manifest(), {"Recipe": "mistral-7b-birbal"}) == page


def test_page_of_1616_tasks_and_many_examples_stays_small() -> None:
    source = toy_source(tasks=1_616, rows=700_000)
    examples = [hit("京" * 5_000, "京" * 5_000, "京" * 5_000) for _ in range(10)]
    sets = [
        EvalSetResult(name=f"set {n}", rows=9, unchecked=0, hit=1, dropped=1, examples=examples[:2]) for n in range(60)
    ]
    page = page_of(toy_manifest([source], eval_sets=sets, near_duplicates=[pair("y " * 300, "z " * 300)] * 12))
    assert len(page.encode()) < 1_500_000
    assert len(cells(section(page, "composition"), 1)) == 1 + 1_616


def test_tasks_beyond_what_fits_are_summed() -> None:
    source = toy_source(tasks=1, rows=20_000).model_copy(update={"train": 20_000, "eval": 0})
    sizes = [1 + (n < 4_000) for n in range(16_000)]
    source.tasks = [
        TaskRows(task=f"t{n}", rows=size, tokens=3, train=size, eval=0, test=0) for n, size in enumerate(sizes)
    ]
    (*_, last) = cells(section(page_of(toy_manifest([source])), "composition"), 1)
    assert last[:2] == [f"{16_000 - MOST_TASKS:,} other tasks", f"{20_000 - 8_000 - 1_000:,}"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read": 7}, r"source 'toy': 7 rows read, but \d+ accounted for \(98 to train, 2 to evaluate, \d+ dropped\)"),
        ({"tasks": []}, "source 'toy': 100 rows used, but 0 in its tasks"),
        (
            {"train": 97, "test": 1},
            "source 'toy': 97 rows in train, but 98 of its tasks; .* 1 rows in test, but 0 ",
        ),
        ({"token_histogram": [100]}, r"source 'toy': 100 rows used, but 100 in 1 bins .* should have 14"),
        ({"token_histogram": [1] * 14}, "source 'toy': 100 rows used, but 14 in 14 bins"),
    ],
)
def test_numbers_that_do_not_add_up_are_named(change: dict[str, object], message: str) -> None:
    good, bad = toy_source("good"), toy_source().model_copy(update=change)
    with pytest.raises(ValueError, match=message) as error:
        page_of(toy_manifest([good, bad]))
    assert "'good'" not in str(error.value) and "Run the stage 'mix' again" in str(error.value)


def test_files_with_other_rows_and_a_mix_without_rows_are_errors() -> None:
    manifest = toy_manifest([toy_source()])
    manifest.files[0].rows = 1
    with pytest.raises(ValueError, match=r"train\.jsonl, eval\.jsonl: 3 rows, but the sources gave 100"):
        page_of(manifest)
    with pytest.raises(ValueError, match="no source gave a row"):
        page_of(toy_manifest([]))


def test_rows_to_test_with_are_shown_by_source_and_by_task() -> None:
    page = page_of(manifest_with_test())
    assert "176 to train on, 4 to evaluate with during the training, 20 to test with after it." in page
    *_, train, evaluation, test = cells(section(page, "fates"))
    assert [row[:2] for row in (train, evaluation, test)] == [
        ["used to train", "176"], ["used to evaluate", "4"], ["used to test", "20"],
    ]  # fmt: skip
    head, *tasks = cells(page.split('<h3 id="all-tasks">')[1])
    assert head[3:6] == ["to train", "to evaluate", "to test"]
    assert [[row[0].replace("\u200b", ""), *row[1:6]] for row in tasks] == [
        ["sentiment_swahili", "150", "75.0 %", "133", "2", "15"],
        ["sentiment_hausa", "50", "25.0 %", "43", "2", "5"],
    ]


def test_inputs_with_several_answers_are_shown_with_all_of_them() -> None:
    found = section(page_of(manifest_with_test()), "duplicates")
    assert "6 rows went because their input has several answers" in found
    assert HOSTILE not in found and f"Nzuri {HOSTILE}" in words_of(found) and f"Hasi {HOSTILE}" in words_of(found)


def test_what_was_found_of_a_competition_is_shown() -> None:
    found = section(page_of(manifest_with_test()), "contamination")
    assert "8 rows went because their whole input is that of a row of a competition" in found
    assert cells(found)[1] == ["sentiment_test", "150", "3", "2.0 %", "4"]
    assert "Not checked" not in found and "compared with no evaluation set by runs of shared words" in found


def test_a_competition_of_which_nothing_was_found_is_shown() -> None:
    result = CompetitionResult(name="t", rows=3, hit=0, dropped=0)
    found = section(page_of(toy_manifest([toy_source()], competition_sets=[result])), "contamination")
    assert "0 rows went because" in found and cells(found)[1][:3] == ["t", "3", "0"]


def test_files_of_a_subset_are_listed_and_said_to_hold_rows_again() -> None:
    found = section(page_of(manifest_with_test()), "files")
    assert [row[0] for row in cells(found)[4:]] == ["train-small.jsonl", "eval-small.jsonl", "test-small.jsonl"]
    assert "The rows of a subset (small) are in the files of all rows too." in found


def test_template_counts_in_the_settings_of_the_stage() -> None:
    assert re.fullmatch("[0-9a-f]{64}", template_hashes()["mix.html.j2"])
