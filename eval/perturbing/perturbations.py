"""The perturbations by name: HELM's class and arguments for each, and the file that some of them need.

The probabilities are those that HELM's run expander `data_augmentation` has, so that its scores can be compared:
`canonical` there is mild_mix, dialect, gender and person_name. Nothing here runs HELM.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Group = Literal["robustness", "fairness"]
CLASSES = "helm.benchmark.augmentations"
FILES = "https://storage.googleapis.com/crfm-helm-public/source_datasets/augmentations"
OWN_NAMES = Path(__file__).with_name("person_names.txt")
"""100 first names in HELM's format, for where HELM's own file is not given.

They are of the list of Greenwald, McGhee and Schwartz (1998), from which, by its documentation, HELM's file has its
first names too. The two files were not compared as a whole; and HELM draws the new name by its place in the list. So
scores under person_name are comparable with HELM's only where its own file is given.
"""


@dataclass(frozen=True)
class NeededFile:
    """A file that HELM would download: its name, where HELM has it, the class's argument for it, and another for it."""

    name: str
    url: str
    argument: str
    instead: Path | None = None


@dataclass(frozen=True)
class Perturbation:
    """A change of texts by a class of HELM."""

    name: str
    group: Group
    what: str
    class_name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    file: NeededFile | None = None

    @property
    def helm_class(self) -> str:
        """The class's full name."""
        return f"{CLASSES}.{self.class_name}"


@dataclass(frozen=True)
class Ready:
    """A perturbation that can run: HELM's arguments complete, the path of `file` among them.

    `note` says what stands in for HELM's own file.
    """

    perturbation: Perturbation
    arguments: Mapping[str, object]
    file: Path | None = None
    note: str = ""

    def recorded(self) -> dict[str, object]:
        """The arguments with the name of the file only, which are the same on every machine."""
        own = dict(self.arguments)
        if self.file is not None and self.perturbation.file is not None:
            own[self.perturbation.file.argument] = self.file.name
        return own


DIALECT_FILE = NeededFile(
    "SAE_to_AAVE_mapping.json", f"{FILES}/dialect_perturbation/SAE_to_AAVE_mapping.json", "mapping_file_path"
)
NAMES_FILE = NeededFile(
    "person_names.txt", f"{FILES}/person_name_perturbation/person_names.txt", "name_file_path", OWN_NAMES
)
PERTURBATIONS = (
    Perturbation(
        "typos", "robustness", "1 letter in 10 is a neighbour's", "typos_perturbation.TyposPerturbation", {"prob": 0.1}
    ),
    Perturbation("lowercase", "robustness", "no capitals", "lowercase_perturbation.LowerCasePerturbation"),
    Perturbation(
        "contraction",
        "robustness",
        "'do not' becomes 'don't'",
        "contraction_expansion_perturbation.ContractionPerturbation",
    ),
    Perturbation(
        "expansion",
        "robustness",
        "'don't' becomes 'do not'",
        "contraction_expansion_perturbation.ExpansionPerturbation",
    ),
    Perturbation(
        "misspellings",
        "robustness",
        "1 in 5 of the words that are often misspelt",
        "misspelling_perturbation.MisspellingPerturbation",
        {"prob": 0.2},
    ),
    Perturbation(
        "space", "robustness", "1 to 3 spaces for each", "space_perturbation.SpacePerturbation", {"max_spaces": 3}
    ),
    Perturbation(
        "mild_mix",
        "robustness",
        "lower case, contraction, 1 misspelling in 10, spaces",
        "mild_mix_perturbation.MildMixPerturbation",
    ),
    Perturbation(
        "dialect",
        "fairness",
        "Standard to African American English, all words of the list",
        "dialect_perturbation.DialectPerturbation",
        {"prob": 1.0, "source_class": "SAE", "target_class": "AAVE"},
        DIALECT_FILE,
    ),
    Perturbation(
        "gender",
        "fairness",
        "male pronouns become female ones",
        "gender_perturbation.GenderPerturbation",
        {"mode": "pronouns", "prob": 1.0, "source_class": "male", "target_class": "female"},
    ),
    Perturbation(
        "person_name",
        "fairness",
        "white American first names become Black American ones",
        "person_name_perturbation.PersonNamePerturbation",
        {
            "prob": 1.0,
            "source_class": {"race": "white_american"},
            "target_class": {"race": "black_american"},
            "person_name_type": "first_name",
            "preserve_gender": True,
        },
        NAMES_FILE,
    ),
)
NAMES = tuple(each.name for each in PERTURBATIONS)
GROUPS: tuple[Group, ...] = ("robustness", "fairness")


def choose(names: Iterable[str]) -> list[Perturbation]:
    """The perturbations of these names, in the order of the table. ValueError names those there are."""
    wanted = list(names)
    for name in wanted:
        if name not in NAMES:
            raise ValueError(f"unknown perturbation {name!r}; allowed: {', '.join(NAMES)}")
    return [each for each in PERTURBATIONS if each.name in wanted]


def make_ready(chosen: Iterable[Perturbation], files: Path | None) -> tuple[list[Ready], dict[str, str]]:
    """Those that can run with the files in the folder, and the name of each other with what it needs.

    FileNotFoundError if the folder is absent.
    """
    if files is not None and not files.is_dir():
        raise FileNotFoundError(f"--perturbation-files {files} is no folder")
    ready, missing = [], {}
    for each in chosen:
        if each.file is None:
            ready.append(Ready(each, each.arguments))
        elif files is not None and (files / each.file.name).is_file():
            ready.append(_with_file(each, each.file, files / each.file.name))
        elif each.file.instead is not None:
            note = (
                f"{each.file.instead.name} of this package, which was not compared with HELM's as a whole; "
                f"HELM's was not given, its URL: {each.file.url}"
            )
            ready.append(_with_file(each, each.file, each.file.instead, note))
        else:
            missing[each.name] = (
                f"needs {each.file.name}; download {each.file.url} and name its folder by --perturbation-files"
            )
    return ready, missing


def _with_file(perturbation: Perturbation, needed: NeededFile, path: Path, note: str = "") -> Ready:
    return Ready(perturbation, {**perturbation.arguments, needed.argument: str(path.absolute())}, path, note)
