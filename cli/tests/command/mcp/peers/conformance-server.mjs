// A server with the tools, resources and prompts that the conformance suite of MCP calls.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const pause = () => new Promise((done) => setTimeout(done, 50));
const text = (value) => ({ type: "text", text: value });
const resource = (uri, mimeType, value) => ({ type: "resource", resource: { uri, mimeType, text: value } });
const image = { type: "image", data: PIXEL, mimeType: "image/png" };
const options = ["option1", "option2", "option3"];
const titled = (first) => [1, 2, 3].map((n) => ({ const: `value${n}`, title: `${first} ${n}` }));

const elicited = async (ask, requestedSchema) => {
  const answer = await ask("elicitation/create", { message: "Please answer", requestedSchema }, types.ElicitResultSchema);
  return [text(`answered: ${answer.action} ${JSON.stringify(answer.content)}`)];
};

const tools = {
  test_simple_text: () => [text("This is a simple text response for testing.")],
  test_image_content: () => [image],
  test_audio_content: () => [{ type: "audio", data: SOUND, mimeType: "audio/wav" }],
  test_embedded_resource: () => [resource("test://embedded-resource", "text/plain", "An embedded resource.")],
  test_multiple_content_types: () => [
    text("Multiple content types test:"), image,
    resource("test://mixed-content-resource", "application/json", JSON.stringify({ test: "data", value: 123 })),
  ],
  test_tool_with_logging: async ({ notify }) => {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      await notify("notifications/message", { level: "info", data });
      await pause();
    }
    return [text("logged")];
  },
  test_error_handling: () => { throw new Error("This tool intentionally returns an error for testing"); },
  test_tool_with_progress: async ({ notify, token }) => {
    for (const progress of [0, 50, 100]) {
      if (token !== undefined) await notify("notifications/progress", { progressToken: token, progress, total: 100 });
      await pause();
    }
    return [text(String(token))];
  },
  test_sampling: async ({ ask, args }) => {
    const messages = [{ role: "user", content: text(args.prompt ?? "") }];
    const answer = await ask("sampling/createMessage", { messages, maxTokens: 100 }, types.CreateMessageResultSchema);
    return [text(`LLM response: ${answer.content.text}`)];
  },
  test_elicitation: ({ ask }) => elicited(ask, {
    type: "object", required: ["username", "email"],
    properties: { username: { type: "string" }, email: { type: "string" } },
  }),
  test_elicitation_sep1034_defaults: ({ ask }) => elicited(ask, { type: "object", properties: {
    name: { type: "string", default: "John Doe" }, age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 }, verified: { type: "boolean", default: true },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  } }),
  test_elicitation_sep1330_enums: ({ ask }) => elicited(ask, { type: "object", properties: {
    untitledSingle: { type: "string", enum: options },
    titledSingle: { type: "string", oneOf: titled("Option") },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: options } },
    titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
  } }),
};

const prompts = {
  test_simple_prompt: () => [text("This is a simple prompt for testing.")],
  test_prompt_with_arguments: (args) => [text(`Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'`)],
  test_prompt_with_embedded_resource: (args) => [resource(args.resourceUri, "text/plain", "Embedded."), text("Read it.")],
  test_prompt_with_image: () => [image, text("Please analyze the image above.")],
};

function server() {
  const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} };
  const server = new Server({ name: "conformance", version: "1" }, { capabilities });
  const inputSchema = { type: "object", properties: { prompt: { type: "string" } } };
  server.setRequestHandler(types.ListToolsRequestSchema, () => ({
    tools: Object.keys(tools).map((name) => ({ name, description: name, inputSchema })),
  }));
  server.setRequestHandler(types.CallToolRequestSchema, async ({ params }, extra) => {
    const tool = tools[params.name];
    if (!tool) throw new Error(`unknown tool ${params.name}`);
    try {
      return { content: await tool({
        args: params.arguments ?? {}, token: params._meta?.progressToken,
        notify: (method, params) => extra.sendNotification({ method, params }),
        ask: (method, params, schema) => extra.sendRequest({ method, params }, schema),
      }) };
    } catch (error) {
      return { isError: true, content: [text(error.message)] };
    }
  });
  server.setRequestHandler(types.ListResourcesRequestSchema, () => ({ resources: [
    { uri: "test://static-text", name: "text", mimeType: "text/plain" },
    { uri: "test://static-binary", name: "binary", mimeType: "image/png" },
    { uri: "test://watched-resource", name: "watched", mimeType: "text/plain" },
  ] }));
  server.setRequestHandler(types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template" }],
  }));
  server.setRequestHandler(types.ReadResourceRequestSchema, ({ params: { uri } }) => {
    if (uri === "test://static-binary") return { contents: [{ uri, mimeType: "image/png", blob: PIXEL }] };
    const id = uri.match(/^test:\/\/template\/(.*)\/data$/)?.[1];
    const value = id ? JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) : "A static text.";
    return { contents: [{ uri, mimeType: id ? "application/json" : "text/plain", text: value }] };
  });
  for (const schema of [types.SubscribeRequestSchema, types.UnsubscribeRequestSchema, types.SetLevelRequestSchema]) {
    server.setRequestHandler(schema, () => ({}));
  }
  server.setRequestHandler(types.ListPromptsRequestSchema, () => ({ prompts: [
    { name: "test_simple_prompt", description: "A prompt." },
    { name: "test_prompt_with_arguments", description: "A prompt.", arguments: [{ name: "arg1", required: true }, { name: "arg2", required: true }] },
    { name: "test_prompt_with_embedded_resource", description: "A prompt.", arguments: [{ name: "resourceUri", required: true }] },
    { name: "test_prompt_with_image", description: "A prompt." },
  ] }));
  server.setRequestHandler(types.GetPromptRequestSchema, ({ params }) => ({
    messages: prompts[params.name](params.arguments ?? {}).map((content) => ({ role: "user", content })),
  }));
  server.setRequestHandler(types.CompleteRequestSchema, () => ({ completion: { values: ["paris", "park"], total: 2, hasMore: false } }));
  return server;
}

const sessions = new Map();
const listener = createServer(async (request, response) => {
  let transport = sessions.get(request.headers["mcp-session-id"]);
  if (!transport) {
    if (request.headers["mcp-session-id"] || request.method !== "POST") {
      response.writeHead(request.headers["mcp-session-id"] ? 404 : 405).end();
      return;
    }
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    await server().connect(transport);
  }
  await transport.handleRequest(request, response);
});
listener.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(listener.address().port));
