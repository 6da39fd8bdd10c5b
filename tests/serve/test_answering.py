from serve.answering import seed_of, top_logprob
from serve.schema import LARGEST_INT


def test_seeds_of_completions_are_distinct_and_the_first_is_the_request_s() -> None:
    seeds = [seed_of(seed, number) for seed in range(50) for number in range(8)]
    assert len(set(seeds)) == len(seeds) and [seed_of(seed, 0) for seed in range(50)] == list(range(50))
    assert all(seed is not None and 0 <= seed <= LARGEST_INT for seed in seeds)
    assert seed_of(None, 3) is None


def test_of_alternatives_with_one_text_the_likeliest_is_told() -> None:
    assert top_logprob([("\ufffd", -0.1), ("a", -0.5), ("\ufffd", -2.0)]) == {"\ufffd": -0.1, "a": -0.5}
