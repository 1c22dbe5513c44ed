import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { createServer } from "pyro-mcp";

await using server = await createServer({ mode: "inspect", noProjectSource: true });

// Any transport will do: one of the MCP SDK, or an object with the same methods.
const [ours, theirs] = InMemoryTransport.createLinkedPair();
await server.connect(theirs);
const client = new Client({ name: "example", version: "1.0.0" });
await client.connect(ours);

const { tools } = await client.listTools();
console.log(`tools: ${tools.length}, the first is ${tools[0]?.name}`);
const { structuredContent } = await client.callTool({ name: "workspace_list", arguments: {} });
console.log(`workspaces: ${JSON.stringify(structuredContent)}`);
await client.close();
