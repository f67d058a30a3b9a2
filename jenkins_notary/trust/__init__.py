"""Decide whom to believe: signers, organisations, levels, verdicts, policies."""
