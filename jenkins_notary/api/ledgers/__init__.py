"""Keep a ledger: make, check, copy, move, follow, clean it."""
