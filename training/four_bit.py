"""bitsandbytes' 4-bit layers on a CPU: exact, and with a gradient."""

from typing import Any


def without_cpu_kernel(model: Any) -> None:
    """Keep the model's 4-bit layers off bitsandbytes' fused kernel for CPUs with AVX512-BF16.

    With bitsandbytes 0.50.2 the first evaluation repacks the weights for it. It computes in bfloat16 and has no
    backward pass, so that training after it silently loses gradients.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
