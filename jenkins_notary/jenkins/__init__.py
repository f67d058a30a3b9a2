"""Read Jenkins controllers over their HTTP API: builds, logs, artifacts.

An adapter of the ``Jenkins`` port: it moves bytes and decides nothing about evidence.
``requests`` and ``python-jenkins`` are imported by this room only, when a controller is
first asked. Every request is a GET, below the configured root URL, one at a time.
"""
