import { systemErrorCode } from "../../core/errors.ts";
import { ProtocolMismatchError } from "../../guest/reply.ts";
import { FrozenStateError } from "../../vm/driver.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import type { Machine } from "../machine.ts";
import { requireRoomForMachine } from "../room.ts";
import { ensureTemplate, type TemplateRequest } from "./ensure.ts";
import { type Template, type TemplateFile, templateFiles } from "./store.ts";

export interface ForkTemplateRequest extends TemplateRequest {
  /** Whether to rebuild the template even if it is good */
  readonly rebuild: boolean;
}

/** Forks the template of a machine, made first if need be. A bad one is replaced, once. */
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
    if (!isCuredByAnotherTemplate(error, template)) throw error;
    // Another process may have replaced it by now; the one that failed is not tried again.
    const isAnother = ({ record }: Template) => record.createdAt !== template.record.createdAt;
    return fork(await ensureTemplate(context, machine, { ...options, accept: isAnother }));
  }
}

/**
 * A template can be bad in three ways: its frozen state does not load although its files are
 * intact, its agent speaks another protocol, or another process pruned it since it was found.
 */
function isCuredByAnotherTemplate(error: unknown, template: Template): boolean {
  if (error instanceof FrozenStateError || error instanceof ProtocolMismatchError) return true;
  return systemErrorCode(error) === "ENOENT" && isOwnFile(template, error);
}

function isOwnFile(template: Template, error: unknown): boolean {
  if (!(error instanceof Error) || !("path" in error)) return false;
  const { path } = error;
  return (Object.keys(templateFiles) as TemplateFile[]).some((file) => template.pathOf(file) === path);
}
