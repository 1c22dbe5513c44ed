import { composeEngineContext } from "../../src/compose.ts";
import { invoke } from "../../src/operations/operation.ts";
import { workspaceExec } from "../../src/workspaces/command/exec-operation.ts";

/**
 * A process that begins a command, tells what it was told of it, and stays until it is killed.
 * Arguments: workspace, time after which the command is left to itself in milliseconds, its time
 * limit in seconds, its text.
 */
const [workspaceId = "", detachAfterMs = "", killAfterSeconds = "", command = ""] = process.argv.slice(2);

const context = { engine: composeEngineContext(process.env), detachAfterMs: Number(detachAfterMs) };
console.log("begins");
const result = await invoke(workspaceExec, context, {
  workspaceId,
  killAfterSeconds: Number(killAfterSeconds),
  command,
});
console.log(JSON.stringify(result));
setInterval(() => {}, 1_000);
