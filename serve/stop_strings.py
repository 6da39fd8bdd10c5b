"""A request's stop sequences and the rules of its answer -> the strings at which the engine ends the generation.

An engine that ends early saves the tokens that a rule would drop. The text after stop sequences and rules is the one
that the engine would have given without the rules' strings. That holds because what a rule with `stops` makes of a
text is settled once the text has one of them, whatever follows, and because it cuts only at one of them; a rule that
has white space among them, such as the blank line, also cuts at other white space, but nowhere else.
"""

from collections.abc import Sequence
from itertools import takewhile

from postprocess.chain import Step


def engine_stops(stop: Sequence[str], steps: Sequence[Step]) -> tuple[str, ...]:
    """The stop sequences, and those stop strings of the rules at which a generation may end as well.

    The rules are the chain's first ones that have any: a rule without may take away what a later one would cut at. Of
    theirs, a string does not count if one that cuts earlier, of the request or of a rule before, may take away a part
    of it. Where a rule before cuts at white space, that is so of all that end in it.
    """
    added: list[str] = []
    before, at_space = list(stop), False
    for step in takewhile(lambda step: step.stops, steps):
        whole = [own for own in step.stops if not any(_runs_over(other, own) for other in before)]
        added += [own for own in whole if not (at_space and own[-1].isspace())]
        before += step.stops
        at_space = at_space or any(own.isspace() for own in step.stops)
    return tuple(dict.fromkeys((*stop, *added)))


def _runs_over(other: str, own: str) -> bool:
    """Whether `other` can begin before the end of `own` and end behind it."""
    places = range(len(own) - len(other) + 1, len(own))  # of the beginning of `other`, from the beginning of `own`
    return any(other[max(-place, 0) :].startswith(own[max(place, 0) :]) for place in places)
