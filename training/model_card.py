"""A finished training, read back and checked -> the model card, the README.md with which the hub shows the model.

The words are in `templates/model_card.md.j2`. Every number is out of a file of the run; what no file holds is said to
be absent. The front matter is built by huggingface_hub's own classes; nothing here asks the network.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from data_prep.mixing.card import code, linked, mirror, plain
from data_prep.mixing.licences import Warned, common_licence, restrictions
from data_prep.mixing.records import Manifest, SourceResult
from data_prep.mixing.rules import rules_in_words
from data_prep.mixing.sums import check_sums
from data_prep.page import share
from eval.reporting.page import duration
from eval.reporting.results import Results, Training, machine_lines
from eval.table import best_of, by_kind, label, percent, span, verdict
from oneday.files import read_json, sha256_file
from oneday.page import METRICS, load_template, words
from oneday.prompt import build_prompt
from oneday.recipe import Recipe, data_files, find_data_file, load_recipe, training_files
from oneday.stage import Report, StageError, read_report
from training.merging.merged_model import RECORD, MadeFrom
from training.merging.parity_record import PARITY, Parity, table
from training.run_record import RunRecord
from training.running.checkpoints import read_start, start_record
from training.train import settings_for
from training.train_file import TRAIN_FILE, load_train_file

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TEMPLATE = Path(__file__).parent / "templates/model_card.md.j2"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WEIGHTS = re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors")
MOST = 20  # names in a list of tasks
Kind = Literal["adapter", "merged", "full"]
# The hub knows adapter, finetune, merge and quantized; its `merge` is one of several models, which this is not.
RELATIONS: dict[Kind, str] = {"adapter": "adapter", "merged": "finetune", "full": "finetune"}
METRIC_IDS = {"accuracy": "accuracy", "rouge_l_f": "rouge"}  # as the hub calls them
ADVICE = {
    "non-commercial": "The licence, or that of a part, allows no commercial use.",
    "not stated": "All or a part has no stated licence. Ask the authors before you publish.",
    "differs by task": "Each task has that of its data set; some may allow no commercial use, some may state none.",
    "not recorded": "No file of the run states the licence. Look it up on the model's page.",
}


@dataclass(frozen=True)
class Base:
    """The base model. `hub_id` is None where only a folder or a package is known, `licence` where nothing states it."""

    name: str
    hub_id: str | None
    origin: str
    licence: str | None
    licence_source: str


@dataclass(frozen=True)
class Facts:
    """Everything that a card states; what is None was not recorded. `files` are names with their bytes."""

    repo_id: str
    recipe: Recipe
    kind: Kind
    base: Base
    manifest: Manifest
    log: Training
    train_report: Report | None
    run: RunRecord | None
    results: Results | None
    merge: MadeFrom | None
    parity: Parity | None
    task_licences: Mapping[str, str]
    files: Sequence[tuple[str, int]] = ()

    @property
    def used(self) -> list[SourceResult]:
        """The sources that gave a row."""
        return [source for source in self.manifest.sources if source.used]

    @property
    def trained_by_recipe(self) -> bool:
        """Whether run.py trains by this Axolotl file; a variant is for Axolotl's own command line."""
        return self.recipe.train.path.name == training_files(self.recipe.folder)[1].name

    @property
    def sampled(self) -> list[dict[str, Any]]:
        """Task, rows and licence of each task of the stage sample that gave a row, where its licence was recorded."""
        tasks = [task for source in self.used if source.source == "sampled" for task in source.tasks]
        known = self.task_licences
        return [task.model_dump() | {"licence": known[task.task]} for task in tasks if task.task in known]


def find_recipe(path: Path, run_dir: Path | None) -> tuple[Recipe, Path]:
    """The recipe with the data file that its mix was made with, and its run folder.

    `path` is a recipe folder, or one of its data or train files. StageError if the data settings changed since.
    """
    named = path if path.is_file() and TRAIN_FILE.fullmatch(path.name) else None
    folder = path.parent if named else path
    candidates = (data_files(folder) if folder.is_dir() else [find_data_file(folder)]) or [folder]
    recipes = [load_recipe(candidate) for candidate in candidates]
    run_dir = run_dir or recipes[0].default_out
    made = read_report(run_dir / "05_mix/report.json").start.config
    for recipe in recipes:
        if recipe.data.mix.model_dump(mode="json") == made["mix"] and recipe.data.preamble == made["preamble"]:
            return (replace(recipe, train=load_train_file(named)) if named else recipe), run_dir
    now = f"{' and '.join(str(recipe.folder / recipe.data_file) for recipe in recipes)} now says"
    raise StageError(f"{run_dir / '05_mix'} was made with other settings than {now}: restore that, or run it again")


