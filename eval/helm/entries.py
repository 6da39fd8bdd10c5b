"""What the smoke run evaluates: HELM's run entries, with how many instances and requests each must give."""

from dataclasses import dataclass
from pathlib import Path

from eval.helm.questions import QUESTIONS, long_questions, write_instances
from eval.helm.running import MODEL

WINDOW = 2048  # tokens of a prompt and its answer that HELM allows this model
SHOWN = 4  # of our questions, as demonstrations
MAX_INSTANCES = 8  # of an entry


@dataclass(frozen=True)
class Entry:
    """A run entry of HELM, and what has to come of it.

    `requests` go to /process. `zero_shot` prompts have no demonstrations; HELM sends each of them through a truncating
    /tokenize and /decode. With `separate`, each option is a request that only has its prompt scored. With `truncated`,
    no prompt fits the window. `group` names the file that helm-summarize writes, if it knows the scenario. One that is
    not `ranked` comes last: its answers tell nothing of the model.
    """

    name: str
    description: str
    metric: str
    instances: int = MAX_INSTANCES
    requests: int = MAX_INSTANCES
    zero_shot: bool = False
    separate: bool = False
    truncated: bool = False
    group: str | None = None
    ranked: bool = True

    @property
    def run_entry(self) -> str:
        """What `helm-run --run-entries` takes."""
        return f"{self.description}{'' if self.description.endswith(':') else ','}model={MODEL}"

    @property
    def tokenize_calls(self) -> int:
        """How often HELM calls /tokenize if every prompt fits at once, or after one truncation.

        Once a request for its prompt's tokens, once to see whether the prompt fits; a zero-shot prompt is truncated
        first. A separate option's tokens are counted too.
        """
        return self.requests * (2 + self.zero_shot + self.separate)

    @property
    def decode_calls(self) -> int:
        """How often HELM calls /decode."""
        return self.requests if self.zero_shot else 0


def smoke_entries() -> tuple[Entry, ...]:
    """The judges' kinds of requests: generation up to a line's end, one letter, scored options, too long a prompt."""
    asked = len(QUESTIONS) - SHOWN
    options = sum(len(question.options) for question in QUESTIONS[SHOWN:])
    too_long = len(long_questions())
    separate = "custom_mcqa:path=separate.jsonl,num_train_instances=0,method=multiple_choice_separate_original"
    return (
        Entry(
            "synthetic_reasoning", "synthetic_reasoning:mode=pattern_match", "exact_match", group="synthetic_reasoning"
        ),
        Entry(
            "synthetic_reasoning_natural",
            "synthetic_reasoning_natural:difficulty=easy",
            "f1_set_match",
            group="synthetic_reasoning_natural",
        ),
        Entry("dyck_language", "dyck_language:num_parenthesis_pairs=3", "exact_match_indicator", group="dyck_language"),
        Entry("simple_mcqa", "simple_mcqa:", "exact_match"),
        Entry(
            "custom_mcqa joint",
            f"custom_mcqa:path=joint.jsonl,num_train_instances={SHOWN}",
            "exact_match",
            instances=asked,
            requests=asked,
        ),
        Entry(
            "custom_mcqa separate",
            separate,
            "exact_match",
            instances=asked,
            requests=options,
            zero_shot=True,
            separate=True,
        ),
        Entry(
            "custom_mcqa too long",
            "custom_mcqa:path=long.jsonl,num_train_instances=0",
            "exact_match",
            instances=too_long,
            requests=too_long,
            zero_shot=True,
            truncated=True,
            ranked=False,
        ),
    )


def write_smoke_instances(folder: Path) -> None:
    """The files that the custom_mcqa entries read."""
    write_instances(folder / "joint.jsonl", QUESTIONS, train=SHOWN)
    write_instances(folder / "separate.jsonl", QUESTIONS[SHOWN:])
    write_instances(folder / "long.jsonl", long_questions())
