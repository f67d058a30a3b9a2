"""Notarize what Jenkins builds, and prove it offline.

One class does what the command line does::

    from jenkins_notary import Notary

    with Notary() as notary:
        notary.notarize(["dist/app.jar"], job="payments/api/main#42")
        print(notary.authenticate(["dist/app.jar"])[0].status)

All that is public stands in ``__all__``; a name is imported when it is first used.
"""

from __future__ import annotations

from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.api.results import (
        AssetRecord,
        AssetVerdict,
        RecordView,
    )
    from jenkins_notary.errors import (
        AmbiguousError,
        ConfigurationError,
        FaultsError,
        IntegrityError,
        InternalError,
        NotaryError,
        NotFoundError,
        PermissionDeniedError,
        StorageError,
        UnavailableError,
        UsageError,
    )
    from jenkins_notary.values.query import Query
    from jenkins_notary.values.status import Status

__all__ = [
    "AmbiguousError",
    "AssetRecord",
    "AssetVerdict",
    "ConfigurationError",
    "FaultsError",
    "IntegrityError",
    "InternalError",
    "NotFoundError",
    "Notary",
    "NotaryError",
    "PermissionDeniedError",
    "Query",
    "RecordView",
    "Status",
    "StorageError",
    "UnavailableError",
    "UsageError",
    "__version__",
]

__version__ = VERSION

_HOMES = {
    "AssetRecord": "api.results",
    "AssetVerdict": "api.results",
    "Notary": "api.notary",
    "Query": "values.query",
    "RecordView": "api.results",
    "Status": "values.status",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _HOMES.get(name, "errors")
    return getattr(import_module(f"{__name__}.{home}"), name)
