"""Rules that clean a model's raw generations, by name; what each is worth."""
