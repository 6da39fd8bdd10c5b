"""The rules, a file a family. Importing the package registers all of them."""

from postprocess.rules import cuts, labels, marks, numbers, options, repetition, spaces

__all__ = ["cuts", "labels", "marks", "numbers", "options", "repetition", "spaces"]
