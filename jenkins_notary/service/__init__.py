"""Answer HTTP for a ledger: tokens, scopes, group commit, limits, access log.

Starlette and uvicorn come with the extra ``[service]`` and are imported by ``serve``
alone.
"""
