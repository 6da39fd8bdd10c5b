"""Logits -> tokens and their log-probabilities, for all texts of a step at once.

The log-probability of a token is that of the model's raw logits, whatever the sampling rules. A text is drawn with one
uniform number a token from its own generator, by rules that look at its own logits only: with the same seed it is the
same whatever else is in the batch. The hardware limits that: a matrix product of another number of rows rounds its
last bits otherwise, so a draw at the border of two tokens (within about 1e-6 in float32, 1e-2 in bfloat16) may fall on
either side, and so may the greedy choice between two tokens whose logits are as near.
"""

from collections.abc import Sequence

import torch

from serve.completing.request import Sampling, ScoredToken

LOWEST = -1e9  # the log-probability of what the model rules out; JSON has no infinity


def choose_tokens(
    logits: torch.Tensor, samplings: Sequence[Sampling], uniforms: Sequence[float], alternatives: Sequence[int]
) -> list[ScoredToken]:
    """The next token for each row of the logits [texts, vocabulary], which are float32.

    `uniforms` are numbers in [0, 1), used where a row is not greedy. A row with logits that are not numbers gets the
    log-probability NaN.
    """
    tokens = logits.argmax(-1)
    for filtered in (False, True):
        rows = [row for row, rule in enumerate(samplings) if not rule.greedy and _filters(rule) is filtered]
        if rows:
            index = torch.tensor(rows, device=logits.device)
            draw = _draw_filtered if filtered else _draw
            chosen = draw(logits[index], [samplings[row] for row in rows], [uniforms[row] for row in rows])
            tokens[index] = chosen
    return score_tokens(logits, tokens, alternatives)


def score_tokens(logits: torch.Tensor, tokens: torch.Tensor, alternatives: Sequence[int]) -> list[ScoredToken]:
    """The log-probability of one token for each row of the logits, with the likeliest tokens of that row."""
    normal = logits.logsumexp(-1, keepdim=True)
    logprobs = (logits.gather(1, tokens[:, None]) - normal).clamp(min=LOWEST)[:, 0]
    most = min(max(alternatives, default=0), logits.shape[1])
    if not most:
        return [ScoredToken(*pair) for pair in zip(tokens.tolist(), logprobs.tolist(), strict=True)]
    top = logits.topk(most, dim=-1)
    others = zip(top.indices.tolist(), (top.values - normal).clamp(min=LOWEST).tolist(), strict=True)
    rows = zip(tokens.tolist(), logprobs.tolist(), others, alternatives, strict=True)
    return [
        ScoredToken(token, logprob, tuple(zip(ids[:count], values[:count], strict=True)))
        for token, logprob, (ids, values), count in rows
    ]


def _filters(rule: Sampling) -> bool:
    return rule.top_k > 0 or rule.top_p < 1


def _probabilities(logits: torch.Tensor, rules: Sequence[Sampling]) -> torch.Tensor:
    temperatures = torch.tensor([rule.temperature for rule in rules], dtype=torch.float64, device=logits.device)
    return (logits.double() / temperatures[:, None]).softmax(-1)


def _draw(logits: torch.Tensor, rules: Sequence[Sampling], uniforms: Sequence[float]) -> torch.Tensor:
    """A token of each row by the whole distribution at its temperature."""
    return _invert(_probabilities(logits, rules), uniforms)


def _draw_filtered(logits: torch.Tensor, rules: Sequence[Sampling], uniforms: Sequence[float]) -> torch.Tensor:
    """A token of each row from the `top_k` likeliest, and of those from the fewest that hold `top_p` together."""
    ordered, tokens = _probabilities(logits, rules).sort(dim=-1, descending=True, stable=True)
    vocabulary = logits.shape[1]
    counts = torch.tensor([rule.top_k or vocabulary for rule in rules], device=logits.device)
    shares = torch.tensor([rule.top_p for rule in rules], dtype=torch.float64, device=logits.device)
    ordered.masked_fill_(torch.arange(vocabulary, device=logits.device) >= counts[:, None], 0)
    before = ordered.cumsum(-1) - ordered
    left_out = before >= shares[:, None] * ordered.sum(-1, keepdim=True)
    left_out &= shares[:, None] < 1
    left_out[:, 0] = False
    ranks = _invert(ordered.masked_fill_(left_out, 0), uniforms)
    return tokens.gather(1, ranks[:, None])[:, 0]


def _invert(weights: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    """The column of each row where the running sum of the weights passes the uniform share of the whole sum."""
    sums = weights.cumsum(-1)
    targets = torch.tensor(uniforms, dtype=sums.dtype, device=sums.device)[:, None] * sums[:, -1:]
    columns = torch.searchsorted(sums, targets, right=True)
    last = (sums < sums[:, -1:]).sum(-1, keepdim=True)  # the last column with a weight: u may round to the whole sum
    return torch.minimum(columns, last)[:, 0]
