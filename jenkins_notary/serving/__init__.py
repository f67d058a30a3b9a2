"""Serve HTTP: what each program that does so is made of, whatever it serves."""
