"""``carillon hl7 export``: stored messages into a file, as they came or de-identified."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from daemon.cli.json_text import json_text
from daemon.cli.message_lines import found_as_json
from daemon.cli.message_selection import Filters, chosen, searching, selection_options, whoever
from daemon.cli.options import load_or_exit, site_option
from daemon.cli.recording import keep
from daemon.cli.runtime_side import author_option, reason_option
from daemon.deeds import Deed, DeedKind
from daemon.hl7listener.deidentify import Deidentified, deidentify, site_secret
from daemon.hl7listener.spool.query import StoredMessage
from daemon.hl7listener.spool.search import Search
from daemon.hl7listener.wire.framer import frame
from daemon.plural import counted, numbered
from daemon.public import Public, escaped

MOST = 1_000_000
_FORMATS = ("mllp", "plain", "jsonl")


@click.command()
@site_option()
@click.argument("sequences", metavar="[NUMBER...]", nargs=-1, type=int)
@selection_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new file.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="mllp", show_default=True)
@click.option("--deidentify", "is_clean", is_flag=True, help="Replace what could name a patient.")
@reason_option()
@author_option()
def export(
    *,
    site_file: Path,
    filters: Filters,
    out: Path,
    form: str,
    is_clean: bool,
    reason: str,
    author: str | None,
) -> None:
    """Write stored messages into a new file (mode 0600), the oldest first: given by number, or as for `hl7 list`.

    mllp: the blocks as they came; plain: one message after the other; jsonl: an object a line, with `raw_b64`. What was damaged
    on the disk is left out, and said. It goes on the record.
    """
    if filters.is_open:
        text = "which messages? give their numbers, or options as for hl7 list (--feed NAME --since 2h)"
        raise click.UsageError(text)
    site = load_or_exit(site_file)
    if out.exists():
        raise _there(out)
    secret = site_secret(site.settings.site.state_dir) if is_clean else b""
    with searching(site) as search:
        found = chosen(search, filters, most=MOST)
        if not found:
            click.echo("no message is like that", err=True)
            raise click.exceptions.Exit(1)
        form_of = "de-identified" if is_clean else "as they came"
        note = Public(f"{form_of}; {escaped(reason)}" if reason else form_of)
        about = numbered(one.seq for one in found)
        keep(site, Deed(DeedKind.MESSAGES_EXPORTED, whoever(author), about, count=len(found), note=note))
        written = left_out = 0
        with _new_file(out) as file:
            for message in _messages(search, [one.seq for one in found]):
                data = _cleaned(message, secret) if is_clean else message.data
                if data is None or not message.found.is_whole:
                    left_out += 1
                    continue
                file.write(_form(message, data, form, is_clean=is_clean))
                written += 1
    click.echo(f"{escaped(str(out))}: {counted(written, 'message')}, {left_out} left out", err=True)
    if left_out:
        raise click.exceptions.Exit(1)


def _messages(search: Search, numbers: list[int]) -> Iterator[StoredMessage]:
    for number in numbers:
        message = search.message(number)
        if message is not None:
            yield message


def _cleaned(message: StoredMessage, secret: bytes) -> bytes | None:
    clean = deidentify(message.data, secret)
    return clean.data if isinstance(clean, Deidentified) else None


def _form(message: StoredMessage, data: bytes, form: str, *, is_clean: bool) -> bytes:
    if form == "mllp":
        return frame(data)
    if form == "plain":
        return data if data.endswith((b"\r", b"\n")) else data + b"\r"
    values = found_as_json(message.found)
    if is_clean:
        values = {name: values[name] for name in ("feed", "state", "type", "event", "version")}
    return json_text({**values, "raw_b64": base64.b64encode(data).decode()}).encode() + b"\n"


def _new_file(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise _there(path) from None
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise click.UsageError(message) from None


def _there(path: Path) -> click.UsageError:
    return click.UsageError(f"{path} is there already; an export never overwrites")
