"""Reach a Kubernetes API server: an adapter of one outside system.

- :mod:`~jenkins_notary.kubernetes.access`: where it is, and as whom it is asked
- :mod:`~jenkins_notary.kubernetes.client`: one request, or a stream of events
- :mod:`~jenkins_notary.kubernetes.feed`: all objects of a kind, and their changes

What the objects mean is not decided here. Decision 0040 says why the official client
is not used.
"""
