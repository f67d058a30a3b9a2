"""Be the part of the program that runs on build agents, with nothing installed.

A zipapp of the package's own modules: the command line, what hashes assets, and what
asks a notary service. Standard library only, Python 3.8. It has the arguments, the
JSON and the exit codes of the installed program, for it is the same code; what needs a
ledger, a key or a library is left out and refused by name.

- :mod:`~jenkins_notary.agent.main`: the commands that it has
- :mod:`~jenkins_notary.agent.collect`: ``collect``, which asks the service
- :mod:`~jenkins_notary.agent.build`: makes the zipapp; not part of it
"""
