#!/usr/bin/env node
import { existsSync } from "node:fs";

const argv = process.argv.slice(2);
const isServer = argv[0] === "mcp";
const bundle = new URL(isServer ? "../dist/serve.js" : "../dist/cli.js", import.meta.url);
if (!existsSync(bundle)) {
  process.stderr.write("[error] pyro is not built yet (Run `make build` in the checkout.)\n");
  process.exit(1);
}
const { main } = await import(bundle.href);

process.exit(await (isServer ? main(argv, process.env, process.cwd()) : main(argv, process.env)));
