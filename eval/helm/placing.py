"""Which files a run entry needs, and `place`, which puts them where HELM looks before it downloads.

The folder of data holds the data sets' own files: gsm8k/{train,test}.jsonl, bbq/CATEGORY.jsonl,
truthful_qa/TruthfulQA.csv (or generation.jsonl with the same columns), mmlu/{dev,val,test}/SUBJECT_*.csv,
big_bench/TASK[/SUBTASK]/task.json, cnn_dailymail/, sam_sum/ and corr2cause/{train,test}.jsonl, math/{train,test}.jsonl,
ethics/PART/*.csv, perturbations/ (HELM's own files). The places are read off HELM 0.5.16's scenarios.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from eval.helm import conversions
from eval.helm.conf import AUGMENTATION, Description, RunEntry
from eval.helm.running import OUTPUT, HelmEnvironment

PUNKT = "nltk_data/tokenizers/punkt_tab/english"  # below HELM's environment, where NLTK looks too
BBQ = (
    *("Age", "Disability_status", "Gender_identity", "Nationality", "Physical_appearance", "Race_ethnicity"),
    *("Race_x_SES", "Race_x_gender", "Religion", "SES", "Sexual_orientation"),
)
ETHICS = {
    "commonsense": ("cm", conversions.commonsense),
    "deontology": ("deontology", conversions.deontology),
    "justice": ("justice", conversions.justice),
    "utilitarianism": ("util", conversions.utilitarianism),
    "virtue": ("virtue", conversions.virtue),
}
PERTURBATIONS = (
    "perturbations/dialect/SAE_to_AAVE_mapping.json",
    "perturbations/person_name/data/person_names.txt",
    "perturbations/synonym/wordnet_synonyms.json",
    "perturbations/synonym/corpora/wordnet",
    "perturbations/synonym/corpora/omw-1.4",
)
BIAS_METRICS = ("cnn_dailymail", "sam_sum")  # they need NLTK's punkt_tab
Make = Callable[[Sequence[Path], Path], None]


def _copy(sources: Sequence[Path], target: Path) -> None:
    """A file or a folder as it is."""
    if sources[0].is_dir():
        shutil.copytree(sources[0], target, dirs_exist_ok=True)
    else:
        conversions.copy(sources, target)


@dataclass(frozen=True)
class Need:
    """A file or folder below HELM's output folder, and the files below the data folder that it is made of.

    The first of `sources` whose files are all there is taken. `downloads`: HELM fetches it itself where it can.
    """

    target: str
    sources: tuple[tuple[str, ...], ...]
    make: Make = _copy
    downloads: bool = True

    def available(self, data: Path | None) -> tuple[Path, ...] | None:
        """The files it can be made of, or None."""
        if data is None:
            return None
        found = (tuple(data / name for name in names) for names in self.sources)
        return next((paths for paths in found if all(path.exists() for path in paths)), None)

    def __str__(self) -> str:
        return " or ".join(" and ".join(names) for names in self.sources)


def needs(description: Description, data: Path | None) -> list[Need]:
    """The files of a run entry. Of a scenario that is not known here, none: HELM sees to them."""
    plain: dict[str, Callable[[dict[str, str]], list[Need]]] = {
        **{"gsm": _gsm, "math": _math, "truthful_qa": _truthful_qa, "bbq": _bbq},
        "mmlu": partial(_mmlu, data),
        "big_bench": _big_bench,
    }
    if description.scenario in plain:
        found = plain[description.scenario](description.arguments)
    else:
        found = _instances(description.scenario)
    if description.arguments.get(AUGMENTATION) == "canonical":
        found = [*found, *(Need(name, ((name,),)) for name in PERTURBATIONS)]
    return found


def _gsm(arguments: dict[str, str]) -> list[Need]:
    return [
        Need(f"scenarios/gsm/gsm_data_{split}", ((f"gsm8k/{split}.jsonl",),), conversions.copy)
        for split in ("train", "test")
    ]


def _math(arguments: dict[str, str]) -> list[Need]:
    return [
        Need(f"scenarios/MATH/{split}.jsonl", ((f"math/{split}.jsonl",),), conversions.copy, downloads=False)
        for split in ("train", "test")
    ]


def _truthful_qa(arguments: dict[str, str]) -> list[Need]:
    sources = (("truthful_qa/TruthfulQA.csv",), ("truthful_qa/generation.jsonl",))
    return [Need("scenarios/truthful_qa/data/TruthfulQA.csv", sources, conversions.write_truthful_table)]


def _bbq(arguments: dict[str, str]) -> list[Need]:
    subject = arguments.get("subject", "all")
    return [
        Need(f"scenarios/bbq/data/{name}", ((f"bbq/{name}.jsonl",),), conversions.copy)
        for name in (BBQ if subject == "all" else (subject,))
    ]


def _mmlu(data: Path | None, arguments: dict[str, str]) -> list[Need]:
    """HELM downloads all subjects or, once there is a folder of them, none."""
    names = [f"{split}/{arguments.get('subject')}_{split}.csv" for split in ("dev", "val", "test")]
    downloads = data is None or not (data / "mmlu").exists()
    return [Need(f"scenarios/mmlu/data/{name}", ((f"mmlu/{name}",),), downloads=downloads) for name in names]


def _big_bench(arguments: dict[str, str]) -> list[Need]:
    path = "/".join(filter(None, (arguments.get("task"), arguments.get("subtask"), "task.json")))
    return [Need(f"scenarios/big_bench/{path}", ((f"big_bench/{path}",),))]


def _instances(scenario: str) -> list[Need]:
    """The file of a scenario that eval/helm/plugin.py adds."""
    target = f"scenarios/{scenario}/instances.jsonl"
    part = scenario.removeprefix("ethics_")
    if part != scenario and part in ETHICS:
        stem, read = ETHICS[part]
        sources = ((f"ethics/{part}/{stem}_train.csv", f"ethics/{part}/{stem}_test.csv"),)
        return [Need(target, sources, conversions.instances_from(read), downloads=False)]
    readers = {
        "cnn_dailymail": conversions.articles,
        "sam_sum": conversions.dialogues,
        "corr2cause": conversions.premises,
    }
    if scenario not in readers:
        return []
    folder = f"{scenario}/"
    split: tuple[tuple[str, ...], ...] = ((f"{folder}train.jsonl", f"{folder}test.jsonl"),)
    if scenario == "sam_sum":
        split = (*split, (f"{folder}train.json", f"{folder}test.json"))
    split = (*split, (f"{folder}train.jsonl",))
    return [Need(target, split, conversions.instances_from(readers[scenario]), downloads=False)]


@dataclass
class Sorted:
    """Run entries that can run; what the others lack, by scenario; which entries were put in whose place."""

    ready: list[RunEntry] = field(default_factory=list)
    lacking: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def sort_entries(
    entries: Sequence[RunEntry],
    data: Path | None,
    work: Path | None,
    environment: HelmEnvironment,
    only_with_data: bool,
) -> Sorted:
    """Which entries can run: their files are in `data` or `work`, or HELM can download them (HF_HUB_OFFLINE unset).

    With `only_with_data` HELM is to download nothing, and bbq:subject=all without all its categories becomes an entry
    for each category that is there.
    """
    found = Sorted()
    offline = only_with_data or os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no")
    look = partial(_absent, data=data, work=work, environment=environment, offline=offline)
    for entry in entries:
        parts = entry.parts
        absent = look(parts)
        if not absent:
            found.ready.append(entry)
            continue
        if only_with_data and parts.scenario == "bbq" and parts.arguments.get("subject", "all") == "all":
            single = [entry.with_arguments(subject=name) for name in BBQ]
            single = [one for one in single if not look(one.parts)]
            if single:
                found.ready += single
                found.notes.append(f"bbq:subject=all is run as {len(single)} of its {len(BBQ)} categories, one by one")
                continue
        found.lacking.setdefault(parts.scenario, []).append(f"{entry.description} needs {', '.join(absent)}")
    return found


def _absent(
    parts: Description, data: Path | None, work: Path | None, environment: HelmEnvironment, offline: bool
) -> list[str]:
    """What an entry needs that is not there and cannot be downloaded."""
    absent = [
        str(need)
        for need in needs(parts, data)
        if not _is_placed(need, work) and need.available(data) is None and (offline or not need.downloads)
    ]
    if offline or parts.scenario.startswith("summarization_"):  # spaCy's model HELM downloads, torch it does not
        absent += [f"Python's {name}" for name in _modules(parts) if not environment.has_module(name)]
    if offline and _needs_punkt(parts, data, work) and not (environment.folder / PUNKT).is_dir():
        absent.append(f"NLTK's punkt_tab in {environment.folder / PUNKT}, where `make helm` puts it")
    return absent


def _modules(parts: Description) -> Iterator[str]:
    """Python modules that HELM needs for an entry beyond those of constraints-helm.txt."""
    if parts.scenario.startswith("summarization_"):
        yield from ("bert_score", "summ_eval", "torch")
    if parts.arguments.get(AUGMENTATION) == "canonical":
        yield "en_core_web_sm"


def _is_placed(need: Need, work: Path | None) -> bool:
    return work is not None and (work / OUTPUT / need.target).exists()


def _needs_punkt(parts: Description, data: Path | None, work: Path | None) -> bool:
    """Whether HELM splits texts into words by NLTK for its metrics: BLEU and bias."""
    if parts.scenario != "big_bench":
        return parts.scenario in BIAS_METRICS or parts.scenario == "simple_short_answer_qa"
    (need,) = _big_bench(parts.arguments)
    paths = (work / OUTPUT / need.target,) if work and _is_placed(need, work) else need.available(data)
    return paths is not None and "bleu" in json.loads(paths[0].read_text(encoding="utf-8"))["metrics"]


def place(entries: Sequence[RunEntry], data: Path | None, work: Path) -> None:
    """Put the entries' files into HELM's output folder. ValueError if another file is there already."""
    made: set[str] = set()
    for need in (need for entry in entries for need in needs(entry.parts, data)):
        sources = need.available(data)
        if sources is None or need.target in made:
            continue
        made.add(need.target)
        target = work / OUTPUT / need.target
        if target.is_dir():
            continue
        new = target.with_name(f".{target.name}.new")
        need.make(sources, new)
        if target.exists() and target.read_bytes() != new.read_bytes():
            new.unlink()
            raise ValueError(
                f"{target} was made of other data than {', '.join(map(str, sources))}, and runs of it may be there: "
                "--restart begins anew, --out names another folder"
            )
        new.replace(target)
