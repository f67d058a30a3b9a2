"""Make packs and reports of what a ledger has."""
