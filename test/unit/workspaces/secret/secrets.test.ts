import { expect, test } from "vitest";
import type { SecretRecord } from "../../../../src/workspaces/record/secret.ts";
import { WorkspaceSecrets } from "../../../../src/workspaces/secret/secrets.ts";

const record = (name: string): SecretRecord => ({
  name,
  source: { kind: "literal" },
  hosts: [],
  placeholder: null,
  inQuery: false,
  available: true,
});
const held = (name: string, value: string) => ({ name, value, expiresAt: null, stamp: null });

test("a secret that changes often pushes out no value that is in use", async () => {
  const secrets = new WorkspaceSecrets([record("STAYS"), record("CHANGES")], [held("STAYS", "it-stays")]);
  const changes = Array.from({ length: 512 }, (_, index) => held("CHANGES", `value-${index}.`));
  await secrets.use([record("CHANGES")], changes);
  expect(secrets.redacted(["it-stays", "value-511."])).toEqual(["[REDACTED]", "[REDACTED]"]);
});

test("a placeholder without a value is refused to a command, which would only be denied", async () => {
  const brokered = { ...record("TOKEN"), hosts: ["api.example.com"], placeholder: "pyro_placeholder" };
  await expect(new WorkspaceSecrets([brokered]).variables({ TOKEN: "T" })).rejects.toThrow(
    "cannot use secret 'TOKEN': its value has gone with a stop of the workspace",
  );
  const known = new WorkspaceSecrets([brokered], [held("TOKEN", "the-value")]);
  expect(await known.variables({ TOKEN: "T" })).toEqual({ T: "pyro_placeholder" });
});
