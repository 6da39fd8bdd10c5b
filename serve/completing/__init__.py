"""Engines that answer one request at a time to their callers, and many at once in the model: for the server."""
