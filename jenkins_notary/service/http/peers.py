"""Tell hosts apart by their addresses."""

from __future__ import annotations

import ipaddress

_HOST_BITS = 64
"""What a provider gives one customer, at the least."""

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


def name_stranger(host: str) -> str:
    """Return by what a host is counted: of IPv6 a whole network is one host's.

    >>> name_stranger("192.0.2.7"), name_stranger("2001:db8::1:2:3:4")
    ('192.0.2.7', '2001:db8::/64')
    >>> name_stranger("::ffff:192.0.2.7"), name_stranger("fe80::1%eth0")
    ('192.0.2.7', 'fe80::/64')
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _HOST_BITS), strict=False))
    return host


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
