"""Private and public keys: signers of statements and of checkpoints."""
