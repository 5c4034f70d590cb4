"""An alert as JSON and as a letter. Pure; names and instants only."""

from __future__ import annotations

from email.message import EmailMessage

import orjson

from daemon.alerts.channels import Mailbox
from daemon.scheduler.watch import Alert

TEST = "test"
_SENTENCES = {
    "not-enqueued": "was not enqueued in time",
    "not-started": "has not started in time",
    "not-finished": "has not finished in time",
    "failed": "failed",
    "daemon-gone": "gives no sign of life",
    "certificate-ends-in-30-days": "its certificate expires within 30 days",
    "certificate-ends-in-7-days": "its certificate expires within 7 days",
    "certificate-ends-tomorrow": "its certificate expires within a day",
    "certificate-has-ended": "its certificate has expired; senders refuse it",
    "feed-quiet": "nothing has come for longer than is usual or allowed",
    "feed-refusing": "many of its messages are refused",
    "feed-acks-slow": "its answers take long",
    "feed-backlog": "its messages wait long in the spool",
    "test": "this is a test; nothing is wrong",
    "certificate-not-taken": "its new certificate cannot be used, the old one stays",
}


def as_json(alert: Alert) -> bytes:
    """Write the body of a webhook's request."""
    return orjson.dumps({**alert.as_data(), "text": sentence(alert)})


def sentence(alert: Alert) -> str:
    """Say it in one line."""
    what = _SENTENCES.get(alert.what, alert.what)
    if alert.what == TEST:
        return f"{alert.site}: {what}"
    if alert.feed is not None:
        return f"{alert.site}: feed {alert.feed}: {'is over: ' if alert.is_over else ''}{what}"
    if alert.daemon is not None:
        return f"{alert.site}: daemon {alert.daemon} {'is back' if alert.is_over else what}"
    data = alert.as_data()
    if alert.is_over:
        return f"{alert.site}: {alert.entry} is well again (the run of {data['occurrence']} {what})"
    return f"{alert.site}: {alert.entry}: the run of {data['occurrence']} {what}"


def as_letter(alert: Alert, mailbox: Mailbox) -> EmailMessage:
    """Write a letter."""
    letter = EmailMessage()
    letter["Subject"] = sentence(alert)
    letter["From"] = str(mailbox.sender)
    letter["To"] = ", ".join(map(str, mailbox.to))
    letter["Auto-Submitted"] = "auto-generated"
    lines = [f"{name}: {value}" for name, value in alert.as_data().items() if value is not None]
    letter.set_content("\n".join([sentence(alert), "", *lines, ""]))
    return letter
