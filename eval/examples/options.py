"""Command-line options of the commands that read example files and have a model answer them."""

from pathlib import Path
from typing import Annotated

import typer

from eval.examples.answers import Length
from eval.examples.option_answers import AnswerIs
from serve.transformers_engine import Precision

OutFolder = Annotated[Path, typer.Option(help="The folder to write.")]
PromptField = Annotated[str | None, typer.Option(help="The prompt's field.")]
Template = Annotated[Path | None, typer.Option(help="A Jinja template that makes the prompt of a row's fields.")]
AnswerField = Annotated[
    str | None, typer.Option(help="The field of the answer: a text or a list; of options see --answer-is.")
]
AnswerKind = Annotated[
    AnswerIs | None,
    typer.Option(
        help="An option's text, label or number from 0 [default: what all of a file are; a list of 0 and 1 for all "
        "options marks the right ones]."
    ),
]
OptionsFields = Annotated[str | None, typer.Option(help="The field of the options, or one each: ans0,ans1.")]
LabelsField = Annotated[str | None, typer.Option(help="The field of the options' labels.")]
TaskField = Annotated[str | None, typer.Option(help="The task's field [default: task, else the file's name].")]
RecipeOfRows = Annotated[
    Path | None, typer.Option(help="A recipe: its preamble for tasks of Natural Instructions, and its rules.")
]
Rules = Annotated[Path | None, typer.Option(help="A rules.yaml that cleans generated texts.")]
Demonstrations = Annotated[int, typer.Option(min=0, help="Of a task of Natural Instructions.")]
MaxRows = Annotated[int | None, typer.Option(min=1, help="The first rows of each task.")]
LengthOption = Annotated[Length, typer.Option(help="What an option's log-likelihood is divided by.")]
Delimiter = Annotated[
    str | None, typer.Option(help="Between prompt and option [default: a space, none after white space].")
]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Of a generated text.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows at a time.")]
WeightPrecision = Annotated[
    Precision | None, typer.Option(help="Of the weights [default: float32 on CPU, bfloat16 on a GPU].")
]
Resamples = Annotated[int, typer.Option(min=100, help="Of the bootstrap.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the bootstrap.")]
