"""Numbers for Prometheus, fed by events. Every metric name of the daemon stands in this package.

Labels are bounded: entries, feeds and services come from the site file, codes and kinds from our own enums, and names that
others choose (tasks, queues, workers) share one label beyond a limit.
"""

from daemon.metrics.metrics import CONTENT_TYPE, Metrics
from daemon.metrics.schedule import ENTRIES_SHOWN
from daemon.metrics.switches import Switches

__all__ = ["CONTENT_TYPE", "ENTRIES_SHOWN", "Metrics", "Switches"]
