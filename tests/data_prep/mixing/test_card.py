"""The dataset card: read by the hub's own library, and by `datasets` as a folder, offline."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from data_prep.mixing.card import code, linked, plain, render_card, size_category, template_hashes
from data_prep.mixing.records import EvalSetResult, Manifest, OutputFile
from data_prep.mixing.sums import SPLITS
from oneday.files import write_jsonl
from oneday.records import Example
from tests.data_prep.mixing.toy_manifest import HOSTILE, birbal_manifest, manifest_with_test, toy_manifest, toy_source

RULES = ["An input has 5 to 799 words.", "Near-duplicates are not looked for."]


def front_of(card: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", card, flags=re.DOTALL)
    assert found is not None
    front: dict[str, Any] = yaml.safe_load(found[1])
    return front


@pytest.fixture(scope="module")
def card() -> str:
    return render_card(birbal_manifest(), RULES, ["en"])


def test_the_hub_s_library_reads_the_front_matter(card: str) -> None:
    from huggingface_hub import DatasetCard, DatasetCardData

    read = DatasetCard(card)
    assert isinstance(read.data, DatasetCardData)
    data = read.data.to_dict()
    assert data["language"] == ["en"] and data["license"] == "other"
    assert data["license_name"] == "licences-of-the-sources"
    assert data["size_categories"] == ["100K<n<1M"] and data["task_categories"] == ["text-generation"]
    assert "oneday" in data["tags"] and data["pretty_name"] == "mistral-7b-birbal"
    assert read.text.lstrip().startswith("# mistral-7b-birbal") and str(DatasetCard(str(read))) == str(read)


def test_unknown_languages_are_left_out_and_said_to_be_so() -> None:
    card = render_card(toy_manifest([toy_source()]), RULES)
    assert "language" not in front_of(card) and "The languages of the rows were not determined." in card
    assert front_of(render_card(toy_manifest([toy_source()]), RULES, ["no", "en"]))["language"] == ["no", "en"]


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["MIT", "MIT License"], {"license": "mit"}),
        (["MIT", "CC BY 4.0"], {"license": "other", "license_name": "licences-of-the-sources"}),
        (
            ["Our own, 1.0"],
            {"license": "other", "license_name": "our-own-1.0", "license_link": "https://example.org/toy"},
        ),
        ([""], {"license": "other", "license_name": "not-stated", "license_link": "https://example.org/toy"}),
    ],
)
def test_one_known_licence_is_named_and_all_else_is_other(licences: list[str], expected: dict[str, str]) -> None:
    sources = [toy_source(f"source-{n}", licence) for n, licence in enumerate(licences)]
    front = front_of(render_card(toy_manifest(sources), RULES))
    assert {key: value for key, value in front.items() if key.startswith("license")} == expected


def test_a_source_of_which_nothing_is_used_does_not_count_for_the_licence() -> None:
    unused = toy_source("unused", "CC BY-NC 4.0").model_copy(
        update={
            "train": 0,
            "eval": 0,
            "test": 0,
            "tasks": [],
            "token_histogram": [0] * 14,
            "dropped": {"over_budget": 9},
            "read": 9,
        }
    )
    assert front_of(render_card(toy_manifest([toy_source(), unused]), RULES))["license"] == "mit"


def test_non_commercial_and_unstated_licences_are_pointed_out(card: str) -> None:
    assert "**Non-commercial:** `lima`, `open_platypus`." in card and "**Not stated:** `open_platypus`." in card
    assert "**Differs by task:** `natural_instructions`. Each task keeps the licence of its data set" in card
    card = render_card(toy_manifest([toy_source("mine", "unknown")]), RULES)
    assert "**Not stated:** `mine`." in card and "**Non-commercial" not in card and "**Differs" not in card


def test_a_remark_is_shown_and_not_judged(card: str) -> None:
    assert "| `openbookqa` | Apache-2.0 | The hub's card states none. | <https://hugging" in card
    assert "**Not stated:** `openbookqa`" not in card and ", `openbookqa`" not in card


def test_the_path_is_shown_only_of_a_hub_data_set_whose_origin_is_another(card: str) -> None:
    assert "<https://huggingface.co/datasets/GAIR/lima>, read from `hub/lima` |" in card
    assert "allenai/openbookqa> |" in card and "data/quac" not in card
    assert "| <https://quac.ai>, <https://huggingface.co/datasets/allenai/quac> | SHA-256" in card


@pytest.mark.parametrize(
    ("rows", "category"),
    [(1, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (200_000, "100K<n<1M"), (10**9, "n>1B"), (10**12, "n>1B")],
)
def test_size_is_the_hub_s_category(rows: int, category: str) -> None:
    assert size_category(rows) == category


def test_card_tells_composition_making_and_evaluation_sets(card: str) -> None:
    assert "| `natural_instructions` | 101,240 | 50.4 % | 99,216 | 2,024 | 34,914,689 | 40.5 % | 454 |" in card
    assert "| source | rows | share | train | eval | tokens | share | tasks |" in card
    assert "| all | 200,685 | 100.0 % | 196,673 | 4,012 |" in card and "about 86.1M tokens, from 7 sources" in card
    assert "The 10 largest tasks of `natural_instructions`" in card and "The tasks of `math_instruct`" in card
    assert "- An input has 5 to 799 words." in card and "seed 42" in card
    assert "| dropped: near duplicate | 35,657 |" in card and "| left | 200,685 |" in card
    assert "| its rows | too short | found |" in card
    assert "are found only if they are the whole input of a row; more fields in the recipe make them longer." in card
    assert "| `mmlu` | 14,042 | 310 | 118 | 164 |" in card and "Not checked" not in card
    assert "<https://huggingface.co/datasets/GAIR/lima>, read from `hub/lima` | `" + "01" * 20 + "` |" in card
    assert "SHA-256 `" + "c3" * 32 in card


def test_drops_of_the_card_add_up(card: str) -> None:
    numbers = {
        name: int(count.replace(",", ""))
        for name, count in re.findall(r"\| (read|left|dropped: .*?) \| ([\d,]+) \|", card)
    }
    dropped = sum(count for name, count in numbers.items() if name.startswith("dropped"))
    assert numbers["read"] == numbers["left"] + dropped and dropped > 0


def test_every_field_of_a_row_is_explained(card: str) -> None:
    fields = re.findall(r"^\| `(\w+)` \|", card.split("## Fields")[1].split("## ")[0], flags=re.MULTILINE)
    assert fields == list(Example.model_fields)
    assert [field["name"] for field in front_of(card)["dataset_info"]["features"]] == fields


def test_a_mix_that_was_not_compared_says_so() -> None:
    card = render_card(toy_manifest([toy_source()]), RULES)
    assert "**Not checked.**" in card and "Evaluation sets are looked for" not in card


def test_every_table_has_rows_of_one_width(card: str) -> None:
    source = toy_source(HOSTILE, HOSTILE, HOSTILE, tasks=3)
    source.dropped, source.read, source.commit, source.remark = {HOSTILE: 5}, 105, HOSTILE, HOSTILE
    found = EvalSetResult(name=HOSTILE, rows=1, unchecked=0, hit=1, dropped=1, examples=[])
    hostile = render_card(toy_manifest([source], recipe=HOSTILE, tokenizer=HOSTILE, eval_sets=[found]), [HOSTILE])
    for text, number in ((card, 6), (hostile, 7)):
        tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
        assert len(tables) == number
        for table in tables:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert front_of(hostile)["pretty_name"] == HOSTILE


def test_texts_are_escaped_and_stay_on_one_line() -> None:
    assert plain("a_b*c\n# <b> | [x](y)") == r"a\_b\*c \# \<b\> \| \[x\](y)"
    assert code("a`b") == "`` a`b ``" and code("a|b\n`` c") == "``` a\\|b `` c ```" and code("task_1") == "`task_1`"
    assert linked("https://example.org/a?b=c") == "<https://example.org/a?b=c>"
    assert linked("https://a.org, or b.org") == "<https://a.org>, or b.org"
    assert linked("https://example.org/ <x>") == r"https://example.org/ \<x\>"


def test_a_file_of_no_split_is_an_error() -> None:
    manifest = toy_manifest([toy_source()])
    manifest.files[1].name = "dev.jsonl"
    with pytest.raises(ValueError, match=r"dev\.jsonl is of no split; its name must begin with train or eval or test"):
        render_card(manifest, RULES)


def test_numbers_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(ValueError, match="source 'toy': 7 rows read"):
        render_card(toy_manifest([toy_source().model_copy(update={"read": 7})]), RULES)


def test_a_card_states_the_rows_to_test_with_by_source_and_by_task() -> None:
    card = render_card(manifest_with_test(), RULES)
    assert "| source | rows | share | train | eval | test | tokens | share | tasks |" in card
    assert "| `tweets` | 100 | 50.0 % | 88 | 2 | 10 |" in card
    assert "| `sentiment_swahili` | 150 | 75.0 % | 133 | 2 | 15 |" in card
    assert "| `sentiment_hausa` | 50 | 25.0 % | 43 | 2 | 5 |" in card
    assert "Both are drawn from the same sources" in card


def test_a_card_lists_the_files_of_a_subset_as_a_configuration_of_its_own() -> None:
    card = render_card(manifest_with_test(), RULES)
    assert "| train, only small | 88 | `train-small.jsonl` |" in card
    assert 'load_dataset("PATH", "small")' in card
    front = front_of(card)
    names = {config["config_name"]: [file["path"] for file in config["data_files"]] for config in front["configs"]}
    assert names["default"] == ["train.jsonl", "eval.jsonl", "test.jsonl"]
    assert names["small"] == ["train-small.jsonl", "eval-small.jsonl", "test-small.jsonl"]
    infos = {info["config_name"]: [split["num_examples"] for split in info["splits"]] for info in front["dataset_info"]}
    assert infos == {"default": [176, 4, 20], "small": [88, 2, 10]}


def test_a_card_states_what_was_found_of_a_competition() -> None:
    card = render_card(manifest_with_test(), RULES)
    assert "| `sentiment_test` | 150 | 3 | 4 |" in card
    assert "Not checked" not in card


def test_subset_files_that_do_not_add_up_are_an_error() -> None:
    manifest = manifest_with_test()
    manifest.files[-1].rows = 9
    with pytest.raises(ValueError, match=r"test-small\.jsonl: 99 rows, but the sources gave 100"):
        render_card(manifest, RULES)


def rows_like_dates(count: int) -> list[Example]:
    """Rows that `datasets` takes for dates if it is left to guess."""
    return [
        Example(question=f"When? {n}", answer="2020-01-02 03:04:05" if n < 90 else "never", source="toy", task="toy",
                id=f"2021-05-05 00:00:{n % 60:02}", input="العاصمة 京 \U0001f600" if n % 2 else "")
        for n in range(count)
    ]  # fmt: skip


def manifest_of(form: str) -> Manifest:
    files = [
        OutputFile(name=f"{part}.{form}", rows=rows, bytes=1, sha256="0") for part, rows in (("train", 98), ("eval", 2))
    ]
    return toy_manifest([toy_source()], files=files)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_datasets_loads_the_folder_by_its_card(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    folder, rows = tmp_path / "05_mix", rows_like_dates(100)
    folder.mkdir()
    for name, part in (("train", rows[:98]), ("eval", rows[98:])):
        if form == "jsonl":
            write_jsonl(folder / f"{name}.jsonl", part)
        else:
            pl.DataFrame([row.model_dump() for row in part]).write_parquet(folder / f"{name}.parquet")
    (folder / "README.md").write_text(render_card(manifest_of(form), RULES), encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    (folder / "report.html").write_text("<p>", encoding="utf-8")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 98, "eval": 2}
    assert [Example(**row) for row in loaded["train"]] == rows[:98]
    assert [Example(**row) for row in loaded["eval"]] == rows[98:]


def test_datasets_loads_a_subset_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    manifest, folder = manifest_with_test(), tmp_path / "05_mix"
    for file in manifest.files:
        write_jsonl(folder / file.name, rows_like_dates(file.rows))
    (folder / "README.md").write_text(render_card(manifest, RULES), encoding="utf-8")
    for name, rows in ((None, [176, 4, 20]), ("small", [88, 2, 10])):
        loaded = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
        assert {split: len(own) for split, own in loaded.items()} == dict(zip(SPLITS, rows, strict=True))


def test_card_is_the_same_bytes_again(card: str) -> None:
    assert render_card(birbal_manifest(), RULES, ["en"]) == card
    assert re.fullmatch("[0-9a-f]{64}", template_hashes()["card.md.j2"])
