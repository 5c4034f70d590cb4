"""Flower's REST interface, so that scripts written for it work."""

from daemon.api.flower.resources import flower_resources

__all__ = ["flower_resources"]
