"""A licence in an author's words -> the hub's identifier for it, and what to heed before publishing or selling."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data_prep.mixing.records import SourceResult

# Those of https://hf.co/docs/hub/repositories-licenses that data sets have.
HUB_LICENCES = frozenset(
    """
    apache-2.0 mit bsd bsd-2-clause bsd-3-clause unlicense wtfpl gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0
    cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 pddl odc-by odbl gfdl afl-3.0 artistic-2.0 bsl-1.0
    ecl-2.0 epl-2.0 eupl-1.1 eupl-1.2 isc zlib
    """.split()  # noqa: SIM905  fifty lines else
)
# "NC" as a word of its own, so that "INC" is none. "Not for commercial use" is found; "for commercial use" and
# "commercial and non-commercial use" are not.
NON_COMMERCIAL = re.compile(
    r"(?<![a-z])nc(?![a-z])|(?<!commercial and )(?<!commercial or )non[\s-]?commercial|not?\s(for\s)?commercial"
    r"|research\s(use\s|purposes\s)?only",
    re.I,
)
UNSTATED = re.compile(
    r"unknown|unstated|not stated|none stated|states? none|no licen[cs]e|unlicensed|^\s*(none\s*)?$", re.I
)
BY_TASK = re.compile(r"that of each task", re.I)
ADVICE = {
    "non-commercial": "The licence of all or of a part of these rows allows no commercial use. "
    "Leave them out (by the field source) where that matters.",
    "not stated": "All or a part of these rows has no stated licence. Ask the authors before you publish them.",
    "differs by task": "Each task keeps the licence of its data set; some may allow no commercial use, and some may "
    "state none. Look it up for each task before you publish or sell.",
}


class Warned(NamedTuple):
    """A restriction, what to do about it, and the sources that have it."""

    restriction: str
    advice: str
    sources: list[str]


def hub_identifier(licence: str) -> str | None:
    """The hub's name of a licence, such as cc-by-4.0 for 'CC BY 4.0'; None if it has none."""
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    name = re.sub(r"-licen[cs]e$", "", name)
    return name if name in HUB_LICENCES else None


def restrictions(licence: str) -> list[str]:
    """Those of ADVICE's names that the licence's text says of all or a part of the data."""
    patterns = zip(ADVICE, (NON_COMMERCIAL, UNSTATED, BY_TASK), strict=True)
    return [name for name, pattern in patterns if pattern.search(licence)]


def warnings_of(sources: Iterable[SourceResult]) -> list[Warned]:
    """Each restriction that a source has, in ADVICE's order, with the names of the sources in theirs."""
    found = [(source.name, restrictions(source.licence)) for source in sources]
    named = {restriction: [name for name, own in found if restriction in own] for restriction in ADVICE}
    return [Warned(restriction, ADVICE[restriction], names) for restriction, names in named.items() if names]


def common_licence(licences: Sequence[str]) -> str | None:
    """The hub's identifier of the one licence that all have; None if they differ or the hub knows it not."""
    found = {hub_identifier(licence) for licence in licences}
    return found.pop() if len(found) == 1 else None
