import { PyroError } from "../../core/errors.ts";
import { pathExists } from "../../host/files.ts";
import { oneLine } from "../../tree/name.ts";
import { idForm, listWorkspaces, noSuchWorkspace, type StoredWorkspace, WorkspacePlace } from "./store.ts";

const maxShown = 10;

/**
 * The id of the workspace that a user means: by its id, by a beginning of the id that no other has,
 * or by its name. What has the form of an id is taken for one, also if there is no such workspace.
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
  return stored.place.workspaceId.startsWith(given) || nameOf(stored) === given;
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
