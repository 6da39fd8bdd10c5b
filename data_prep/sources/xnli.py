"""XNLI (facebook/xnli, config sw) and AfriXNLI (masakhane/afrixnli, configs swa and hau): does one sentence follow?

A row has `premise`, `hypothesis` and `label`: 0 or entailment, 1 or neutral, 2 or contradiction. Rows of the config
all_languages, which hold a sentence in every language, are not read.
"""

from collections.abc import Iterator, Mapping

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, Unusable
from data_prep.sources.mix_config import Xnli
from data_prep.sources.row_values import class_of, composed, filled_text, own_id
from oneday.buzuzu_mavi import ENTAILMENT, entailment_input, task_name


def convert(row: Row, place: str, settings: Xnli) -> Iterator[Draft | Drop]:
    """Both sentences as one input, with the label's word. Raises Unusable."""
    if isinstance(row.get("premise"), Mapping):
        raise Unusable("all_languages_in_one_row")
    text = entailment_input(filled_text(row, "premise"), filled_text(row, "hypothesis"))
    answer = ENTAILMENT[class_of(row, "label", ENTAILMENT)]
    task = task_name("entailment", settings.language)
    yield composed(Draft(settings.instruction, text, answer, task, own_id(row, place)))


XNLI = ExampleSource(
    name="xnli",
    licence="CC BY-NC 4.0",
    remark="As the authors' repository says.",
    origin="https://huggingface.co/datasets/facebook/xnli",
    columns=("premise", "hypothesis", "label"),
    convert=convert,
)
AFRIXNLI = ExampleSource(
    name="xnli",
    licence="Apache-2.0",
    remark="It is translated from XNLI, which is CC BY-NC 4.0.",
    origin="https://huggingface.co/datasets/masakhane/afrixnli",
    columns=XNLI.columns,
    convert=convert,
)
