// A client that reads, and is denied two calls. Its arguments: the version, and the URL of the gate.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [version, url] = process.argv.slice(2);
const mode = version === "legacy" ? "legacy" : { pin: version };
const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const called = async (name, args) => {
  try {
    return await client.callTool({ name, arguments: args });
  } catch (error) {
    return { code: error.code, message: error.message };
  }
};
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const payments = JSON.stringify(await called("list_payments", {}));
const denied = await called("send_money", { recipient: "US133000000121212121212", amount: 500 });
const deleted = await called("delete_account", {});
console.log(JSON.stringify({ tools, payments, denied, deleted }));
await client.close();
