"""MathInstruct (TIGER-Lab/MathInstruct): maths questions that are reasoned through in words or in programs.

A row has `source` ('data/CoT/gsm_train.json': the kind of reasoning and the subset), `instruction` (the question) and
`output`. Rows are formatted as Birbal published it: the reasoning without GSM8K's '#### 18', then the final answer on
a line of its own.
"""

import re
from collections.abc import Iterator

from data_prep.sources.example_source import Draft, Drop, ExampleSource, Row, licence_of_parts, text_of
from data_prep.sources.mix_config import MathInstruct
from data_prep.sources.row_values import share_of

ANSWER = "The answer is:"
IN_WORDS, IN_PROGRAMS = "CoT", "PoT"
PROGRAM = "print("  # Birbal leaves out the few rows below CoT whose answer is a program
# As the hub's card lists them; of other subsets it lists none.
LICENCES = {
    "gsm_train": "MIT",
    "MATH_train": "MIT",
    "TheoremQA": "MIT",
    "aqua_rat": "Apache-2.0",
    "math50k_camel": "CC BY-NC 4.0",
    "gsm_rft": "none stated",
}
HASHED_ANSWER = re.compile(r"\s*####[^\n]*\Z")


def convert(row: Row, place: str, settings: MathInstruct) -> Iterator[Draft | Drop]:
    """The row as one example, if it is of a wanted subset and reasons in words. Raises Unusable."""
    *folders, file = text_of(row, "source").split("/")
    subset = file.removesuffix(".json")
    question, output = text_of(row, "instruction"), text_of(row, "output")
    if IN_PROGRAMS in folders or PROGRAM in output:
        yield Drop("program_of_thought")
    elif IN_WORDS not in folders or subset not in settings.subsets:
        yield Drop("other_subset")
    else:
        asked = question.lower() if share_of(question, output) < settings.lower_case_share else question
        yield Draft("", asked.strip(), formatted(output), subset, place)


def formatted(output: str) -> str:
    """The answer in the published form; one that does not say 'The answer is:' stays as it is."""
    reasoning, says, final = output.partition(ANSWER)
    if not says:
        return output.strip()
    return f"{HASHED_ANSWER.sub('', reasoning.strip())}\n{says}{final}".strip()


def licence_of(settings: MathInstruct) -> str:
    """The licences of the chosen subsets."""
    return licence_of_parts({subset: LICENCES.get(subset, "none stated") for subset in settings.subsets})


MATH_INSTRUCT = ExampleSource(
    name="math_instruct",
    licence=licence_of_parts(LICENCES),
    remark="Those of the subsets that are used; the collection is MIT.",
    origin="https://huggingface.co/datasets/TIGER-Lab/MathInstruct",
    columns=("source", "instruction", "output"),
    convert=convert,
)
