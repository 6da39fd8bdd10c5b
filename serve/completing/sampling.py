"""Logits -> tokens and their log-probabilities, for all texts of a step at once.

The log-probability of a token is that of the model's raw logits, whatever the sampling rules. A text is drawn with one
uniform number a token from its own generator, by rules that look at its own logits only: with the same seed it is the
same whatever else is in the batch. The hardware limits that: a matrix product of another number of rows rounds its
last bits otherwise, so that two tokens as near as that (within about 1e-5 of log-probability in float32, 0.1 in
bfloat16) may change places, drawn or greedy. The number is the seed of an exponential one for each token, and the
token with the largest probability over it is drawn: of SmolLM2's draws in bfloat16 one in a hundred then differs in
other company, against one in seven if the number were looked up in the running sum of the probabilities.
"""

from collections.abc import Sequence

import torch

from serve.completing.request import Sampling, ScoredToken

LOWEST = -1e9  # the log-probability of what the model rules out; JSON has no infinity
LIKELIEST = 512  # tokens put in order for `top_k` and `top_p`, if they are enough: all takes as long as a small model


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
        ScoredToken(token, logprob, _itself_first(token, logprob, list(zip(ids, values, strict=True)))[:count])
        for token, logprob, (ids, values), count in rows
    ]


def _itself_first(token: int, logprob: float, others: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """The likeliest tokens; where several are as likely as the likeliest, a token that is one of them is the first."""
    if logprob != others[0][1] or token == others[0][0]:
        return tuple(others)
    return ((token, logprob), *[other for other in others if other[0] != token])[: len(others)]


def _filters(rule: Sampling) -> bool:
    return rule.top_k > 0 or rule.top_p < 1


def _probabilities(logits: torch.Tensor, rules: Sequence[Sampling]) -> torch.Tensor:
    temperatures = torch.tensor([rule.temperature for rule in rules], dtype=torch.float64, device=logits.device)
    return (logits.double() / temperatures[:, None]).softmax(-1)


def _noise(weights: torch.Tensor, uniforms: Sequence[float]) -> torch.Tensor:
    """An exponential number for each weight, those of a row from the row's own number alone; CPUs and GPUs differ."""
    noise = torch.empty_like(weights)
    generator = torch.Generator(weights.device)
    for row, uniform in zip(noise, uniforms, strict=True):
        row.uniform_(generator=generator.manual_seed(int(uniform * 2**53)))
    return noise.clamp_(2**-53, 1 - 2**-53).log_().neg_()  # neither infinite nor 0


def _draw(logits: torch.Tensor, rules: Sequence[Sampling], uniforms: Sequence[float]) -> torch.Tensor:
    """A token of each row by the whole distribution at its temperature."""
    weights = _probabilities(logits, rules)
    return (weights / _noise(weights, uniforms)).argmax(-1)


def _draw_filtered(logits: torch.Tensor, rules: Sequence[Sampling], uniforms: Sequence[float]) -> torch.Tensor:
    """A token of each row from the `top_k` likeliest, and of those from the fewest that hold `top_p` together."""
    weights = _probabilities(logits, rules)
    vocabulary = logits.shape[1]
    noise = _noise(weights, uniforms)
    tokens, enough = _draw_likeliest(weights, rules, noise, min(LIKELIEST, vocabulary))
    if rows := (~enough).nonzero()[:, 0].tolist():
        tokens[rows] = _draw_likeliest(weights[rows], [rules[row] for row in rows], noise[rows], vocabulary)[0]
    return tokens


def _draw_likeliest(
    weights: torch.Tensor, rules: Sequence[Sampling], noise: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with only the `width` likeliest tokens put in order, and for which rows those were enough.

    They are if what `top_k` keeps is known and all that may be drawn is likelier than the last of them: any more would
    change nothing. A row's answer does not depend on the rows beside it.
    """
    vocabulary = weights.shape[1]
    ordered, tokens = _ordered(weights, width)
    counts = torch.tensor([rule.top_k or vocabulary for rule in rules], device=weights.device)[:, None]
    shares = torch.tensor([rule.top_p for rule in rules], dtype=torch.float64, device=weights.device)[:, None]
    last = ordered[:, -1]
    ordered = ordered.masked_fill(torch.arange(width, device=weights.device) >= counts, 0)
    whole = torch.where(counts < vocabulary, ordered.sum(-1, keepdim=True), weights.sum(-1, keepdim=True))
    left_out = (ordered.cumsum(-1) - ordered >= shares * whole) & (shares < 1)
    left_out[:, 0] = False
    ordered.masked_fill_(left_out, 0)
    ranks = (ordered / noise.gather(1, tokens)).argmax(-1, keepdim=True)
    least = ordered.masked_fill(ordered == 0, float("inf")).amin(-1)
    known = ((counts <= width) | (counts >= vocabulary))[:, 0]
    return tokens.gather(1, ranks)[:, 0], (least > last) & known | (width == vocabulary)


def _ordered(weights: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `width` largest weights of each row and their columns, the largest first, equal ones as the columns are."""
    if width == weights.shape[1]:
        return weights.sort(dim=-1, descending=True, stable=True)
    columns = weights.topk(width, dim=-1, sorted=False).indices.sort(-1).values
    ordered, order = weights.gather(1, columns).sort(dim=-1, descending=True, stable=True)
    return ordered, columns.gather(1, order)
