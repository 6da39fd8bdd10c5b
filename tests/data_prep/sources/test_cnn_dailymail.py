"""CNN/DailyMail, in the schema of abisee/cnn_dailymail, and its real rows."""

from pathlib import Path

from data_prep.sources.example_source import Draft
from tests.data_prep.sources.drafts import SAMPLES, needs_samples, results, results_of_files, settings

ROW = {"article": "LONDON - It rained.", "highlights": "Rain in London .\nMore to come .", "id": "42c0"}


def test_the_highlights_answer_the_article() -> None:
    chosen = settings("cnn_dailymail", instruction="Summarise.")
    draft = Draft("Summarise.", ROW["article"], ROW["highlights"], "cnn_dailymail", "42c0")
    assert results(chosen, ROW, ROW | {"id": None}) == [draft, draft._replace(id="row-2")]


def test_a_row_without_article_or_highlights_is_dropped_by_name() -> None:
    chosen = settings("cnn_dailymail", instruction="Summarise.")
    assert results(chosen, {"id": "1", "article": "x"}, ROW | {"article": 3}) == ["missing_field", "wrong_type"]


@needs_samples
def test_every_real_row_becomes_an_example(tmp_path: Path) -> None:
    chosen = settings("cnn_dailymail", path=str(SAMPLES / "cnn_dailymail"), instruction="Summarise.")
    drafts = results_of_files(chosen, tmp_path)
    assert len({draft.id for draft in drafts if isinstance(draft, Draft) and draft.answer}) == len(drafts) == 155
