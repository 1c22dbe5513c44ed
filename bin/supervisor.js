#!/usr/bin/env node
// Started by pyro itself for each running workspace; not a command for users.
const { supervise } = await import(new URL("../dist/supervisor.js", import.meta.url).href);

process.exit(await supervise(process.argv.slice(2)));
