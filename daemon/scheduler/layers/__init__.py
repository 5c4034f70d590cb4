"""Layers of settings: what the application, the site file, a database and people at run time say of an entry."""

from daemon.scheduler.layers.layer import ADDED, APP, DJANGO, OVERRIDE, SITE, Layer, Merged, Origin, Setting, merge

__all__ = ["ADDED", "APP", "DJANGO", "OVERRIDE", "SITE", "Layer", "Merged", "Origin", "Setting", "merge"]
