"""Everything that decides who gets in, built from a site's settings."""

from __future__ import annotations

from dataclasses import replace

from daemon.api.access.network import NetworkAccess
from daemon.api.access.resources import AccessDesk, access_resources
from daemon.api.access.sessions import Sessions
from daemon.api.access.store import TokenStore
from daemon.api.access.token_file import TokenFile
from daemon.api.access.views import SiteFacts
from daemon.api.certificate import Certificate
from daemon.api.http.caller import Role
from daemon.api.http.resource import Resource
from daemon.clock import Clock
from daemon.ports import AuditTrail, Emit
from daemon.public import Public
from daemon.settings.sections import Settings

_METRICS = "/metrics"


class Entrance:
    """Who may ask, over TCP.

    Attributes:
        access: tells who asks.
        store: the service that keeps up with the file of tokens.
        certificate: what is shown to clients; ``None`` without TLS.
        resources: signing in and out, and tokens.
    """

    def __init__(self, settings: Settings, audit: AuditTrail, clock: Clock, emit: Emit, version: Public) -> None:
        """Make all of it; nothing is read."""
        site, section = settings.site, settings.api
        file = TokenFile(site.state_dir)
        sessions = Sessions(section.session_idle, section.session_limit)
        self._section = section
        self.store = TokenStore(file, sessions, site.name, clock, emit)
        self.access = NetworkAccess(section, self.store, sessions, clock, emit)
        self.certificate = (
            Certificate(section.tls_certificate, section.tls_key)
            if section.tls_certificate is not None and section.tls_key is not None
            else None
        )
        facts = SiteFacts(site.name, site.timezone, section.environment or "", section.colour, version)
        self.resources = access_resources(AccessDesk(self.access, self.store, file, audit, clock, facts))

    def bar(self, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """Have metrics given to viewers alone, unless they are open."""
        if self._section.has_open_metrics:
            return resources
        return tuple(replace(one, role=Role.VIEWER) if one.path == _METRICS else one for one in resources)
