"""Calls one tool of a server, given in JSON with the tool and its arguments, and prints the result or the error."""
import asyncio
import json
import sys

from agent_client import called, connected


async def main(server, tool, arguments):
    async with connected(server, "legacy") as client:
        print(json.dumps(await called(client, tool, arguments)))


asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
