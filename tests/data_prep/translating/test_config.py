"""What a section `translate` may not say."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.data_prep.translating.toys import QUALITY, settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": []}, "at least 1 item"),
        ({"fields": ["premise", "premise"]}, "names a column twice"),
        ({"label": "premise"}, "'premise' is among fields"),
        ({"target_language": "swh_Latn"}, "are both 'swh_Latn'"),
        ({"model": "RUN/elsewhere"}, "followed by the folder of a stage"),
        ({"data": {"path": "x.jsonl", "max_rows": 5, "weight": 2}}, "max_rows, weight has no effect here"),
        ({"quality": QUALITY | {"min_length_ratio": 3}}, "min_length_ratio must be below"),
    ],
)
def test_settings_that_contradict_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**{"data_path": Path("x.jsonl"), "model": "model", **changes})
