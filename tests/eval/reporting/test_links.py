"""Links to a run's files: relative, quoted, and only to what is there."""

from pathlib import Path

from eval.reporting.links import artefact_links
from tests.eval.reporting.toy_run import toy_run


def test_links_lead_from_the_page_to_what_is_there(tmp_path: Path) -> None:
    folder = toy_run(tmp_path / "a run")
    for page in (folder / "09_report/report.html", folder / "report.html", tmp_path / "pages/#1/page.html"):
        links = artefact_links(folder, page)
        assert [link.path for link in links][:2] == ["06_train/model/", "06_train/model/training_log.json"]
        for link in links:
            target = page.parent / link.address.replace("%20", " ").replace("%23", "#")
            page.parent.mkdir(parents=True, exist_ok=True)
            assert target.resolve() == (folder / link.path).resolve() and target.exists()


def test_a_file_that_the_stage_is_about_to_write_is_linked(tmp_path: Path) -> None:
    folder = toy_run(tmp_path)
    paths = [link.path for link in artefact_links(folder, folder / "09_report/report.html", ["09_report/results.json"])]
    assert paths[-1] == "09_report/results.json"
