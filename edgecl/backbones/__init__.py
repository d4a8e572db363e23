"""Frozen `transformers` encoders that take the prefixes and adapters of a task."""
