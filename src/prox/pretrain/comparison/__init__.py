"""Corpora compared by what small models learn from them."""
