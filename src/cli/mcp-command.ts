import { type Command, Option } from "commander";
import { type NetworkMode, type NetworkRules, networkModes } from "../network/policy/rules.ts";
import { defaultEnvironment } from "../operations/fields.ts";
import { networkRules } from "../operations/network.ts";
import { defaultProfile, modes, profiles, type ToolsetChoice } from "../operations/toolsets.ts";
import type { ProjectFlags } from "../projects/start.ts";

export type McpFlags = ProjectFlags & ToolsetChoice & { readonly environment?: string; readonly network: NetworkRules };

const examples = `
Examples:
  pyro mcp serve
  pyro mcp serve --mode repro-fix
  pyro mcp serve --mode inspect --project-path ~/src/parser
  pyro mcp serve --environment debian:12-build
  pyro mcp serve --network-policy egress --allow npm --allow-host api.example.com
  pyro mcp serve --repo-url https://example.com/parser.git --repo-ref v2.1

An MCP client starts this by itself; docs/mcp.md says how to tell it. Inside a Git
checkout, workspaces begin with the Git-tracked files of that checkout.`;

/** The only command that is not an operation. It offers operations to a model. */
export function addMcpCommand(program: Command, onServe: (flags: McpFlags) => Promise<void>): void {
  const mcp = program.command("mcp").description("Serve coding agents over the Model Context Protocol");
  mcp
    .command("serve")
    .description("Serve one MCP client on standard input and output, until it closes them.")
    .option("--profile <name>", `Tools to offer: ${profiles.join(", ")} (default: ${defaultProfile})`)
    .option("--mode <name>", `Tools for one workflow instead: ${modes.join(", ")}`)
    .option(
      "--project-path <path>",
      "Checkout, or directory, that workspaces begin with (default: the checkout around here)",
    )
    .option("--repo-url <url>", "Repository that workspaces begin with a clean clone of")
    .option("--repo-ref <ref>", "Branch, tag or commit of it (default: its HEAD)")
    .option("--no-project-source", "Let workspaces begin empty")
    .option(
      "--environment <name>",
      `Environment of machines for which the model names none (default: ${defaultEnvironment})`,
    )
    .addOption(
      new Option("--network-policy <policy>", "What workspaces may reach at most, and reach (default: off)").choices(
        networkModes,
      ),
    )
    .option("--allow <preset>", "Hosts of an ecosystem that may be reached; repeatable", repeated)
    .option("--allow-host <rule>", "Host that may be reached, and then only such; repeatable", repeated)
    .option("--deny-host <rule>", "Host that may not be reached; repeatable", repeated)
    .option("--allow-private <rule>", "Name or network whose private addresses are allowed; repeatable", repeated)
    .addHelpText("after", examples)
    .action(async (typed: TypedFlags) => {
      const { projectSource, networkPolicy: mode, allow, allowHost, denyHost, allowPrivate, ...flags } = typed;
      const network = networkRules({ mode, allow, allowHosts: allowHost, denyHosts: denyHost, allowPrivate });
      await onServe({ ...flags, network, noProjectSource: !projectSource });
    });
}

type TypedFlags = Omit<ProjectFlags, "noProjectSource"> &
  ToolsetChoice & {
    readonly projectSource: boolean;
    readonly environment?: string;
    readonly networkPolicy?: NetworkMode;
  } & { readonly [F in "allow" | "allowHost" | "denyHost" | "allowPrivate"]?: readonly string[] };

function repeated(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
