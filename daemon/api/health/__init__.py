"""What probes ask: whether it lives, whether it can do its work, and its metrics."""

from daemon.api.health.check import Check, readiness
from daemon.api.health.resources import health_resources

__all__ = ["Check", "health_resources", "readiness"]
