#!/usr/bin/env python3
"""A proxy before a PostgreSQL server that delays, cuts, truncates and swallows the traffic.

usage: tools/proxy.py --to HOST:PORT [--listen PORT] [--round-trip-ms MS] [--raw]

It says "listening on PORT", then obeys lines of stdin, each answered by a line, and ends with stdin:

    delay MS                        what the proxy adds to a round trip
    arm client|server K WHAT [N]    acts at the K-th message from there, counted from now: before | middle | after cut the
                                    connection there; silence swallows that message and all that follow. The next N
                                    connections are refused then
    refuse N                        refuses the next N connections (-1: all)
    cut                             cuts every connection
    heal                            forgets what was armed, refused and swallowed
    count                           messages and round trips so far: CLIENT SERVER TRIPS
    to HOST:PORT                    where later connections go

A delay holds each piece back for half of the round trip and does not limit how much is under way. Threads, since the
timers of asyncio round up to whole milliseconds. Tests use the class and skip the lines. --raw leaves messages unread:
quicker, and nothing can be armed.
"""
import argparse
import collections
import socket
import struct
import sys
import threading
import time

SIDES = ("client", "server")
ACTIONS = ("before", "middle", "after", "silence", "call")
NEGOTIATIONS = {80877103, 80877104}  # SSLRequest, GSSENCRequest: answered by a single byte
START = struct.Struct("!II")
HEAD = struct.Struct("!cI")
PIECE = 1 << 18


class Framing:
    """Where messages end in one direction of a connection. The other direction's framing is its `peer`."""

    def __init__(self, side):
        self.side = side
        self.peer = None
        self.buffer = bytearray()
        self.starts = side == "client"  # the next message has no type
        self.single = 0  # answers of one byte that are due
        self.opaque = False  # encrypted

    def split(self, data):
        """The whole messages that data completes. What is left waits for more."""
        self.buffer += data
        messages = []
        at = 0
        while (size := self.size_at(at)) and at + size <= len(self.buffer):
            messages.append(bytes(self.buffer[at : at + size]))
            at += size
            self.note(messages[-1])
        del self.buffer[:at]
        return messages

    def size_at(self, at):
        left = len(self.buffer) - at
        if self.opaque:
            return left
        if self.single:
            return min(left, 1)
        if self.starts:
            return START.unpack_from(self.buffer, at)[0] if left >= START.size else 0
        return 1 + HEAD.unpack_from(self.buffer, at)[1] if left >= HEAD.size else 0

    def note(self, message):
        if self.single:
            self.single -= 1
            self.opaque = self.peer.opaque = message in (b"S", b"G")
        elif self.starts and not self.opaque:
            negotiates = START.unpack_from(message)[1] in NEGOTIATIONS
            self.starts = negotiates
            self.peer.single += negotiates


