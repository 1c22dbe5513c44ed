import { Pyro, PyroError } from "pyro-mcp";

const pyro = new Pyro();
const { workspaceId } = await pyro.workspace.create({ environment: "debian:12" });
try {
  // Whatever a call has started in the guest ends with it; the history keeps what it printed.
  const workspace = await pyro.attachWorkspace(workspaceId);
  await workspace.exec("echo working; sleep 600", { signal: AbortSignal.timeout(2_000), timeoutSeconds: 900 });
} catch (error) {
  if (!(error instanceof PyroError) || error.code !== "cancelled") throw error;
  const { entries } = await pyro.workspace.logs({ workspaceId });
  console.log(`cancelled, after it had printed: ${entries[0]?.stdout.trim()}`);
} finally {
  await pyro.workspace.delete({ workspaceId });
}
