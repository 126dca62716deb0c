"""Trains small language models on raw and refined text, to see whether refining helped (extra `pretrain`)."""
