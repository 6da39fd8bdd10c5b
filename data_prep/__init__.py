"""Data preparation: collect -> predict -> score -> sample -> mix."""
