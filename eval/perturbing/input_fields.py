"""`InputFields`: rows of any file as eval.examples reads them, with the part of the prompt that may be perturbed.

A list of lettered options at the end of an input is not of it: in HELM the adapter writes it behind the input, and a
typo in the letter of the right option would make the row unanswerable.
"""

from dataclasses import dataclass

from eval.examples.fields import Fields, Row, field_of
from eval.examples.row import ExampleRow
from postprocess.cases import LINE, options_of

USUAL = ("input", "question", "question_stem")  # looked for in this order where no field is named


@dataclass(frozen=True)
class InputFields(Fields):
    """Fields of a row, and those whose texts are its input: what the prompt has from the first one to the last.

    Without names it is the first of the usual fields that the prompt holds; if it holds none, there is no input.
    """

    input: tuple[str, ...] = ()

    def example(self, row: Row, default_task: str, default_id: str) -> ExampleRow:
        """The row with its input. ValueError if a named field is not in the row, or its text not in the prompt."""
        found = super().example(row, default_task, default_id)
        texts = [field_of(row, name, "--input") for name in self.input]
        for name, text in zip(self.input, texts, strict=True):
            if not isinstance(text, str) or not text or text not in found.prompt:
                raise ValueError(f"field '{name}' is {text!r}, which the prompt does not hold; name another by --input")
        usual = [text for text in map(row.get, USUAL) if isinstance(text, str) and text and text in found.prompt]
        return found.model_copy(update={"input": before_options(_span(found.prompt, texts or usual[:1]))})


def before_options(text: str) -> str:
    """The text without the lettered options that end it, each on one line; all of it if it has none or nothing else."""
    found = list(LINE.finditer(text))
    starts = [option.start() for option in found if option["letter"] in "Aa"]
    if not starts or options_of(text[starts[-1] :]) < 2 or "\n" in text[found[-1].start() :].strip():
        return text
    return text[: starts[-1]].rstrip() or text


def _span(prompt: str, texts: list[str]) -> str:
    """What the prompt has from the first text to the last, where the first one stands last; empty without texts."""
    if not texts:
        return ""
    start = prompt.rindex(texts[0])
    last = prompt.find(texts[-1], start)
    if last < 0:
        raise ValueError("the fields named by --input stand in another order in the prompt; name them in that order")
    return prompt[start : last + len(texts[-1])]
