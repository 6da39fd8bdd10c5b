"""Adapter and base model -> a standalone model by Axolotl's merge, measured against the model that was trained."""
