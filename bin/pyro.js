#!/usr/bin/env node
import { existsSync } from "node:fs";

const bundle = new URL("../dist/cli.js", import.meta.url);
if (!existsSync(bundle)) {
  process.stderr.write("[error] pyro is not built yet (Run `make build` in the checkout.)\n");
  process.exit(1);
}
const { main } = await import(bundle.href);

// A bundle of its own, which only the server loads
const serveMcp = async (flags, signal) => {
  const { serve } = await import(new URL("../dist/mcp.js", import.meta.url).href);
  await serve(flags, { env: process.env, cwd: process.cwd(), signal });
};

process.exit(await main(process.argv.slice(2), process.env, { serveMcp }));
