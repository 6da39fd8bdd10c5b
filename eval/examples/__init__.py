"""Examples of any file: read, answered by a model, scored and compared."""
