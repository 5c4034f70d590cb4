"""Tasks: sent, listed, followed, cancelled; as DocWiz's clients ask for them, and as the dashboard does."""

from daemon.api.tasks.channels import task_channels
from daemon.api.tasks.looks import Looks
from daemon.api.tasks.resources import task_resources
from daemon.api.tasks.sending.resources import sending_resources

__all__ = ["Looks", "sending_resources", "task_channels", "task_resources"]
