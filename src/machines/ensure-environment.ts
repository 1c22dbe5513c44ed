import { pullEnvironment } from "../images/pull.ts";
import { type BootableEnvironment, findEnvironment } from "../images/store.ts";
import type { EngineCallOptions, EngineContext } from "./context.ts";

/** An installed environment, pulled on first use. */
export async function ensureEnvironment(
  context: EngineContext,
  name: string,
  options: EngineCallOptions,
): Promise<BootableEnvironment> {
  const found = await findEnvironment(context.layout, name);
  if (found) return found;
  return pullEnvironment(context, name, options);
}
