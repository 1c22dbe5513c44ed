import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { oneLine } from "../../tree/name.ts";
import { idForm, listWorkspaces, noSuchWorkspace, type StoredWorkspace, WorkspacePlace } from "./store.ts";

const maxShown = 10;
/** With fewer characters a name that is gone could mean another workspace, which is then deleted */
const leastPrefix = 4;

/**
 * The id of the workspace that a user means: by its id, by four or more characters of its beginning
 * that no other id begins with, or by its name. An id that there is not is given back, if it is no
 * name either.
 */
export async function findWorkspaceId(workspacesDir: string, given: string): Promise<string> {
  const isId = idForm.test(given);
  if (isId && (await pathExists(new WorkspacePlace(workspacesDir, given).dir))) return given;
  const meant = (await listWorkspaces(workspacesDir)).filter((stored) => isMeant(stored, given));
  const [only, ...others] = meant;
  if (!only && isId) return given;
  if (!only) throw noSuchWorkspace(given);
  if (others.length > 0) throw ambiguous(given, meant);
  return only.place.workspaceId;
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
