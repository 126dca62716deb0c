"""Refine pre-training text by programs."""
