"""Look at a log from outside its host: audit it, witness it, ask its witnesses.

- :mod:`~jenkins_notary.watch.log`: a service's log, read as a ledger
- :mod:`~jenkins_notary.watch.distant`: check, audit and export of such a log
- :mod:`~jenkins_notary.watch.rounds`: one round of an audit
"""
