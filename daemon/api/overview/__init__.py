"""How the site is, over HTTP."""

from daemon.api.overview.resources import Overview, Sights, overview_resources

__all__ = ["Overview", "Sights", "overview_resources"]
