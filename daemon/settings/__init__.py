"""The site file: read, checked and turned into typed sections."""

from daemon.settings.problems import Problem, Severity
from daemon.settings.sections import Settings

__all__ = ["Problem", "Settings", "Severity"]
