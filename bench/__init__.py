"""Measure the budgets of FEATURES H beside what a user would pick instead.

``python -m bench [NAME...]`` prints a table. Every budget is a ratio of two things
measured in one run on one machine, turn and turn about, so that a slow or busy
machine slows both. Nothing here is a test: no time is asserted anywhere.
"""
