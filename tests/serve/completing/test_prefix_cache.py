"""Earlier prompts are found by their longest beginning, and never hold more tokens than allowed."""

import random

import pytest
import torch

from serve.completing.prefix_cache import SHORTEST, Prefix, PrefixCache, common_beginning
from serve.completing.request import CompletionRequest, ScoredToken

NOTHING = [(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))]


def request(*parts: range, score: bool = False, alternatives: int = 0) -> CompletionRequest:
    prompt = tuple(token for part in parts for token in part)
    return CompletionRequest(prompt, 1, score_prompt=score, alternatives=alternatives)


def prefix(*parts: range, scored: int | None = None) -> Prefix:
    tokens = tuple(token for part in parts for token in part)
    scores = tuple(ScoredToken(token, -1.0) for token in tokens) if scored is not None else ()
    return Prefix(tokens, NOTHING, scores, scored or 0)


def filled(capacity: int, *prefixes: Prefix) -> PrefixCache:
    cache = PrefixCache(capacity)
    for each in prefixes:
        cache.add(each)
    return cache


def test_the_longest_beginning_is_found() -> None:
    short, long = prefix(range(40), range(900, 940)), prefix(range(60), range(800, 840))
    cache = filled(1000, short, long)
    assert cache.longest(request(range(100))) == (long, 60)
    assert cache.longest(request(range(50), range(700, 720))) == (long, 50)
    assert cache.longest(request(range(40), range(900, 1000))) == (short, 80)


def test_one_token_is_always_left_to_read() -> None:
    cache = filled(1000, prefix(range(100)))
    assert cache.longest(request(range(100)))[1] == 99
    assert cache.longest(request(range(50)))[1] == 49
    assert cache.longest(request(range(200)))[1] == 100


def test_a_short_common_beginning_is_not_used() -> None:
    cache = filled(1000, prefix(range(100)))
    assert cache.longest(request(range(SHORTEST - 1), range(500, 600))) == (None, 0)
    assert cache.longest(request(range(SHORTEST), range(500, 600)))[1] == SHORTEST


def test_a_prompt_is_kept_only_if_less_than_half_of_it_was_known() -> None:
    cache = PrefixCache(100)
    assert cache.wants(range(100), 0)
    assert cache.wants(range(100), 49)
    assert not cache.wants(range(100), 50)
    assert not cache.wants(range(101), 0)
    assert not cache.wants(range(SHORTEST - 1), 0)
    assert not PrefixCache(0).wants(range(100), 0)


def test_the_bound_holds_and_the_least_recently_used_goes_first() -> None:
    first, second, third = (prefix(range(start, start + 40)) for start in (0, 100, 200))
    cache = filled(100, first, second)
    assert cache.tokens == 80
    assert cache.longest(request(range(60)))[0] is first  # now the second is the older one
    cache.add(third)
    assert cache.tokens == 80
    assert cache.longest(request(range(100, 160))) == (None, 0)
    assert cache.longest(request(range(60)))[0] is first
    assert cache.longest(request(range(200, 260)))[0] is third


def test_the_bound_holds_whatever_comes() -> None:
    dice = random.Random(0)
    cache = PrefixCache(300)
    for _ in range(300):
        start, length = dice.randrange(5) * 1000, dice.randrange(SHORTEST, 301)
        asked = request(range(start, start + length))
        known = cache.longest(asked)[1]
        if cache.wants(asked.prompt, known):
            cache.add(prefix(range(start, start + length)))
        kept = [each.tokens for each in cache._prefixes.values()]
        assert cache.tokens == sum(map(len, kept)) <= 300


def test_the_same_prompt_again_counts_once() -> None:
    cache = filled(100, prefix(range(40)), prefix(range(40), scored=2))
    assert cache.tokens == 40


def test_scores_are_found_only_where_they_were_computed_with_as_many_alternatives() -> None:
    plain, scored = prefix(range(100)), prefix(range(60), scored=2)
    cache = filled(1000, plain, scored)
    assert cache.longest(request(range(100)))[0] is plain
    assert cache.longest(request(range(100), score=True))[0] is scored
    assert cache.longest(request(range(100), score=True, alternatives=2))[0] is scored
    assert cache.longest(request(range(100), score=True, alternatives=3)) == (None, 0)


def test_nothing_is_left_after_a_clearing() -> None:
    cache = filled(1000, prefix(range(100)))
    cache.clear()
    assert cache.tokens == 0
    assert cache.longest(request(range(100))) == (None, 0)


@pytest.mark.parametrize("shared", [0, 1, 7, 30, 31])
def test_the_common_beginning_is_counted(shared: int) -> None:
    one = tuple(range(31))
    other = (*range(shared), *range(500, 520))
    assert common_beginning(one, other) == common_beginning(other, one) == shared
    assert common_beginning((), one) == 0
