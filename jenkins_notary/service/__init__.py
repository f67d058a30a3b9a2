"""Answer HTTP for a ledger: tokens, scopes, group commit, limits, access log.

`start` opens what serves, `running` holds together what runs, `app` is the way of each
request through `http`, `access` and `answers` (for programs) or `pages` (for people).

Starlette and uvicorn come with the extra ``[service]`` and are imported by ``serve``
alone.
"""
