"""The submission as a container image: what goes into it, how it starts, and a check that builds and runs it."""
