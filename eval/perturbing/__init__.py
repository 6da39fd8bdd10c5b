"""Examples under HELM's perturbations: changed, answered, and compared with the originals."""
