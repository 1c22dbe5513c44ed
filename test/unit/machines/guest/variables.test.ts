import { expect, test } from "vitest";
import { guestVariables } from "../../../../src/machines/guest/variables.ts";

test("a guest without a way out is told not to try again", () => {
  for (const mode of ["off", "published-ports"] as const) {
    expect(guestVariables(mode, null)).toMatchObject({ PIP_RETRIES: "0", npm_config_fetch_retries: "0" });
  }
  expect(guestVariables("egress", null)).toEqual({});
  expect(guestVariables("egress+published-ports", [])).toEqual({});
});

test("a guest that trusts authorities of the host is told where they are", () => {
  const variables = guestVariables("egress", [{}]);
  expect(Object.keys(variables)).toEqual(
    expect.arrayContaining(["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "JAVA_TOOL_OPTIONS"]),
  );
  expect(variables).not.toHaveProperty("PIP_RETRIES");
});
