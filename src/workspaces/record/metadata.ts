import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import type { WorkspaceRecord } from "./record.ts";

const labelKeyForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const maxNameLength = 120;
const maxLabelLength = 256;
const maxLabels = 64;

/** A change of a workspace's name and labels. */
export const metadataUpdateSchema = z.object({
  /** null removes the name */
  name: z.string().nullable().optional(),
  setLabels: z.record(z.string(), z.string()),
  clearLabels: z.array(z.string()),
});
export type MetadataUpdate = z.output<typeof metadataUpdateSchema>;

/** Name and labels after a change. */
export function changedMetadata(
  record: Pick<WorkspaceRecord, "name" | "labels">,
  { name, setLabels, clearLabels }: MetadataUpdate,
): Pick<WorkspaceRecord, "name" | "labels"> {
  const labels = { ...record.labels, ...setLabels };
  for (const key of clearLabels) delete labels[key];
  requireMetadata({ name: name ?? null, labels });
  return { name: name === undefined ? record.name : name, labels };
}

/** Refuses names and labels that a list could not show. */
export function requireMetadata({ name, labels }: Pick<WorkspaceRecord, "name" | "labels">): void {
  if (name !== null && !isShowable(name, maxNameLength)) {
    throw invalid(`cannot name a workspace '${name}': a name has 1 to ${maxNameLength} characters on one line`);
  }
  for (const [key, value] of Object.entries(labels)) {
    if (!labelKeyForm.test(key)) {
      throw invalid(
        `cannot set label '${key}': a key begins with a letter or digit and has up to 64 of A-Z a-z 0-9 . _ -`,
      );
    }
    if (value !== "" && !isShowable(value, maxLabelLength)) {
      throw invalid(`cannot set label '${key}': its value has more than ${maxLabelLength} characters or several lines`);
    }
  }
  if (Object.keys(labels).length > maxLabels) throw invalid(`cannot set labels: ${maxLabels} are the most`);
}

function isShowable(text: string, maxLength: number): boolean {
  return text.trim() !== "" && text.length <= maxLength && !/\p{Cc}/u.test(text);
}

function invalid(message: string): PyroError {
  return new PyroError("invalid_argument", message);
}
