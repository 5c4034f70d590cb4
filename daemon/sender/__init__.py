"""The other end of an MLLP line: sending messages, for ``carillon hl7 send``, the demo and whoever tests a listener."""
