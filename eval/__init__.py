"""Evaluation: generate -> score -> report."""
