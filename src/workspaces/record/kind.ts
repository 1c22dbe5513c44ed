import { randomBytes } from "node:crypto";
import { type OperationCall, toRun } from "../../core/hint.ts";

/**
 * What a record is of. A machine for one command has the files, the supervisor and the expiry of a
 * workspace, and none of its history: it is created, looked at, runs one command and is gone. The
 * id tells which it is, also of a record that cannot be read and of one that is gone.
 */
export type Kind = "workspace" | "vm";

const digits = "[0-9a-f]{12}";
/** An id of either kind */
export const anyId = new RegExp(`^(?:vm-)?${digits}$`);
/** A folder that is being removed. Any process that finds it may finish the work */
export const removedForm = new RegExp(`^\\.deleted-(?:vm-)?${digits}$`);
/** A folder that is being filled. The process that fills it holds its lock */
export const draftForm = new RegExp(`^\\.new-(?:vm-)?${digits}$`);

const forms: Readonly<Record<Kind, RegExp>> = {
  workspace: new RegExp(`^${digits}$`),
  vm: new RegExp(`^vm-${digits}$`),
};

export function newId(kind: Kind): string {
  const random = randomBytes(6).toString("hex");
  return kind === "vm" ? `vm-${random}` : random;
}

export function isIdOf(kind: Kind, id: string): boolean {
  return forms[kind].test(id);
}

/** `workspace`, for messages */
export function nounOf(id: string): string {
  return isIdOf("vm", id) ? "machine" : "workspace";
}

/** `workspace '0a1b2c3d4e5f'`, for messages */
export function inWords(id: string): string {
  return `${nounOf(id)} '${id}'`;
}

type OwnOperation = "status" | "start" | "delete";

/** The call, for a hint, of the operation on what the id belongs to. */
export function toCall(operation: OwnOperation, id: string): OperationCall {
  if (isIdOf("vm", id)) return toRun(`vm.${operation}`, { vmId: id });
  return toRun(`workspace.${operation}`, { workspaceId: id });
}

/** Names the call instead. */
export function nameCall(operation: OwnOperation, id: string): OperationCall {
  return { ...toCall(operation, id), as: "name" };
}
