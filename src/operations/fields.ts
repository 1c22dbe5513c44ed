import * as z from "zod";
import { workspacePath } from "../core/workspace-path.ts";
import { hostPathProblem } from "../host/named/path.ts";
import { catalog, catalogEntry, defaultEnvironment } from "../images/catalog.ts";
import { defaultShape, machineShapeSchema } from "../machines/shape.ts";

/** Fields that several operations share. */

export { defaultEnvironment };

export const environmentName = z.string().min(1).describe("Environment, such as debian:12 (see `pyro env list`)");

export const vcpuCount = machineShapeSchema.shape.vcpuCount
  .default(defaultShape.vcpuCount)
  .describe("Virtual processors");

export const memMib = machineShapeSchema.shape.memMib.default(defaultShape.memMib).describe("Memory in MiB");

export const executionMode = z
  .enum(["guest", "host_compat"])
  .describe("Where it ran: in a virtual machine, or on the host without isolation");

export const isolation = z
  .object({ vmm: z.string(), accelerator: z.string() })
  .nullable()
  .describe("What separated it from the host; null on the host");

export const allowHostCompat = z
  .boolean()
  .default(false)
  .describe("Run on this host, WITHOUT isolation, when no virtual machine can be had");

export const limitSeconds = z.number().positive().max(86_400);

export const commandTimeoutSeconds = limitSeconds.default(30).describe("Time limit for the command");

const noNul = (text: string) => !text.includes("\0");

/** A word of a command, or text for a shell. Neither can contain NUL, which ends them. */
export const commandText = z.string().refine(noNul, "must not have a NUL character in it");

/** Variables for a command, by name. */
const commandVariables = z.record(
  z
    .string()
    .min(1)
    .refine((name) => noNul(name) && !name.includes("="), "a variable's name must have no = in it"),
  commandText,
);

/** Where a workspace's command runs */
export const commandCwd = commandText
  .min(1)
  .default(workspacePath)
  .describe("Directory to run it in, absolute or below /workspace");

export const commandEnv = commandVariables.default({}).describe("Variable for it; repeatable");

/** The same for a model */
export const modelCommandEnv = commandVariables.default({}).describe("Variables for it");

/** A path of this host that an operation reads or writes, in any form that the host takes. */
export const hostPath = z
  .string()
  .min(1)
  .superRefine((path, context) => {
    const message = hostPathProblem(path);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** A command as a model writes it */
export const shellText = commandText.min(1).describe("Text for bash, or sh where the guest has no bash");

/** An environment as a model chooses it */
export const environmentChoice = z
  .string()
  .min(1)
  .describe(catalog.map(({ name, inShort }) => `${name} (${inShort})`).join(", "));

/** Fails if the catalog has no environment of this name. */
export function requireEnvironmentName(name: string): void {
  catalogEntry(name);
}

/** What an environment has, in words: `debian:12 is Debian 12 with …` */
export function environmentInWords(name = defaultEnvironment): string {
  return `${name} is ${catalogEntry(name).description}`;
}
