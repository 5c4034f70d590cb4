"""The client: everything the shim can do, behind one door.

conf = {"broker_url": "redis://localhost:6379/0", "result_backend": "redis://localhost:6379/1"}
async with open_client(conf) as client:
    sent = await client.send("app.add", [2, 3], countdown=5)
    meta = await client.wait(sent.task_id, timeout_s=30)
    answers = await client.control.call(methods.ping())
    backlogs = await client.queues.backlogs(["celery"])
"""

from shim.client.addressing import TaskOptions
from shim.client.call import Call, Sent
from shim.client.client import Client
from shim.client.conf import BrokerKind, broker_kind
from shim.client.opening import open_client

__all__ = ["BrokerKind", "Call", "Client", "Sent", "TaskOptions", "broker_kind", "open_client"]
