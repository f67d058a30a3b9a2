"""Prove what a transparency log holds: hashes, tiles, notes, checkpoints, receipts.

The room is pure: bytes in, values or errors out; no files, no network, no clock, no
randomness, no cryptography library. It is part of the agent, so it needs nothing but
the standard library of Python 3.8 and :mod:`jenkins_notary.errors`.

- :mod:`~jenkins_notary.tlog.canonical`: base64 and decimals in their only spelling
- :mod:`~jenkins_notary.tlog.merkle`: RFC 6962 hashes, roots, the appending frontier
- :mod:`~jenkins_notary.tlog.tiles`: tile paths, bundles, reading and growing tiles
- :mod:`~jenkins_notary.tlog.proofs`: inclusion and consistency, made and verified
- :mod:`~jenkins_notary.tlog.note`: signed notes and verifier keys
- :mod:`~jenkins_notary.tlog.checkpoint`: tree heads, the trust log's among them
- :mod:`~jenkins_notary.tlog.cosignature`: a witness's timestamped signature
- :mod:`~jenkins_notary.tlog.receipt`: the offline proof that a leaf was recorded
- :mod:`~jenkins_notary.tlog.ed25519`: a signature check where no library is at hand

One rule for errors holds in all of them. What was read from outside and does not hold
is an ``IntegrityError`` (65); a value of the caller's that cannot be written, or a
question that makes no sense, is a ``UsageError`` (64); a verifier key that cannot be
used is a ``ConfigurationError`` (78).
"""
