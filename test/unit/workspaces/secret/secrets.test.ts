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
