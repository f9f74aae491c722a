"""A proxy in front of NATS or the API that cuts and slows connections, and notes when the server ends one."""

import asyncio
import random
import time


class Proxy:
    def __init__(self, port, seed):
        self.target, self.random = port, random.Random(seed)
        self.port, self.open, self.ended_by_server, self.delay = 0, set(), [], 0.0
        # After so many bytes of the server on one connection all are cut, once.
        self.cut_after = None

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        pair = (writer, back)
        self.open.add(pair)
        ways = [asyncio.create_task(self.carry(reader, back, False)), asyncio.create_task(self.carry(there, writer, True))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in pair:
            end.close()
        self.open.discard(pair)

    async def carry(self, reader, writer, from_server):
        carried = 0
        try:
            while part := await reader.read(16 * 1024):
                carried += len(part) if from_server else 0
                if self.cut_after is not None and carried > self.cut_after:
                    self.cut_after = None
                    return self.cut()
                # Slow, and in pieces of any length.
                if self.delay:
                    cut = self.random.randrange(len(part))
                    writer.write(part[:cut])
                    await writer.drain()
                    await asyncio.sleep(self.random.uniform(0, self.delay))
                    part = part[cut:]
                writer.write(part)
                await writer.drain()
        except OSError:
            return
        if from_server:
            self.ended_by_server.append(time.monotonic())

    def cut(self):
        for pair in list(self.open):
            for end in pair:
                end.transport.abort()
