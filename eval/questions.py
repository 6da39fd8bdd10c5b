"""A row of the challenge to answer, and a model's answer to it: what answering, scoring and submitting share."""

from pydantic import BaseModel

from oneday.buzuzu_mavi import Language, TaskKind


class Question(BaseModel):
    """`prompt` is the whole prompt, as in training. `reference` is the right label word or translation, if known."""

    kind: TaskKind
    language: Language
    id: str
    prompt: str
    reference: str | None = None


class Answered(Question):
    """`answer` is a label word, or the translation, which is blank where the model says none.

    `generated` is the raw text of greedy or beam decoding. `label_scores` are the log-likelihoods of the label words
    after normalisation, in the order of their numbers; none for translations.
    """

    generated: str
    label_scores: list[float] = []
    answer: str
