import { PyroError, systemErrorCode } from "../../core/errors.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import type { Machine } from "../machine.ts";
import { requireRoomForMachine } from "../room.ts";
import { ensureTemplate, type TemplateRequest } from "./ensure.ts";
import type { Template } from "./store.ts";

export interface ForkTemplateRequest extends TemplateRequest {
  /** Build the template anew even when there is a good one */
  readonly rebuild: boolean;
}

/** Forks the template of a machine, made first if need be; a template that turns out to be no good is replaced, once. */
export async function forkTemplate<S extends Machine>(
  context: EngineContext,
  { rebuild, ...machine }: ForkTemplateRequest,
  options: EngineCallOptions,
  fork: (template: Template) => Promise<S>,
): Promise<S> {
  const template = await ensureTemplate(context, machine, { ...options, accept: rebuild ? () => false : undefined });
  await requireRoomForMachine(context.layout.scratchDir);
  try {
    return await fork(template);
  } catch (error) {
    if (!isCuredByAnotherTemplate(error)) throw error;
    // Somebody else may have made another one by now; the one that failed is not tried again.
    const isAnother = ({ record }: Template) => record.createdAt !== template.record.createdAt;
    return fork(await ensureTemplate(context, machine, { ...options, accept: isAnother }));
  }
}

/** It was pruned in between, or its frozen state is no good although its files are as they were. */
function isCuredByAnotherTemplate(error: unknown): boolean {
  if (systemErrorCode(error) === "ENOENT") return true;
  return error instanceof PyroError && error.code === "failed_precondition";
}
