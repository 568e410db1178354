"""The client of the scripts."""
import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


def connected(server, mode):
    session = server.get("session") or ""
    if "url" in server:
        http = httpx2.AsyncClient(headers={"Portcullis-Session": session}, timeout=60)
        return Client(streamable_http_client(server["url"], http_client=http), mode=mode)
    parameters = StdioServerParameters(
        command=server["command"], args=server["arguments"], env={"PORTCULLIS_SESSION": session})
    return Client(stdio_client(parameters), mode=mode)


async def called(client, tool, arguments):
    try:
        result = await client.call_tool(tool, arguments)
        return {"text": result.content[0].text if result.content else ""}
    except Exception as error:
        return {"error": str(error)}
