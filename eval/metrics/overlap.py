"""What two lists of words share, as F1 between 0 and 1; a list without words scores 0, also against another such.

Each is 2 P R / (P + R) with P = common / predicted and R = common / reference, in a form that is rounded once, so that
a score of a tenth falls into that tenth when rows are sampled. Source: Lin (2004), ROUGE.
"""

from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

from rapidfuzz.distance import LCSseq


def lcs_f1(predicted: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L F: that of the longest common subsequence."""
    # rapidfuzz compares 64-bit hashes of the words; two words of a pair share one about once in 10**19.
    common = LCSseq.similarity(predicted, reference)
    return 2 * common / (len(predicted) + len(reference)) if common else 0.0


def unigram_f1(predicted: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-1 F, which is token F1: that of the words, each counted as often as both have it."""
    common = shared(predicted, reference)
    return 2 * common / (len(predicted) + len(reference)) if common else 0.0


def bigram_f1(predicted: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-2 F: that of the pairs of adjacent words, each counted as often as both have it."""
    common = shared(pairwise(predicted), pairwise(reference))
    return 2 * common / (len(predicted) + len(reference) - 2) if common else 0.0


def shared(ours: Iterable[Hashable], theirs: Iterable[Hashable]) -> int:
    """How many items both have, each counted as often as both have it."""
    left: dict[Hashable, int] = {}
    for item in theirs:
        left[item] = left.get(item, 0) + 1
    common = 0
    for item in ours:  # on words and on characters faster than the intersection of two Counters
        if left.get(item):
            left[item] -= 1
            common += 1
    return common
