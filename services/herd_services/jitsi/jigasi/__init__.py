"""Jigasi, which brings telephones into conferences."""
