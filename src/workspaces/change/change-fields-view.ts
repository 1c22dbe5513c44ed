import * as z from "zod";
import { artifactType } from "../life/workspace-view.ts";

export const changeSummary = z.object({
  total: z.number(),
  added: z.number(),
  modified: z.number(),
  deleted: z.number(),
  typeChanged: z.number(),
  textPatched: z.number(),
  nonText: z.number(),
});

export const changeEntry = z.object({
  path: z.string(),
  status: z.enum(["added", "modified", "deleted", "type_changed"]),
  artifactType,
});