class Link:
    """One connection: two sockets, and for each direction a thread that reads and one that writes."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.sockets = {"client": client, "server": server}
        self.framing = {side: Framing(side) for side in SIDES}
        self.framing["client"].peer, self.framing["server"].peer = self.framing["server"], self.framing["client"]
        for end in self.sockets.values():
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self):
        for side, other in (SIDES, SIDES[::-1]):
            pipe = Pipe(self.sockets[other], self.proxy)
            threading.Thread(target=self.read, args=(side, pipe), daemon=True).start()

    def read(self, side, pipe):
        try:
            while data := self.sockets[side].recv(PIECE):
                for piece in self.proxy.pass_on(self, side, data):
                    if piece is None:
                        return
                    pipe.send(piece)
        except OSError:
            pass
        finally:
            pipe.flush()
            self.proxy.drop(self)

    def close(self):
        for end in self.sockets.values():
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed on the other side already


class Pipe:
    """Sends pieces to a socket when they are due. What is sent without a delay takes no thread."""

    def __init__(self, end, proxy):
        self.end = end
        self.proxy = proxy
        self.queue = collections.deque()
        self.changed = threading.Condition()
        self.writer = None

    def send(self, data):
        delay = self.proxy.round_trip_ms / 2000
        if not delay and not self.queue:
            self.end.sendall(data)
            return
        with self.changed:
            self.queue.append((time.monotonic() + delay, data))
            self.changed.notify_all()
        if not self.writer:
            self.writer = threading.Thread(target=self.write, daemon=True)
            self.writer.start()

    def write(self):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.queue)
                due, data = self.queue[0]
            if data is None:
                return
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                self.end.sendall(data)
            except OSError:
                pass  # the reader of the other direction sees it, too
            with self.changed:
                self.queue.popleft()
                self.changed.notify_all()

    def flush(self):
        """Until all is sent; nothing may be sent after it."""
        with self.changed:
            self.changed.wait_for(lambda: not self.queue)
            self.queue.append((0, None))
            self.changed.notify_all()


class Proxy:
    def __init__(self, host, port, listen=0, round_trip_ms=0.0, raw=False):
        self.target = (host, port)
        self.round_trip_ms = round_trip_ms
        self.raw = raw
        self.lock = threading.Lock()
        self.links = set()
        self.counts = dict.fromkeys(SIDES, 0)
        self.round_trips = 0  # how often the client has spoken after the server
        self.last = "server"
        self.armed = None
        self.fired = 0
        self.refused = 0
        self.accepted = 0
        self.silent = False
        self.listener = socket.create_server(("127.0.0.1", listen), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    # ---- what is asked of it

    def arm(self, side, at, action, refuse=0, call=None):
        """At the at-th message from that side, counted from now. The action "call" calls and goes on."""
        if self.raw or side not in SIDES or action not in ACTIONS or at < 1:
            raise ValueError(f"cannot arm {side} {at} {action}")
        with self.lock:
            self.armed = (side, self.counts[side] + at, action, refuse, call)

    def refuse(self, count):
        with self.lock:
            self.refused = count

    def heal(self):
        with self.lock:
            self.armed = None
            self.refused = 0
            was_silent, self.silent = self.silent, False
        if was_silent:
            self.cut()

    def cut(self):
        with self.lock:
            links = list(self.links)
        for link in links:
            self.drop(link)

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # never a reason to fail
        self.listener.close()
        self.cut()

    # ---- what it does

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            with self.lock:
                refuses = self.refused != 0
                self.refused -= self.refused > 0
            if refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            link = Link(self, client, server)
            with self.lock:
                self.links.add(link)
                self.accepted += 1
            link.start()

    def drop(self, link):
        with self.lock:
            self.links.discard(link)
        link.close()

    def pass_on(self, link, side, data):
        """Yields what goes on to the other side, and None where the connection is cut."""
        if self.raw:
            yield data
            return
        passed = bytearray()  # messages that nothing is armed for travel together
        for message in link.framing[side].split(data):
            before, after, call = self.judge(side, message)
            passed += before
            if call:
                if passed:
                    yield bytes(passed)
                    passed.clear()
                call()
            if after is None:
                yield bytes(passed)
                yield None
                return
            passed += after
        if passed:
            yield bytes(passed)

    def judge(self, side, message):
        """What of a message is passed on, before and after `call`; None after it: the connection is cut."""
        with self.lock:
            self.counts[side] += 1
            self.round_trips += (self.last, side) == ("server", "client")
            self.last = side
            if self.silent:
                return b"", b"", None
            if not self.armed or self.armed[:2] != (side, self.counts[side]):
                return message, b"", None
            _, _, action, refuse, call = self.armed
            self.armed = None
            self.fired += 1
            self.refused = refuse
            self.silent = action == "silence"
        if action == "silence":
            return b"", b"", None
        if action == "call":
            return b"", message, call
        parts = {"before": 0, "middle": (len(message) + 1) // 2, "after": len(message)}
        return message[: parts[action]], None, None


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def obey(proxy, words):
    """One line of stdin; answers what is said to it."""
    verb, *rest = words
    if verb == "delay":
        proxy.round_trip_ms = float(rest[0])
    elif verb == "arm":
        proxy.arm(rest[0], int(rest[1]), rest[2], int(rest[3]) if len(rest) > 3 else 0)
    elif verb == "refuse":
        proxy.refuse(int(rest[0]))
    elif verb == "cut":
        proxy.cut()
    elif verb == "heal":
        proxy.heal()
    elif verb == "count":
        return f"{proxy.counts['client']} {proxy.counts['server']} {proxy.round_trips}"
    elif verb == "to":
        proxy.target = address(rest[0])
    else:
        raise ValueError(f"there is no command '{verb}'")
    return "ok"


def main():
    parser = argparse.ArgumentParser(description="A proxy that delays and cuts the traffic with a PostgreSQL server.")
    parser.add_argument("--to", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT")
    parser.add_argument("--round-trip-ms", type=float, default=0.0, metavar="MS")
    parser.add_argument("--raw", action="store_true")
    options = parser.parse_args()
    proxy = Proxy(*options.to, options.listen, options.round_trip_ms, options.raw)
    print(f"listening on {proxy.port}", flush=True)
    for line in sys.stdin:
        try:
            print(obey(proxy, line.split()), flush=True)
        except (ValueError, IndexError) as fault:
            print(f"error: {fault}", flush=True)
    proxy.close()


if __name__ == "__main__":
    main()
