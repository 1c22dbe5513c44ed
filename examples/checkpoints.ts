import { Pyro } from "pyro-mcp";

await using workspace = await new Pyro().createWorkspace({ environment: "debian:12", name: "checkpoints" });

await workspace.writeFile("notes/plan.txt", "first try\n");
await workspace.snapshot("planned");

// A reset brings the files back, and with them a new machine: what was installed or broken outside
// of /workspace is gone.
await workspace.exec("rm -rf /workspace/notes /usr/bin/python3");
await workspace.reset({ snapshot: "planned" });

const { content } = await workspace.readFile("notes/plan.txt");
const { exitCode } = await workspace.exec(["python3", "--version"]);
console.log(`back at: ${content.trim()}, python3 exits with ${exitCode}`);
