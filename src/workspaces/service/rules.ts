import { BoundedPattern } from "../../core/bounded-pattern.ts";
import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { pathBelowWorkspace } from "../file/guest-path.ts";
import type { Readiness } from "../record/service.ts";
import { loopbackPort, readinessUrl } from "./address.ts";

export function unknownService(serviceName: string): PyroError {
  return new PyroError("not_found", `there is no service '${serviceName}'`, {
    hint: hint`Look at ${named("workspace.service.list")}.`,
  });
}

/** What a caller can wait for, of which at most one may be given. */
export interface ReadinessChoice {
  readonly readyFile?: string | undefined;
  readonly readyTcp?: string | undefined;
  readonly readyHttp?: string | undefined;
  readonly readyCommand?: string | undefined;
  readonly readyLog?: string | undefined;
}

/** Refuses what no service could ever be ready by. */
export function readinessOf(choice: ReadinessChoice): Readiness | null {
  const { readyFile, readyTcp, readyHttp, readyCommand, readyLog } = choice;
  const given: Readiness[] = [];
  if (readyFile !== undefined) {
    pathBelowWorkspace(readyFile);
    given.push({ type: "file", path: readyFile });
  }
  if (readyTcp !== undefined) {
    loopbackPort(readyTcp);
    given.push({ type: "tcp", address: readyTcp });
  }
  if (readyHttp !== undefined) given.push({ type: "http", url: readinessUrl(readyHttp).href });
  if (readyCommand !== undefined) given.push({ type: "command", command: readyCommand });
  if (readyLog !== undefined) {
    new BoundedPattern(readyLog);
    given.push({ type: "log", pattern: readyLog });
  }
  if (given.length <= 1) return given[0] ?? null;
  const types = given.map(({ type }) => type).join(" and ");
  throw new PyroError("invalid_argument", `cannot wait for ${types} at once`, {
    hint: "Give one of them; a command can look at several things.",
  });
}
