"""Tell hosts apart by their addresses."""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Return whether a host is this one, by its address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks of addresses, such as ``192.0.2.7`` or ``10.0.0.0/8``.

    Raises:
        ValueError: One is none.
    """
    return tuple(ipaddress.ip_network(one) for one in texts)


def is_among(host: str, networks: Sequence[Network]) -> bool:
    """Return whether an address is in one of some networks.

    >>> is_among("10.1.2.3", parse_networks(["10.0.0.0/8"]))
    True
    >>> is_among("::ffff:10.1.2.3", parse_networks(["10.0.0.0/8"]))
    True
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket for both families has the addresses of the older one mapped.
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in one for one in networks)
