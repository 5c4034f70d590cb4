"""What can go wrong in the daemon, and whose fault it is.

    DaemonError
      SettingsInvalid        operator      the site file or its environment; all problems at once     exit 78
      ListenFailed           operator      an address cannot be listened on                           exit 71
      SocketsMismatch        operator      the sockets systemd passed do not fit the feeds             exit 78
      StateDirTaken          operator      another daemon holds the state folder                      exit 75
      StateDirUnusable       operator      the state folder cannot be written                         exit 73
      PackageShadowed        operator      another distribution owns ``daemon`` or ``shim``           exit 78
      TaskRefused            caller        a task no worker could take                                exit 65
      BrokerDown             environment   retryable; the broker does not answer                      exit 69
      EmbeddedBrokerFailed   environment   retryable; the private Valkey does not run                 exit 69
      SpoolFailed            environment   retryable; the spool cannot store or read                  exit 74
      LedgerFailed           environment   retryable; on RabbitMQ: ledger or outbox cannot be used    exit 74
      HistoryFailed          environment   retryable; the history of the entries cannot be written or read    exit 74
      AuditFailed            environment   retryable; the audit trail cannot be written or read       exit 74
      SourceDown             environment   retryable; where entries come from cannot be read          exit 69
      DrainIncomplete        environment   the stop budget ran out; nothing acknowledged is lost      exit 75

Bugs are none of these: they crash their service, and the supervisor reports and ends the process (exit 70).
Messages hold names from the site file, addresses, codes and our own words; never contents of messages or arguments.
Exit codes follow sysexits.h.
"""

from __future__ import annotations


class DaemonError(Exception):
    """Root of what the daemon raises on purpose.

    Attributes:
        code: stable slug for logs and programs.
        exit_code: what the process ends with if this ends it.
        retryable: whether a service may be started again after it.
        hint: what to do about it, or an empty string.
    """

    code = "daemon"
    exit_code = 70
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep ``message`` (what and where) and ``hint`` (what to do)."""
        super().__init__(message)
        self.hint = hint


class SettingsInvalid(DaemonError):
    """The site file, or what overrides it, cannot be used."""

    code = "settings-invalid"
    exit_code = 78


class ListenFailed(DaemonError):
    """An address cannot be listened on."""

    code = "listen-failed"
    exit_code = 71


class SocketsMismatch(DaemonError):
    """The sockets systemd passed are not those the site's feeds need."""

    code = "sockets-mismatch"
    exit_code = 78


class StateDirTaken(DaemonError):
    """Another daemon holds the state folder."""

    code = "state-dir-taken"
    exit_code = 75


class StateDirUnusable(DaemonError):
    """The state folder cannot be made or written."""

    code = "state-dir-unusable"
    exit_code = 73


class PackageShadowed(DaemonError):
    """Another distribution installed files under our import names."""

    code = "package-shadowed"
    exit_code = 78


class TaskRefused(DaemonError):
    """A task no worker could take, or a question no worker could answer."""

    code = "task-refused"
    exit_code = 65


class BrokerDown(DaemonError):
    """The broker does not answer, or refuses."""

    code = "broker-down"
    exit_code = 69
    retryable = True


class EmbeddedBrokerFailed(DaemonError):
    """The private Valkey cannot be started or has ended."""

    code = "embedded-broker-failed"
    exit_code = 69
    retryable = True


class SpoolFailed(DaemonError):
    """The spool cannot store or read; nothing was acknowledged."""

    code = "spool-failed"
    exit_code = 74
    retryable = True


class LedgerFailed(DaemonError):
    """The ledger or the outbox of a site on RabbitMQ cannot be used; what they hold stays in them."""

    code = "ledger-failed"
    exit_code = 74
    retryable = True


class HistoryFailed(DaemonError):
    """The history of the entries cannot be written or read; the schedule goes on without."""

    code = "history-failed"
    exit_code = 74
    retryable = True


class AuditFailed(DaemonError):
    """The audit trail cannot be written or read; what is to be kept in it first is not done."""

    code = "audit-failed"
    exit_code = 74
    retryable = True


class SourceDown(DaemonError):
    """A database or broker that entries come from cannot be read; what is known of them goes on."""

    code = "source-down"
    exit_code = 69
    retryable = True


class DrainIncomplete(DaemonError):
    """The stop budget ran out before everything in hand was finished."""

    code = "drain-incomplete"
    exit_code = 75


def unwrapped(error: BaseException) -> BaseException:
    """Take off what task groups wrapped around a single error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def expected_cause(error: BaseException) -> DaemonError | None:
    """Find the error of ours inside what task groups wrapped around it; ``None`` if there is more, or something else."""
    cause = unwrapped(error)
    return cause if isinstance(cause, DaemonError) else None
