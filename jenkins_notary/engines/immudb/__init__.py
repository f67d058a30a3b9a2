"""Keep a ledger in immudb, and check every answer of the server by its proofs."""
