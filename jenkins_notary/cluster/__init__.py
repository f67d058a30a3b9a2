"""Say of what runs in a Kubernetes cluster what the ledger says of it.

- :mod:`~jenkins_notary.cluster.containers`: the containers of a pod, with their digests
- :mod:`~jenkins_notary.cluster.board`: each container with its verdict, as it is now
"""
