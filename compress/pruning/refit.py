"""A linear layer's weights solved again for the inputs that are left, so that its outputs change least."""

import torch

RIDGE = 1.0  # times the mean squared input: how strongly the solution holds on to the old columns


def refit(weight: torch.Tensor, kept: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
    """The matrix V (outputs, kept inputs) that minimises E|W a - V a_kept|^2 + ridge |V - W_kept|^2.

    `moment` is the sum of a a' over all tokens, in any scale. The ridge pulls towards the old columns, not towards
    zero: with few tokens, or with all inputs kept, nothing but the selection is left. It is large because the inputs
    are the unpruned model's: SmolLM2 at half width has, on texts not seen, a loss of 6.69 with a ridge of 0.01, 6.33
    with 1, 6.48 without refit (importance); 5.54, 4.82 and 4.79 (pca).
    """
    columns = moment[:, kept].double()  # the largest matrix here: inputs x kept inputs
    inner = columns[kept]
    ridge = RIDGE * moment.diagonal().double().mean().clamp_min(torch.finfo(torch.float32).tiny)
    right = weight.double() @ columns + ridge * weight[:, kept].double()
    del columns
    inner.diagonal().add_(ridge)
    solved = torch.cholesky_solve(right.T, torch.linalg.cholesky(inner)).T
    return solved.to(weight.dtype).contiguous()
