"""Generate: what the held-out rows are asked with."""

from typing import TYPE_CHECKING

import pytest

from eval.generate import STAGE, prompt_groups
from oneday.records import HeldOut, TaskEntry

if TYPE_CHECKING:
    from tests.conftest import RecipeFolder

TASK = TaskEntry.model_validate(
    {
        "task": "free",
        "rows": 2,
        "Definition": ["Say it."],
        "Categories": ["x"],
        "Kind": "generation",
        "Positive Examples": [],
    }
)
ROWS = [HeldOut(task="free", id=id, input=f"in {id}", output=["x"]) for id in "ab"]


@pytest.mark.parametrize(("stops", "stop"), [(True, "\n\n"), (False, "")])
def test_a_blank_line_ends_the_texts_if_eval_yaml_says_so(recipe: "RecipeFolder", stops: bool, stop: str) -> None:
    recipe.edit("eval.yaml", stop_at_blank_line=stops)
    loaded = recipe.load()
    (group,) = prompt_groups(loaded, loaded.eval.variants[0], {"free": TASK}, ROWS)
    assert (group.stop, group.ids, group.max_new_tokens) == (stop, ["a", "b"], loaded.eval.max_new_tokens.generation)
    assert "Say it." in group.prompts[0] and "in b" in group.prompts[1]
    assert STAGE.settings(loaded)["stop_at_blank_line"] == stops
