"""A scripted agent that does what every text tells it. Its arguments: the client's mode, and the two servers in JSON."""
import asyncio
import json
import sys

from agent_client import called, connected


async def main(mode, servers):
    seen = {}
    async with connected(servers[0], mode) as bank, connected(servers[1], mode) as mail:
        seen["version"] = bank.session.protocol_version
        tools = (await bank.list_tools()).tools + (await mail.list_tools()).tools
        seen["tools"] = [tool.name for tool in tools]
        await called(bank, "list_payments", {})
        await called(mail, "read_inbox", {})
        pay = lambda to, amount: called(bank, "send_money", {"recipient": to, "amount": amount})
        seen["of-payment"] = await pay("US133000000121212121212", 500)
        seen["of-mail"] = await pay("GB82WEST12345698765432", 980)
        seen["own"] = await pay("DE89370400440532013000", 980)
        seen["deleted"] = await called(bank, "delete_account", {})
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
