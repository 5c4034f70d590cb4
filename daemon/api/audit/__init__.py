"""The audit trail over HTTP."""

from daemon.api.audit.resources import audit_resources

__all__ = ["audit_resources"]
