"""The metrics by name, and the statistics of several at once."""

from collections.abc import Sequence
from importlib import metadata

from eval.metrics.bleu import Bleu
from eval.metrics.calibration import CalibrationError
from eval.metrics.chrf import Chrf
from eval.metrics.macro_f1 import MacroF1
from eval.metrics.metric import Floats, Judged, Metric
from eval.metrics.row_metrics import ExactMatch, WordMetric, word_metrics, word_statistics
from eval.metrics.scorer import metric_versions
from eval.metrics.tokens import Tokenizer


def _known(tokenizer: Tokenizer, stemming: bool) -> dict[str, Metric]:
    """All metrics by name; tokeniser and stemming are for those of words."""
    metrics: list[Metric] = [
        ExactMatch(),
        *word_metrics(tokenizer, stemming).values(),
        Chrf("chrf", "chrF", words=False),
        Chrf("chrf_plus_plus", "chrF++", words=True),
        Bleu(),
        MacroF1(),
        CalibrationError(),
    ]
    return {each.name: each for each in metrics}


NAMES = tuple(_known("unicode", stemming=False))


def metric(name: str, tokenizer: Tokenizer, stemming: bool) -> Metric:
    """The metric of this name; tokeniser and stemming matter to token_f1 and rouge_*. ValueError names those known."""
    known = _known(tokenizer, stemming)
    if name not in known:
        raise ValueError(f"unknown metric {name!r}; allowed: {', '.join(known)}")
    return known[name]


def statistics_of(metrics: Sequence[Metric], rows: Sequence[Judged]) -> dict[str, Floats]:
    """Metric name -> statistics, [rows, width]; the words of a text are found once for all metrics of words."""
    by_words: dict[tuple[Tokenizer, bool], list[WordMetric]] = {}
    for each in metrics:
        if isinstance(each, WordMetric):
            by_words.setdefault((each.tokenizer, each.stemming), []).append(each)
    found: dict[str, Floats] = {}
    for alike in by_words.values():
        found |= word_statistics(alike, rows)
    return {each.name: found[each.name] if each.name in found else each.statistics(rows) for each in metrics}


def library_versions() -> dict[str, str]:
    """The versions of all that decides a metric's number or its interval."""
    return metric_versions() | {name: metadata.version(name) for name in ("numpy", "sacrebleu")}
