export { type ErrorCode, type ErrorPayload, errorCodes, PyroError } from "./core/errors.ts";
