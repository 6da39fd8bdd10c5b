"""A manifest -> the dataset card, the README.md with which the folder can be published on the Hugging Face hub.

The words are in `templates/card.md.j2`. `datasets.load_dataset(FOLDER)` reads the folder by the card's front matter.
The fields are named there with their types: left to guess, `datasets` takes texts that look like dates for dates.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from data_prep.mixing.config import ALL_ROWS
from data_prep.mixing.licences import common_licence, warnings_of
from data_prep.mixing.records import Manifest, OutputFile, SourceResult
from data_prep.mixing.sums import SPLITS, check_sums, tasks_of_all
from data_prep.page import share
from data_prep.plots import compact
from oneday.files import sha256_file
from oneday.page import load_template, words
from oneday.records import Example
from oneday.run_paths import stage_input

TEMPLATE = Path(__file__).parents[1] / "templates/card.md.j2"
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "n>1B")
MOST_TASKS = 10  # of a source; the manifest has them all


def render_card(manifest: Manifest, rules: Sequence[str], languages: Sequence[str] = ()) -> str:
    """The card. `rules` are the recipe's in words; `languages` are ISO 639-1 codes, left out where not known.

    ValueError where the numbers do not add up, or a file is of no split.
    """
    check_sums(manifest)
    template = load_template(TEMPLATE, (code, linked, mirror, plain, share, words), html=False)  # see plain
    dropped = sum((Counter(source.dropped) for source in manifest.sources), Counter[str]())
    front = yaml.safe_dump(front_matter(manifest, languages), sort_keys=False, allow_unicode=True, width=1_000)
    return template.render(
        front_matter=front,
        manifest=manifest,
        rules=rules,
        languages=languages,
        read=sum(source.read for source in manifest.sources),
        used=_used(manifest.sources),
        split_of=split_of,
        splits=[split for split in SPLITS if any(getattr(source, split) for source in manifest.sources)],
        tokens=sum(source.tokens for source in manifest.sources),
        compact=compact,
        dropped=sorted(dropped.items(), key=lambda item: (-item[1], item[0])),
        near=bool(manifest.near_duplicates or dropped["near_duplicate"]),
        estimated=manifest.tokens_counted != "every row",
        warnings=warnings_of(manifest.sources),
        largest_tasks=[source for source in manifest.sources if len(source.tasks) > 1],
        most_tasks=MOST_TASKS,
        tasks=tasks_of_all(manifest),
    )


def template_hashes() -> dict[str, str]:
    """The SHA-256 of each file that shapes the card beside the code, for the settings of its stage."""
    return {TEMPLATE.name: sha256_file(TEMPLATE)}


def front_matter(manifest: Manifest, languages: Sequence[str]) -> dict[str, Any]:
    """What the hub and `datasets` read of the card."""
    configs = {subset: _config(subset, manifest.files) for subset in (None, *manifest.subsets)}
    infos = [{"config_name": subset or ALL_ROWS} | info for subset, (_, info) in configs.items()]
    return {
        **({"language": list(languages)} if languages else {}),
        **_licence([source for source in manifest.sources if source.used]),
        "pretty_name": manifest.recipe,
        "size_categories": [size_category(_used(manifest.sources))],
        "task_categories": ["text-generation"],
        "tags": ["oneday", "instruction-tuning"],
        "configs": [{"config_name": subset or ALL_ROWS, "data_files": files} for subset, (files, _) in configs.items()],
        "dataset_info": configs[None][1] if len(configs) == 1 else infos,
    }


def _config(subset: str | None, files: Sequence[OutputFile]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Which files all rows, or those of a subset, are in, and what these hold."""
    own = [file for file in files if file.subset == subset]
    by_split = {split: [file for file in own if split_of(file.name) == split] for split in SPLITS}
    paths = {split: [file.name for file in found] for split, found in by_split.items() if found}
    return (
        [{"split": split, "path": names[0] if len(names) == 1 else names} for split, names in paths.items()],
        {
            "features": [{"name": name, "dtype": "string"} for name in Example.model_fields],
            "splits": [{"name": split, "num_examples": sum(file.rows for file in by_split[split])} for split in paths],
        },
    )


def size_category(rows: int) -> str:
    """The hub's name for a number of rows."""
    return SIZES[min(max(len(str(rows)) - 3, 0), len(SIZES) - 1)]


def _licence(sources: Sequence[SourceResult]) -> dict[str, str]:
    """The one licence of all sources that are used; else 'other', as the hub has no name for several."""
    licences = {source.licence for source in sources}
    common = common_licence(sorted(licences))
    if common is not None:
        return {"license": common}
    if len(licences) > 1:
        return {"license": "other", "license_name": "licences-of-the-sources"}
    name = re.sub(r"[^a-z0-9.]+", "-", sources[0].licence.lower()).strip("-.")
    origins = {source.origin for source in sources if re.match(r"https?://\S+$", source.origin)}
    link = {"license_link": origins.pop()} if len(origins) == 1 else {}
    return {"license": "other", "license_name": name or "not-stated", **link}


def _used(sources: Sequence[SourceResult]) -> int:
    return sum(source.used for source in sources)


def split_of(name: str) -> str:
    """The split of a file: 'train' for train.jsonl and train-00000.parquet."""
    split = re.split(r"[.-]", name)[0]
    if split not in SPLITS:
        raise ValueError(f"the file {name} is of no split; its name must begin with {' or '.join(SPLITS)}")
    return split


def plain(text: str) -> str:
    """A text on one line in which Markdown and HTML see nothing, in a table or out of it."""
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", " ".join(text.split()))


def linked(text: str) -> str:
    """An address as a link, or several with commas between them; any other text plain."""
    parts = text.split(", ")
    return ", ".join(f"<{part}>" if re.fullmatch(r"https?://[^\s<>|\\]+", part) else plain(part) for part in parts)


def mirror(source: SourceResult) -> str:
    """Where a source was read from, if its origin does not show it: a hub id, or what another stage wrote (RUN/...).

    Empty for local files, whose path is nobody else's.
    """
    if source.path is None or source.path in source.origin:
        return ""
    return source.path if source.commit or stage_input(source.path) is not None else ""


def code(text: str) -> str:
    """A name as code, so that nothing in it is read as Markdown; a table's bar is escaped."""
    line = " ".join(text.split()).replace("|", r"\|")
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    room = " " if longest else ""
    return f"{fence}{room}{line}{room}{fence}"
