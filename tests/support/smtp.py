"""A mail server of a few lines, that keeps what it is given."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class MailServer:
    """Takes letters; ``answers`` to the end of a letter are given in turn, then 250."""

    def __init__(self, answers: Sequence[str] = ()) -> None:
        self.letters: list[str] = []
        self.users: list[str] = []
        self.answers = list(answers)
        self._arrived = threading.Condition()
        server = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.talk(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def talk(self, client: socketserver.StreamRequestHandler) -> None:
        def say(text: str) -> None:
            client.wfile.write(f"{text}\r\n".encode())

        say("220 test")
        while line := client.rfile.readline().decode():
            word = line.split()[0].upper()
            if word == "EHLO":
                say("250-test\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                self.users.append(line.split()[-1])
                say("235 welcome")
            elif word == "DATA":
                say("354 go on")
                text = []
                while (one := client.rfile.readline().decode().rstrip("\r\n")) != ".":
                    text.append(one)
                answer = self.answers.pop(0) if self.answers else "250 taken"
                if answer.startswith("250"):
                    self.letters.append("\n".join(text))
                say(answer)
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")
