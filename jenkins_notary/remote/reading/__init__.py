"""Read a ledger that a notary service keeps, where the whole package is installed.

What agents need not: these modules are left out of the agent part. The service is not
taken at its word: envelopes are held against receipts, bodies against what was signed.
"""
