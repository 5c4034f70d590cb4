"""Alerts over HTTP."""

from daemon.api.alerts.resources import alert_resources

__all__ = ["alert_resources"]
