"""Every registered rule as steps, by the parameters of its own examples, and texts that the rules do something to."""

from hypothesis import strategies as st

from postprocess.chain import Step, step
from postprocess.rule import RULES

STEPS: list[Step] = list(
    dict.fromkeys(step(name, **example.parameters) for name, rule in RULES.items() for example in rule.examples)
)
CUTS = [step for step in STEPS if not step.rule.rewrites]
STOPPING = [step for step in STEPS if step.stops]
EXAMPLE_TEXTS = sorted({example.text for rule in RULES.values() for example in rule.examples})
texts = st.lists(st.sampled_from(EXAMPLE_TEXTS) | st.text(max_size=6) | st.sampled_from(["\n", " "]), max_size=4).map(
    "".join
)
