"""The report in a real browser: the system's Chromium through playwright. Skipped where either is absent."""

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eval.config import Compare
from eval.reporting.page import render_page
from eval.reporting.reported_run import collect_run, read_run_folder
from tests.eval.reporting.toy_run import (
    THREE,
    page_of,
    tell_settings,
    toy_ablation,
    toy_recipe,
    toy_run,
    write,
    write_report,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium and no google-chrome on the PATH")

HOSTILE = '</script><script>window.spoiled = true</script><img src=x onerror="window.spoiled = true"><!-- {{ 7 }}'
ARABIC = "\u0645\u0631\u062d\u0628\u0627 \N{RIGHT-TO-LEFT OVERRIDE}abc"
Row = dict[str, Any]
Open = Callable[..., "Page"]


def rows_of(count: int, words: int) -> list[Row]:
    """So many rows a task, with scores and words drawn at random; the first has text that would like to be markup."""
    drawn = random.Random(0)
    rows = []
    for task in ("boolq", "xsum"):
        for number in range(count):
            text = " ".join(drawn.choices(("river", "Haus", "maji", "42", "why?"), k=words))
            question = {0: HOSTILE, 1: ARABIC}.get(number, f"{text} number {number}")
            for variant in THREE:
                score = drawn.choice((0.0, 0.25, 0.5, 1.0))
                answer = {"answer": ["yes", HOSTILE], "raw": "", "prediction": drawn.choice(("yes", "", HOSTILE))}
                rows.append(
                    {"variant": variant, "task": task, "id": f"{task}-{number}", "input": question, "score": score}
                    | answer
                )
    return rows


def write_page(folder: Path, rows: Sequence[Row], candidate: str = THREE[-1]) -> Path:
    """The page of a toy run that has these rows."""
    toy_run(folder)
    write(folder / "08_eval_score/rows.jsonl", "\n".join(json.dumps(row) for row in rows))
    write(folder / "12_ablate/ablation.json", toy_ablation().model_dump_json())
    write_report(folder / "12_ablate")
    variants = toy_recipe().eval.variants
    run = collect_run("toy", "some/model", 1, variants, Compare(baseline=THREE[0], candidate=candidate), folder)
    write(folder / "report.html", render_page(run, folder / "report.html").html)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium without a window."""
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of(60, 20)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> Path:
    return write_page(tmp_path_factory.mktemp("page"), rows)


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Open]:
    """Opens a file; what the console says, what fails and what is requested besides the file fails the test."""
    said: list[str] = []
    contexts = []

    def open_file(path: Path, width: int = 1440, height: int = 900, **settings: Any) -> "Page":
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda request: said.append(request.url) if request.url not in (path.as_uri(), "data:,") else None,
        )
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []


def count_of(page: "Page") -> int:
    """The number in front of "of ... rows"."""
    return int(page.locator("#example-count").inner_text().split()[0].replace(",", ""))


def outcomes_of(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """(before, after) of each row, counted here by itself."""
    before, after = (
        {row["id"]: row["score"] for row in rows if row["variant"] == name} for name in (THREE[0], THREE[-1])
    )
    return [(before[name], after[name]) for name in before]


WANTED: dict[str, Callable[[float, float], bool]] = {
    "all": lambda before, after: True,
    "right before": lambda before, after: before == 1,
    "right after": lambda before, after: after == 1,
    "wrong before, right after": lambda before, after: before < 1 and after == 1,
    "right before, wrong after": lambda before, after: before == 1 and after < 1,
    "wrong in both": lambda before, after: before < 1 and after < 1,
    "got better": lambda before, after: after > before,
    "got worse": lambda before, after: after < before,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1440])
def test_it_opens_in_silence_and_fits_the_window(open_page: Open, page_file: Path, width: int, scheme: str) -> None:
    page = open_page(page_file, width, color_scheme=scheme)
    assert page.locator("#example-list article").count() == 20
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor").startswith("rgb(24")
    assert light == (scheme == "light")


def test_every_outcome_counts_what_the_rows_say(open_page: Open, page_file: Path, rows: list[Row]) -> None:
    page = open_page(page_file)
    radios = page.locator("input[name=outcome]")
    names = [name.rsplit(" ", 1)[0] for name in page.locator(".chips span").all_inner_texts()]
    assert names == list(WANTED)
    for task in ("", "xsum"):
        page.get_by_role("combobox", name="Task").select_option(task)
        found = outcomes_of([row for row in rows if task in ("", row["task"])])
        for number, wanted in enumerate(WANTED.values()):
            radios.nth(number).check()
            expected = sum(wanted(*pair) for pair in found)
            assert count_of(page) == expected
            assert page.locator(".chips b").nth(number).inner_text() == str(expected)
            assert page.locator("#example-list article").count() == min(expected, 20)


def test_the_search_finds_what_is_in_inputs_answers_references_and_ids(
    open_page: Open, page_file: Path, rows: list[Row]
) -> None:
    page = open_page(page_file)
    box = page.get_by_role("searchbox", name="Text")
    first = [row for row in rows if row["variant"] == THREE[0]]
    for text in ("NUMBER 1", "boolq-5", "</SCRIPT>", "\u0645\u0631\u062d\u0628\u0627", "nowhere to be found"):
        box.fill(text)
        found = [row for row in first if text.lower() in "\n".join((row["input"], HOSTILE, "yes", row["id"])).lower()]
        page.wait_for_function(
            "n => document.querySelector('#example-count').textContent.startsWith(n + ' of')", arg=str(len(found))
        )
    assert "No row is like that" in page.locator("#example-list").inner_text()
    box.fill("number 12")
    page.wait_for_selector("mark")
    assert set(page.locator("mark").all_text_contents()) == {"number 12"}
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('#example-count').textContent.startsWith('120 of')")


def test_orders_begin_with_the_largest_change(open_page: Open, page_file: Path, rows: list[Row]) -> None:
    page = open_page(page_file)
    gains = sorted(after - before for before, after in outcomes_of(rows))
    for order, expected in (("gain", gains[-1]), ("loss", gains[0])):
        page.get_by_role("combobox", name="Order").select_option(order)
        badge = page.locator("#example-list .badge").first.text_content()
        assert badge.endswith(f"({expected:+.3f})".replace("-", "\N{MINUS SIGN}"))


def test_pages_follow_each_other_to_the_last(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file)
    assert page.locator("#example-count").inner_text() == "120 of 120 rows, 1 to 20 shown"
    page.get_by_role("button", name="Next").first.click()
    assert page.locator("#example-count").inner_text().endswith("21 to 40 shown")
    page.get_by_role("button", name="Last page").first.click()
    page.get_by_role("button", name="Next").last.click(force=True)  # it is told to be disabled
    assert page.locator("#example-count").inner_text().endswith("101 to 120 shown")
    assert page.locator("[data-page]").inner_text() == "Page 6 of 6"


def test_a_task_of_the_table_leads_to_its_rows(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file)
    page.locator("input[name=outcome]").nth(3).check()
    page.get_by_role("searchbox", name="Text").fill("nowhere to be found")
    page.locator("#score-table a", has_text="xsum").click()
    assert page.locator("input[name=outcome]:checked").get_attribute("value") == "all"
    assert count_of(page) == 60 and page.url.endswith("#examples")
    assert set(page.locator("#example-list h3").all_text_contents()) == {"xsum"}


def test_the_filters_work_by_keyboard_alone(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.dataset.go"
            )
        )
        if reached[-1] == "outcome":
            page.keyboard.press("ArrowRight")
            assert page.locator("input[name=outcome]:checked").get_attribute("value") == "right_before"
            outline = page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
            assert outline == "solid"
        if reached[-1] == "next":
            break
    after = reached[reached.index("outcome") :]
    assert [name for name in after if name] == [
        "outcome",
        "filter-task",
        "filter-text",
        "filter-order",
        "first",
        "previous",
        "next",
    ]
    before = page.locator("#example-count").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#example-count").inner_text() != before
    assert page.locator("#example-count").get_attribute("aria-live") == "polite"


def test_text_of_the_rows_stays_text(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file)
    assert page.locator("#example-list .input").first.text_content() == HOSTILE
    assert page.evaluate("window.spoiled") is None and page.locator("#example-list img").count() == 0
    assert page.locator("#example-list .input").nth(1).evaluate("node => getComputedStyle(node).direction") == "rtl"


def test_one_variant_is_right_or_wrong(open_page: Open, tmp_path: Path, rows: list[Row]) -> None:
    page = open_page(write_page(tmp_path, rows, candidate=THREE[0]))
    right = sum(before == 1 for before, _ in outcomes_of(rows))
    assert page.locator(".chips span").all_inner_texts() == ["all 120", f"right {right}", f"wrong {120 - right}"]
    assert set(page.locator("#example-list .badge").all_text_contents()) <= {"right", "wrong"}


def test_without_javascript_all_but_the_filters_is_there(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file, java_script_enabled=False)
    assert page.locator("noscript article").count() == 2 and not page.locator("#explorer").is_visible()
    assert page.locator("#score-table").is_visible() and page.locator("svg").count() == 6


def test_on_paper_there_are_no_controls(open_page: Open, page_file: Path) -> None:
    page = open_page(page_file)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible() and not page.locator("#filters").is_visible()
    assert page.locator("#example-list article").first.is_visible()


def test_long_names_of_six_runs_stay_within_their_plots(open_page: Open, tmp_path: Path) -> None:
    folders = [tell_settings(toy_run(tmp_path / f"{number}{'W' * 60}{number}/toy")) for number in range(6)]
    first, *others = [read_run_folder(folder) for folder in folders]
    write(tmp_path / "page.html", render_page(first, tmp_path / "page.html", others).html)
    page = open_page(tmp_path / "page.html", 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    names = page.locator("figure svg text", has_text="WW")
    assert names.count() == 12
    for place in range(12):
        text, frame = names.nth(place).bounding_box(), names.nth(place).locator("xpath=ancestor::figure").bounding_box()
        assert text is not None and frame is not None
        assert frame["x"] <= text["x"] and text["x"] + text["width"] <= frame["x"] + frame["width"]


SCROLL = """async () => {
  const times = [];
  let last = performance.now();
  for (let place = 0; place < document.documentElement.scrollHeight && times.length < 150; place += 120) {
    scrollTo({ top: place, behavior: "instant" });
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - last);
    last = performance.now();
  }
  times.sort((one, other) => one - other);
  return { median: times[times.length >> 1], frames: times.length };
}"""


def test_five_thousand_examples_stay_under_5_mb_and_scroll(open_page: Open, tmp_path: Path) -> None:
    path = write_page(tmp_path, rows_of(2500, 120))
    assert 2_000_000 < path.stat().st_size < 5_000_000
    page = open_page(path, 390, 844)
    assert page.locator("*").count() < 3000  # what a frame costs
    scrolled = page.evaluate(SCROLL)
    assert scrolled["frames"] > 50 and scrolled["median"] <= 50, scrolled
    page.get_by_role("combobox", name="Order").select_option("gain")
    page.get_by_role("button", name="Last page").first.click()
    assert page.locator("#example-count").inner_text() == "5,000 of 5,000 rows, 4,981 to 5,000 shown"
    assert page.locator("#example-list article").count() == 20 and page.locator("*").count() < 3000


def test_sixteen_hundred_tasks_and_a_long_log_stay_under_5_mb_and_scroll_in_their_tables(
    open_page: Open, tmp_path: Path
) -> None:
    tasks = [f"task{number:04}_some_long_name_of_a_task_of_natural_instructions" for number in range(1600)]
    folder = toy_run(tmp_path, tasks=tasks, text="<river> & '\u0645\u0631\u062d\u0628\u0627' " * 8)
    log = [{"step": n, "loss": math.sin(n) + 2, "learning_rate": 1e-4, "seconds": n} for n in range(1, 20_001)]
    write(folder / "06_train/model/training_log.json", json.dumps(log))
    html = page_of(folder)
    assert 4_000_000 < len(html.encode()) <= 5_000_000
    write(folder / "report.html", html)
    page = open_page(folder / "report.html", 390, 844)
    assert page.evaluate("document.documentElement.scrollHeight") < 40_000
    table = page.locator("#score-table")
    assert table.locator("tbody tr").count() == 1602 - 1
    assert page.locator(".scroll.long").first.evaluate("node => node.clientHeight") <= 0.75 * 844
