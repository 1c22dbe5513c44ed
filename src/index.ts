export { type ErrorCode, type ErrorPayload, errorCodes, PyroError } from "./core/errors.ts";
export type { LiveStreams, OperationProgress } from "./operations/operation.ts";
export type { CallOptions } from "./sdk/client.ts";
export { Pyro, type PyroOptions } from "./sdk/pyro.ts";
export { Workspace } from "./sdk/workspace.ts";
