"""The dashboard: the page people open, and the files it is made of."""

from daemon.api.dashboard.resources import dashboard_resources

__all__ = ["dashboard_resources"]
