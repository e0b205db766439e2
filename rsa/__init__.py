"""Representational similarity analysis: arrays in, numbers out. Imports nothing of the training code."""
