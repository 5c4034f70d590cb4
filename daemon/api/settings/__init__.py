"""The settings over HTTP."""

from daemon.api.settings.resources import settings_resources

__all__ = ["settings_resources"]
