"""Use a ledger that a notary service keeps: hash here, send digests, check the answer.

The room has the methods of ``api`` that need no ledger at hand. It runs on agents, so
it needs nothing but the standard library of Python 3.8, and it starts quickly: HTTP is
spoken over plain sockets, TLS is loaded only for ``https``.

- :mod:`~jenkins_notary.remote.address`: the service's URL, and proxies
- :mod:`~jenkins_notary.remote.http`: one request and its answer
- :mod:`~jenkins_notary.remote.service`: retries within a time, errors by status
- :mod:`~jenkins_notary.remote.answers`: what an answer must hold to be believed
- :mod:`~jenkins_notary.remote.notary`: the methods
"""
