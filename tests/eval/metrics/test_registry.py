"""The metrics by name: each is there, in its bounds, perfect for perfect answers, and the same alone or with others."""

import numpy as np
import pytest
from hypothesis import given, settings

from eval.metrics.metric import Judged
from eval.metrics.registry import NAMES, library_versions, metric, statistics_of
from tests.eval.metrics.texts import corpora

PERFECT = [
    Judged("habari ya asubuhi njema", ["nzuri", "habari ya asubuhi njema"], confidence=1.0),
    Judged("she sells sea shells", ["she sells sea shells"], confidence=1.0),
]
WRONG = [Judged("xyzzy", [row.references[0]], confidence=1.0) for row in PERFECT]


def test_all_metrics_are_there_by_the_names_that_files_have() -> None:
    assert NAMES == (
        "exact_match",
        "token_f1",
        "rouge_1",
        "rouge_2",
        "rouge_l",
        "chrf",
        "chrf_plus_plus",
        "bleu",
        "macro_f1",
        "calibration_error",
    )
    known = [metric(name, "unicode", stemming=False) for name in NAMES]
    assert tuple(each.name for each in known) == NAMES
    assert len({each.title for each in known}) == len(NAMES)
    assert [each.name for each in known if not each.higher_is_better] == ["calibration_error"]


def test_versions_are_told_of_all_that_decides_a_number_or_its_interval() -> None:
    versions = library_versions()
    assert {"nltk", "numpy", "rapidfuzz", "regex", "sacrebleu", "unicode"} == versions.keys()
    assert versions["numpy"] == np.__version__


def test_an_unknown_name_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown metric 'rouge'; allowed: exact_match, .*, calibration_error"):
        metric("rouge", "unicode", stemming=False)


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_have_the_best_value_and_wrong_ones_a_worse(name: str) -> None:
    each = metric(name, "unicode", stemming=False)
    right, wrong = (float(each.value(each.statistics(rows).sum(axis=0))) for rows in (PERFECT, WRONG))
    assert right == (1 if each.higher_is_better else 0)
    assert abs(right - wrong) > 0.9


@settings(max_examples=60, deadline=None)
@given(corpora)
def test_several_at_once_have_the_statistics_of_each_alone(corpus: list[tuple[str, list[str]]]) -> None:
    rows = [Judged(prediction, references, 0.5) for prediction, references in corpus]
    metrics = [metric(name, "unicode", stemming=False) for name in NAMES]
    together = statistics_of(metrics, rows)
    assert tuple(together) == NAMES
    for each in metrics:
        np.testing.assert_array_equal(together[each.name], each.statistics(rows))
        values = each.value(together[each.name])
        assert values.shape == (len(rows),) and ((values >= 0) & (values <= 1)).all(), each.name
        assert 0 <= each.value(together[each.name].sum(axis=0)) <= 1


def test_metrics_of_words_keep_their_own_tokeniser_beside_each_other() -> None:
    rows = [Judged("北京 cats", ["北京 cat"])]
    plain, stemmed = metric("rouge_1", "unicode", False), metric("rouge_l", "rouge_score", True)
    found = statistics_of([plain, stemmed], rows)
    assert float(found["rouge_1"][0, 0]) == pytest.approx(2 / 3)
    assert float(found["rouge_l"][0, 0]) == 1