def trained_model(recipe: Recipe, run_dir: Path) -> Path:
    """The folder of the recipe's training. StageError unless it is finished, and made with what the recipe now says."""
    _, settings = settings_for(recipe, run_dir)
    model_dir = Path(settings["output_dir"])
    earlier, now = read_start(model_dir), start_record(settings)
    if earlier is None or not earlier.get("finished"):
        raise StageError(f"{model_dir} holds no finished training; run: python run.py {recipe.folder} --until train")
    if not Path(recipe.base_model).is_dir():
        del now["base_model"]  # of a local folder that is gone, nothing can be said
    if changed := [key.replace("_", " ") for key, value in now.items() if earlier.get(key) != value]:
        raise StageError(
            f"{model_dir} was trained with other {' and '.join(changed)} than {recipe.train.path} now says: "
            "restore the recipe and its run folder, or train again"
        )
    return model_dir


def merged_model(run_dir: Path, adapter: Path) -> tuple[Path, MadeFrom, Parity | None]:
    """The merged model's folder, its record, and how it compares. StageError unless it was made from this adapter."""
    folder = run_dir / "10_merge/model"
    if not (folder / RECORD).is_file():
        raise StageError(f"{folder} holds no merged model; run python -m training.merge, or leave out --merged")
    record = read_json(folder / RECORD, MadeFrom)
    if record.adapter_sha256 != sha256_file(adapter / "adapter_model.safetensors"):
        raise StageError(f"{folder} was made from another adapter than {adapter}; run python -m training.merge again")
    compared = run_dir / "10_merge" / PARITY
    return folder, record, read_json(compared, Parity) if compared.is_file() else None


def results_of(run_dir: Path, model_dir: Path) -> Results | None:
    """The results of the evaluation of this model; None if there are none. StageError if they are of another model."""
    path = run_dir / "09_report/results.json"
    if not path.is_file() or model_dir.resolve() != (run_dir / "06_train/model").resolve():
        return None
    known = {f"06_train/model/{file.name}": sha256_file(file) for file in weights(model_dir)}
    for folder in ("07_generate", "08_eval_score", "09_report"):
        report = read_report(run_dir / folder / "report.json")
        for name, digest in report.start.inputs.items():
            if known.get(name, digest) != digest:
                raise StageError(f"{path} is of an earlier {name}: run the recipe again, or move {path.parent} away")
        known |= {f"{folder}/{name}": digest for name, digest in report.outputs.items()}
    return read_json(path, Results)


def weights(folder: Path) -> list[Path]:
    """The files of a folder that hold the weights of a model or an adapter."""
    return sorted(path for path in folder.glob("*.safetensors") if WEIGHTS.fullmatch(path.name))


def base_of(settings: Mapping[str, Any], hub_id: str | None = None, licence: str | None = None) -> Base:
    """The base model that a train.yaml names. `hub_id` and `licence` are the user's word; they win over the files'."""
    path, package = str(settings["base_model"]), settings.get("oneday_base_model_from")
    stated, source = None, ""  # of a hub id: no file of the run states it
    if package is not None:
        name, _, file = str(package).partition(":")
        origin, stated, source = f"unpacked from {file} of the Python package {name}", *_package_licence(name)
    elif Path(path).is_dir() or not HUB_ID.fullmatch(path):
        origin, stated, source = "a local folder", _readme_licence(Path(path)), "as the model's own README states"
    else:
        hub_id = hub_id or path
        origin = f"revision {settings['revision_of_model']}" if settings.get("revision_of_model") else ""
    if licence is not None:
        stated, source = licence, "as the publisher states"
    return Base(hub_id or Path(path).name, hub_id, origin, stated, source)


def _package_licence(package: str) -> tuple[str | None, str]:
    try:
        about = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None, ""
    named = [about[key] for key in ("License-Expression", "License") if key in about]
    return (named[0] if named else None), f"as {package} {about['Version']} states"


