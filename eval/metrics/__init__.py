"""What a text is worth against references: words, scores of single answers, statistics of whole sets."""
