"""Compression: trim (vocabulary) -> teacher (training.teacher) -> prune -> training -> quantise."""