def _readme_licence(folder: Path) -> str | None:
    """The licence in the front matter of a local model's card, if it has one that can be read."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
        front = re.match(r"---\r?\n(.*?)\n---", text, flags=re.DOTALL)
        values = yaml.safe_load(front[1]) if front else None
    except (FileNotFoundError, yaml.YAMLError):
        return None
    found = values.get("license_name") or values.get("license") if isinstance(values, dict) else None
    return str(found) if found else None


def licence_warnings(facts: Facts) -> list[Warned]:
    """What to heed of the licences of base model and data before publishing; empty if nothing is known against it."""
    base = facts.base
    found = [(base.name, restrictions(base.licence) if base.licence is not None else ["not recorded"])]
    found += [(source.name, restrictions(source.licence)) for source in facts.used]
    found += [(task["task"], restrictions(task["licence"])) for task in facts.sampled]
    named = {restriction: [name for name, own in found if restriction in own] for restriction in ADVICE}
    more = {key: [f"{len(names) - MOST} more"] * (len(names) > MOST) for key, names in named.items()}
    return [Warned(key, ADVICE[key], names[:MOST] + more[key]) for key, names in named.items() if names]


def licence_fields(facts: Facts) -> dict[str, str]:
    """The one licence that base model and data share; else `other`, because the hub has no name for several."""
    licences = {facts.base.licence or "", *(source.licence for source in facts.used)}
    if (common := common_licence(sorted(licences))) is not None:
        return {"license": common}
    link = f"https://huggingface.co/{facts.repo_id}#licences"
    return {"license": "other", "license_name": "licences-of-base-model-and-data", "license_link": link}


def front_matter(facts: Facts) -> "ModelCardData":
    """What the hub reads of the card."""
    from huggingface_hub import ModelCardData

    results, adapter = list(eval_results(facts)), facts.recipe.train.values.get("adapter")
    fields: dict[str, Any] = dict(licence_fields(facts))
    if (language := facts.recipe.data.mix.language) is not None:
        fields |= {"language": language.keep}
    if facts.base.hub_id is not None:
        fields |= {"base_model": facts.base.hub_id, "base_model_relation": RELATIONS[facts.kind]}
    return ModelCardData(
        **fields,
        library_name="peft" if facts.kind == "adapter" else "transformers",
        pipeline_tag="text-generation",
        datasets=sorted({source.path for source in facts.used if source.path and source.commit}) or None,
        metrics=sorted({result.metric_type for result in results}) or None,
        tags=["axolotl", *([str(adapter)] if adapter else []), "oneday"],
        model_name=facts.repo_id.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )


def eval_results(facts: Facts) -> "Iterator[EvalResult]":
    """Each score of this model, none of the base's, for the hub's `model-index`; rounded to four decimals."""
    from huggingface_hub import EvalResult

    tasks = by_kind(facts.results.scores) if facts.results is not None else []
    for task, variant in product(tasks, facts.recipe.eval.variants):
        if variant.model == "tuned":
            yield EvalResult(
                task_type="text-generation",
                dataset_type=task.task,
                dataset_name=f"{task.task}, {task.rows} held-out rows",
                metric_type=METRIC_IDS[task.metric],
                metric_name=f"{METRICS[task.metric]}, {label(variant.name)}",
                metric_value=round(task.scores[variant.name], 4),
            )


def prompt_lines(preamble: str) -> list[str]:
    """A prompt of the form that the model was trained on, with placeholders, as lines of Python strings."""
    blocks = re.split(r"(?<=\n\n)", build_prompt(preamble, "INSTRUCTION", "INPUT"))
    return [json.dumps(block, ensure_ascii=False) for block in blocks]


def render_model_card(facts: Facts) -> str:
    """The whole card. ValueError where the numbers of the mix do not add up."""
    check_sums(facts.manifest)
    filters = (code, linked, mirror, plain, share, words)
    functions = (best_of, by_kind, duration, label, percent, span)
    template = load_template(TEMPLATE, filters, functions, html=False)  # see plain
    recipe, trained = facts.recipe, facts.run or facts.train_report
    dropped = sum((Counter(source.dropped) for source in facts.manifest.sources), Counter[str]())
    compare = (recipe.eval.compare.baseline, recipe.eval.compare.candidate)
    text = template.render(
        facts=facts,
        front_matter=front_matter(facts).to_yaml(),
        metrics=METRICS,
        most=MOST,
        settings=recipe.train.values,
        hardware=machine_lines([trained.hardware])[0] if trained is not None else "not recorded",
        versions=trained.versions if isinstance(trained, RunRecord) else trained.start.versions if trained else {},
        prompt_lines=prompt_lines(recipe.data.preamble),
        dropped=sorted(dropped.items(), key=lambda item: (-item[1], item[0])),
        rules=rules_in_words(recipe.data.mix),
        verdict=verdict(facts.results.scores, compare) if facts.results is not None else [],
        parity=table(facts.parity).replace("\n* ", "\n\\* ") if facts.parity is not None else None,
        warnings=licence_warnings(facts),
    )
    return re.sub(r"\n+(?=## )|\n{3,}", "\n\n", text.rstrip()) + "\n"
