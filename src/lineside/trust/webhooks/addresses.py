"""Where webhooks may lead: to public addresses, and to others where a setting names them."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from lineside.core import Denied, Invalid, Settings

_URL_CHARACTERS_MAX = 2_000
_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ip_network("2000::/3")
_NUMBER_AT_THE_END = re.compile(r"(.*\.)?(\d+|0x[\da-f]*)\.?", re.IGNORECASE)
"""Resolvers take such a host for an IPv4 address in short, octal or hexadecimal, as `127.1` is."""

Address = IPv4Address | IPv6Address


class Places:
    """Says which addresses may be called from here.

    Whoever may name an address makes this machine call it, also one that only this machine
    reaches: other services in its network, the metadata of a cloud, and lineside itself, which
    takes a call without a key for its owner's. So only public addresses are called.
    """

    def __init__(self, settings: Settings) -> None:
        self._port = settings.port
        self._networks = [_network(text) for text in _parts(settings.webhook_networks)]

    def check_url(self, url: str) -> SplitResult:
        """The parts of an address that a webhook may have, as far as can be said without asking.

        Raises:
            Invalid: It is no address, or not https.
            Denied: It is an address within a network that is not public.
        """
        parts = _split(url)
        literal = _literal(parts.hostname or "")
        is_local = parts.hostname == "localhost" or (literal is not None and literal.is_loopback)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
            raise Invalid(
                "webhook_not_https",
                f"`{parts.scheme}://{parts.hostname}` is not https, so anybody on the way could "
                "read what is told",
                hint="Give an address that begins with https://; http is for this machine alone.",
            )
        if literal is not None:
            self.check([literal], parts.hostname or "", parts.port)
        elif is_local:
            self.check([ip_address("127.0.0.1")], "localhost", parts.port)
        return parts

    def check(self, addresses: Sequence[Address], host: str, port: int | None) -> None:
        """Refuse a host of which any address must not be called.

        Raises:
            Denied: Says which address it is and what to set.
        """
        for one in addresses:
            plain = _plain(one)
            if plain.is_loopback and port == self._port:
                raise Denied(
                    "webhook_to_itself",
                    f"`{host}:{port}` is lineside itself, which would take the call for its own",
                    hint="Give the address of another program.",
                )
            if not _is_public(plain) and not any(plain in network for network in self._networks):
                raise Denied(
                    "webhook_not_public",
                    f"`{host}` is at {one}, which is not a public address",
                    hint="If it may be called from here, name its network in "
                    f"LINESIDE_WEBHOOK_NETWORKS, as in `{plain}/{plain.max_prefixlen}`.",
                )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _no_url(url, str(error)) from None
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise _no_url(url, "it names no host, or is neither http nor https")
    if _literal(parts.hostname) is None and _NUMBER_AT_THE_END.fullmatch(parts.hostname):
        raise _no_url(url, "its host is a number, and no whole IPv4 address")
    if parts.username or parts.password:
        raise _no_url(url, "it holds a name or password, which would be shown in lists")
    if len(url) > _URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise _no_url(url, "it is too long, or has characters that no address has")
    return parts


def _no_url(url: str, why: str) -> Invalid:
    return Invalid(
        "bad_webhook_url",
        f"`{url[:80]}` is no address for a webhook: {why}",
        hint="As in https://hooks.example.com/lineside.",
    )


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_public(plain: Address) -> bool:
    is_unicast = isinstance(plain, IPv4Address) or plain in _GLOBAL_UNICAST
    return is_unicast and plain.is_global and not plain.is_multicast


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one that leads to it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str):  # type: ignore[no-untyped-def] # either kind of network
    try:
        return ip_network(text)
    except ValueError as error:
        raise Invalid(
            "bad_setting",
            f"LINESIDE_WEBHOOK_NETWORKS holds `{text[:60]}`, which is no network: {error}",
            hint="Write networks as in `127.0.0.0/8,10.1.0.0/16`.",
        ) from None
