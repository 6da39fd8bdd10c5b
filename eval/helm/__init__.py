"""HELM, the evaluator of the challenge's judges, run for real in a virtual environment of its own against a server."""
