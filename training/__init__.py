"""What Axolotl lacks: a strict check of a recipe, a safe restart, and the train stage that calls its command line."""
