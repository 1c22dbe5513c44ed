export { type ErrorCode, type ErrorPayload, errorCodes, PyroError } from "./core/errors.ts";
export { createServer, Pyro } from "./library.ts";
export type { McpTransport, PyroServer, ServerOptions } from "./mcp/serving/embedded.ts";
export type { LiveStreams, OperationProgress } from "./operations/operation.ts";
export type { CallOptions } from "./sdk/client.ts";
export type { PyroOptions } from "./sdk/pyro.ts";
export { Workspace } from "./sdk/workspace.ts";
