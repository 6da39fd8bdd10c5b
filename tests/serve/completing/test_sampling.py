"""Tokens are drawn as the rules say, and their log-probabilities are those of the raw logits, always finite."""

import math
import random
import time
from collections import Counter

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from serve.completing import sampling as sampling_module
from serve.completing.request import Sampling
from serve.completing.sampling import LOWEST, choose_tokens, score_tokens

GREEDY = Sampling()


def logits(rows: int = 4, vocabulary: int = 50, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * 2


@pytest.mark.parametrize("temperature", [0.0, 1e-7, 1e-6])
def test_the_likeliest_token_is_taken_at_temperatures_that_mean_zero(temperature: float) -> None:
    raw = logits()
    rule = Sampling(temperature=temperature, top_k=3, top_p=0.5)
    tokens = choose_tokens(raw, [rule] * 4, [0.99] * 4, [0] * 4)
    assert [token.id for token in tokens] == raw.argmax(-1).tolist()


@pytest.mark.parametrize("rule", [GREEDY, Sampling(0.3), Sampling(5.0, top_k=2), Sampling(1.0, top_p=0.1)])
def test_logprobs_are_those_of_the_raw_logits_whatever_the_rule(rule: Sampling) -> None:
    raw = logits()
    expected = raw.log_softmax(-1)
    for row, token in enumerate(choose_tokens(raw, [rule] * 4, [0.3] * 4, [0] * 4)):
        assert token.logprob == pytest.approx(float(expected[row, token.id]), abs=1e-5)
        assert token.alternatives == ()


@pytest.mark.parametrize(
    "rule",
    [
        Sampling(0.7),
        Sampling(1.5, top_k=5),
        Sampling(1.0, top_p=0.6),
        Sampling(1.3, top_k=12, top_p=0.8),
        Sampling(1.0, top_k=1),
        Sampling(1.0, top_p=1e-9),
        Sampling(1.0, top_k=500),
    ],
)
def test_tokens_are_drawn_as_often_as_transformers_would(rule: Sampling) -> None:
    """Of 20,000 draws each token has its probability by transformers' own warpers, and none that they leave out."""
    raw = logits(rows=1)
    scores = TemperatureLogitsWarper(rule.temperature)(None, raw)
    if rule.top_k:
        scores = TopKLogitsWarper(rule.top_k)(None, scores)
    if rule.top_p < 1:
        scores = TopPLogitsWarper(rule.top_p)(None, scores)
    dice, draws = random.Random(0), 20_000
    uniforms = [dice.random() for _ in range(draws)]
    drawn = Counter(token.id for token in choose_tokens(raw.expand(draws, -1), [rule] * draws, uniforms, [0] * draws))
    for token, probability in enumerate(scores.softmax(-1)[0].tolist()):
        deviation = math.sqrt(probability * (1 - probability) / draws)
        assert abs(drawn[token] / draws - probability) <= 4 * deviation + 2 / draws


def test_logits_that_are_rounded_otherwise_seldom_change_what_is_drawn() -> None:
    """A batch of another size rounds so; a draw by the running sum of the probabilities changes most of these."""
    exact = logits(200, 20_000)
    rounded = exact + 0.03 * logits(200, 20_000, seed=1)
    uniforms = [random.Random(row).random() for row in range(200)]
    for rule in (Sampling(1.0), Sampling(1.0, top_k=1000), Sampling(1.0, top_p=0.9)):
        one, other = (choose_tokens(raw, [rule] * 200, uniforms, [0] * 200) for raw in (exact, rounded))
        assert sum(a.id != b.id for a, b in zip(one, other, strict=True)) <= 20


@pytest.mark.parametrize("likeliest", [1, 5, 16, 63])
def test_the_few_tokens_that_are_put_in_order_give_what_all_would(
    monkeypatch: pytest.MonkeyPatch, likeliest: int
) -> None:
    """Flat and steep rows, with many equal logits; rules that need fewer tokens, just as many, and more."""
    dice = random.Random(likeliest)
    drawn = []
    for seed in range(30):
        raw = (logits(12, 64, seed) * dice.choice([0.2, 1, 3])).mul(2).round() / 2
        counts, shares = [0, 1, 5, 6, 16, 40, 63, 2**53 - 1], [1.0, 0.999, 0.9, 0.4, 1e-9]
        rules = [Sampling(dice.choice([0.05, 1, 4]), dice.choice(counts), dice.choice(shares)) for _ in range(12)]
        uniforms = [dice.choice([0.0, 1 - 2**-53, dice.random()]) for _ in range(12)]
        for width in (likeliest, 64):
            monkeypatch.setattr(sampling_module, "LIKELIEST", width)
            drawn.append([token.id for token in choose_tokens(raw, rules, uniforms, [0] * 12)])
    assert drawn[::2] == drawn[1::2]


@pytest.mark.parametrize("rule", [Sampling(1.0, top_k=50), Sampling(1.0, top_p=0.9)])
def test_a_filtered_draw_costs_not_many_times_a_plain_one(rule: Sampling) -> None:
    """Ordering the whole vocabulary takes five times as long as a plain draw, and every text of the step would wait."""
    raw = logits(4, 60_000)
    raw[:, 70:90] += 12

    def seconds(rule: Sampling) -> float:
        started = time.process_time()
        choose_tokens(raw, [rule] * 4, [0.5] * 4, [0] * 4)
        return time.process_time() - started

    assert min(seconds(rule) for _ in range(5)) < 4 * min(seconds(Sampling(1.0)) for _ in range(5))


def test_a_row_is_drawn_alike_whatever_rows_are_beside_it() -> None:
    raw = logits(rows=6)
    rules = [GREEDY, Sampling(1.0), Sampling(1.0, top_k=9), Sampling(0.5, top_p=0.7), Sampling(2.0), GREEDY]
    uniforms = [random.Random(row).random() for row in range(6)]
    together = choose_tokens(raw, rules, uniforms, [0] * 6)
    for row in range(6):
        alone = choose_tokens(raw[row : row + 1], [rules[row]], [uniforms[row]], [0])
        assert alone[0].id == together[row].id


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("rule", [Sampling(1.0), Sampling(1.0, top_k=3), Sampling(1.0, top_p=0.5)])
def test_a_token_without_probability_is_never_drawn(rule: Sampling, uniform: float) -> None:
    raw = torch.full((1, 9), -math.inf)
    raw[0, 3:6] = torch.tensor([0.1, 0.3, 0.2])
    assert choose_tokens(raw, [rule], [uniform], [0])[0].id in (3, 4, 5)


def test_logprobs_are_finite_where_the_model_rules_a_token_out() -> None:
    raw = torch.tensor([[0.0, -math.inf, -math.inf]])
    token = score_tokens(raw, torch.tensor([1]), [3])[0]
    assert token.logprob == LOWEST
    assert [logprob for _, logprob in token.alternatives] == [0.0, LOWEST, LOWEST]


def test_logits_that_are_not_numbers_show_in_the_logprob() -> None:
    raw = logits(rows=2)
    raw[1, 7] = math.nan
    good, bad = choose_tokens(raw, [GREEDY, Sampling(1.0)], [0.0, 0.5], [0, 0])
    assert math.isfinite(good.logprob)
    assert math.isnan(bad.logprob)


def test_alternatives_are_the_likeliest_tokens_and_as_many_as_each_row_asks_for() -> None:
    raw = logits(rows=3)
    tokens = choose_tokens(raw, [GREEDY] * 3, [0.0] * 3, [2, 0, 5])
    top = raw.log_softmax(-1).topk(5)
    for row, count in enumerate([2, 0, 5]):
        assert [token for token, _ in tokens[row].alternatives] == top.indices[row, :count].tolist()
        assert [logprob for _, logprob in tokens[row].alternatives] == pytest.approx(top.values[row, :count].tolist())
    assert tokens[0].alternatives[0] == pytest.approx((tokens[0].id, tokens[0].logprob))


def test_of_equally_likely_tokens_the_one_taken_is_the_first_alternative() -> None:
    """As often in bfloat16: topk puts equal logits in an order of its own."""
    raw = torch.zeros(40, 5000)
    raw[:, 7::11] = 2.0
    for count in (1, 3):
        for token in choose_tokens(raw, [GREEDY] * 40, [0.0] * 40, [count] * 40):
            assert token.alternatives[0] == (token.id, token.logprob)
            assert len({other for other, _ in token.alternatives}) == count
            assert {logprob for _, logprob in token.alternatives} == {token.logprob}
    likely = score_tokens(raw[:1], torch.tensor([4990]), [2])[0]
    unlikely = score_tokens(raw[:1], torch.tensor([8]), [2])[0]
    assert likely.alternatives[0][0] == 4990
    assert 8 not in [other for other, _ in unlikely.alternatives]


def test_more_alternatives_than_tokens_are_all_tokens() -> None:
    assert len(choose_tokens(logits(1, 7), [GREEDY], [0.0], [99])[0].alternatives) == 7
