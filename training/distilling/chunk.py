"""How many positions of a batch the loss against a teacher takes at a time."""

CHUNK_LOGITS = 2**25  # of one model at a time, 128 MiB in float32: 4,096 positions with a vocabulary of 8,192
