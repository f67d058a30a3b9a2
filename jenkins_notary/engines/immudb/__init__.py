"""Keep a ledger in immudb, and check every answer of the server by its proofs."""

from __future__ import annotations

import os

# gRPC writes lines of its own to standard error, among what a person is to read. It
# reads this when it is loaded; whoever wants its lines sets it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
