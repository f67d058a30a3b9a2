"""Store a ledger: one engine a module, each behind the Store port."""
