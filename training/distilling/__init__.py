"""Training with a teacher: its loss, its model, and the trainer that asks it."""
