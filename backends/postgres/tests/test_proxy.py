"""tools/proxy.py by itself, before a server that speaks just enough of the protocol."""
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[3] / "tools"
sys.path.insert(0, str(TOOLS))
import proxy  # noqa: E402

SSL_REQUEST = struct.pack("!II", 8, 80877103)
STARTUP = struct.pack("!II", 8, 196608)
SYNC = b"S\0\0\0\4"
READY = b"Z\0\0\0\5I"
LONG = b"D" + struct.pack("!I", 4 + 100_000) + b"x" * 100_000


class FakeServer:
    """Refuses encryption, says READY to a startup and to each SYNC, LONG before it to the others."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        self.ended = threading.Semaphore(0)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.heard.append(bytearray())
            threading.Thread(target=self.serve, args=(connection, self.heard[-1]), daemon=True).start()

    def serve(self, connection, heard):
        try:
            self.speak(connection, heard)
        except OSError:
            pass  # cut
        self.ended.release()

    def speak(self, connection, heard):
        with connection:
            stream = connection.makefile("rwb")
            for answer in (b"N", READY):
                heard += stream.read(8)
                stream.write(answer)
                stream.flush()
            while head := stream.read(5):
                heard += head
                if len(head) < 5:
                    break
                body = stream.read(struct.unpack("!I", head[1:])[0] - 4)
                heard += body
                stream.write(READY if head == SYNC else LONG)
                stream.flush()


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.server = FakeServer()
        self.proxy = proxy.Proxy("127.0.0.1", self.server.port)
        self.addCleanup(self.server.listener.close)
        self.addCleanup(self.proxy.close)

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=5)
        self.addCleanup(client.close)
        client.sendall(SSL_REQUEST)
        self.assertEqual(client.recv(1), b"N")
        client.sendall(STARTUP)
        self.assertEqual(self.receive(client, len(READY)), READY)
        return client

    def receive(self, client, size):
        data = b""
        while len(data) < size and (piece := client.recv(size - len(data))):
            data += piece
        return data

    def until_end(self, client):
        data = b""
        try:
            while piece := client.recv(1 << 16):
                data += piece
        except ConnectionResetError:
            pass  # it had sent what was not read
        return data

    def test_messages_are_counted_and_pass_whole(self):
        client = self.connect()
        client.sendall(LONG + SYNC)
        self.assertEqual(self.receive(client, len(LONG + READY)), LONG + READY)
        self.assertEqual(self.proxy.counts, {"client": 4, "server": 4})
        self.assertEqual(self.proxy.round_trips, 3)
        self.assertEqual(bytes(self.server.heard[0]), SSL_REQUEST + STARTUP + LONG + SYNC)

    def test_pieces_of_messages_are_joined(self):
        client = self.connect()
        for byte in SYNC:
            client.sendall(bytes([byte]))
        self.assertEqual(self.receive(client, len(READY)), READY)
        self.assertEqual(self.proxy.counts["client"], 3)

    def test_cuts_where_it_is_told(self):
        for side, expected in (
            ("client", {"before": SYNC, "middle": SYNC + LONG[: (len(LONG) + 1) // 2], "after": SYNC + LONG}),
            ("server", {"before": READY, "middle": READY + LONG[: (len(LONG) + 1) // 2], "after": READY + LONG}),
        ):
            for action, passed in expected.items():
                with self.subTest(side=side, action=action):
                    client = self.connect()
                    self.proxy.arm(side, 2, action)
                    if side == "server":  # a cut behind which the client has said more may lose what it was told
                        client.sendall(SYNC)
                        told = self.receive(client, len(READY))
                        client.sendall(LONG)
                        self.assertEqual(told + self.until_end(client), passed)
                        self.assertTrue(self.server.ended.acquire(timeout=5))
                    else:
                        client.sendall(SYNC + LONG + SYNC)
                        self.until_end(client)
                        self.assertTrue(self.server.ended.acquire(timeout=5))
                        self.assertEqual(bytes(self.server.heard[-1]), SSL_REQUEST + STARTUP + passed)

    def test_the_action_call_comes_between_two_messages(self):
        client = self.connect()
        heard = []
        called = threading.Event()

        def listen():
            heard.append(self.receive(client, len(READY)))
            client.setblocking(False)
            try:
                heard.append(client.recv(1))
            except BlockingIOError:
                heard.append("nothing yet")
            client.settimeout(5)
            called.set()

        self.proxy.arm("server", 2, "call", call=listen)
        client.sendall(SYNC + LONG)
        self.assertTrue(called.wait(5))
        self.assertEqual(heard, [READY, "nothing yet"])
        self.assertEqual(self.receive(client, len(LONG)), LONG)
        self.assertEqual(self.proxy.fired, 1)

    def test_silence_swallows_all_until_it_heals(self):
        client = self.connect()
        self.proxy.arm("client", 1, "silence")
        client.sendall(SYNC)
        client.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            client.recv(1)
        self.proxy.heal()
        client.settimeout(5)
        self.assertEqual(self.until_end(client), b"")
        self.connect()

    def test_refuses_so_many_connections(self):
        self.proxy.refuse(2)
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=5) as client:
                self.assertEqual(self.until_end(client), b"")
        self.connect()

    def test_an_encrypted_connection_is_passed_on_unread(self):
        client, server = proxy.Framing("client"), proxy.Framing("server")
        client.peer, server.peer = server, client
        self.assertEqual(client.split(SSL_REQUEST), [SSL_REQUEST])
        self.assertEqual(server.split(b"S"), [b"S"])
        self.assertEqual(client.split(b"\xff\xff\xff"), [b"\xff\xff\xff"])
        self.assertEqual(server.split(b"\0"), [b"\0"])

    def test_a_delay_is_a_round_trip(self):
        client = self.connect()
        self.proxy.round_trip_ms = 40
        began = time.monotonic()
        for _ in range(10):
            client.sendall(LONG)
        self.assertEqual(self.receive(client, 10 * len(LONG)), 10 * LONG)
        self.assertGreaterEqual(1000 * (time.monotonic() - began), 40)

    def test_it_obeys_its_standard_input(self):
        words = [sys.executable, TOOLS / "proxy.py", "--to", f"127.0.0.1:{self.server.port}"]
        lines = "count\ndelay 5\narm client 1 middle 2\narm nobody 1 middle\nhum\nto 127.0.0.1:1\n"
        done = subprocess.run(words, input=lines, capture_output=True, text=True, timeout=30, check=True)
        first, *answers = done.stdout.splitlines()
        self.assertRegex(first, r"^listening on \d+$")
        self.assertEqual(answers[:3], ["0 0 0", "ok", "ok"])
        self.assertTrue(all(answer.startswith("error: ") for answer in answers[3:5]), answers)
        self.assertEqual(answers[5:], ["ok"])


if __name__ == "__main__":
    unittest.main()
