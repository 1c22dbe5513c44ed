import { PyroError } from "../../core/errors.ts";
import { hint } from "../../core/hint.ts";
import { pathExists } from "../../host/files.ts";
import { oneLine } from "../../tree/name.ts";
import { isIdOf, nameCall } from "./kind.ts";
import { listStored, noSuchWorkspace, type StoredWorkspace, WorkspacePlace } from "./store.ts";

const maxShown = 10;
/** With fewer characters a name that is gone could mean another workspace, which is then deleted */
const leastPrefix = 4;

/**
 * The id of the workspace that a user means: by its id, by four or more characters of its beginning
 * that no other id begins with, or by its name. An id that there is not is given back, if it is no
 * name either.
 */
export async function findWorkspaceId(workspacesDir: string, given: string): Promise<string> {
  const isId = isIdOf("workspace", given);
  if (isId && (await isStored(workspacesDir, given))) return given;
  const meant = (await listStored(workspacesDir, "workspace")).filter((stored) => isMeant(stored, given));
  const [only, ...others] = meant;
  if (!only && isId) return given;
  if (!only) throw isIdOf("vm", given) ? otherKind("a workspace", given) : noSuchWorkspace(given);
  if (others.length > 0) throw ambiguous(given, meant);
  return only.place.workspaceId;
}

/** The id of a machine for one command, which has no name. */
export async function requireVmId(workspacesDir: string, given: string): Promise<string> {
  if (isIdOf("vm", given)) return given;
  // A caller that means a workspace may give its name.
  const workspaceId = await findWorkspaceId(workspacesDir, given).catch(() => given);
  if (await isStored(workspacesDir, workspaceId)) throw otherKind("a machine for one command", workspaceId);
  throw new PyroError("not_found", `there is no machine '${given}'`, {
    hint: "Give the id that its creation gave, which begins with vm-.",
  });
}

async function isStored(workspacesDir: string, id: string): Promise<boolean> {
  return isIdOf("workspace", id) && (await pathExists(new WorkspacePlace(workspacesDir, id).dir));
}

function otherKind(wanted: string, id: string): PyroError {
  const what = isIdOf("vm", id) ? "a machine for one command" : "a workspace";
  return new PyroError("invalid_argument", `cannot use '${id}' as ${wanted}: it is ${what}`, {
    hint: hint`Use ${nameCall("status", id)} and what goes with it.`,
  });
}

function isMeant(stored: StoredWorkspace, given: string): boolean {
  const isBeginning = given.length >= leastPrefix && stored.place.workspaceId.startsWith(given);
  return isBeginning || nameOf(stored) === given;
}

function nameOf(stored: StoredWorkspace): string | null {
  return stored.status === "ok" ? stored.record.name : null;
}

function ambiguous(given: string, meant: readonly StoredWorkspace[]): PyroError {
  const shown = meant.slice(0, maxShown).map((stored) => {
    const name = nameOf(stored);
    return name === null ? stored.place.workspaceId : `${stored.place.workspaceId} (${oneLine(name)})`;
  });
  const more = meant.length - shown.length;
  const list = [...shown, ...(more > 0 ? [`${more} more`] : [])].join(", ");
  return new PyroError("invalid_argument", `'${given}' can mean several workspaces: ${list}`, {
    hint: "Give the id.",
    details: { workspaceIds: meant.map(({ place }) => place.workspaceId) },
  });
}
