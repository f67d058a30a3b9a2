"""Offer every use case as a command; the only place that prints and exits."""
