"""From bytes to blocks and back: framing, connections, sockets."""
