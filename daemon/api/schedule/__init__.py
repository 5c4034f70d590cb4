"""The schedule over HTTP."""

from daemon.api.schedule.resources import schedule_resources
from daemon.api.schedule.steering.resources import steering_resources

__all__ = ["schedule_resources", "steering_resources"]
