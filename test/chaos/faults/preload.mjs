// Loaded into pyro's processes (NODE_OPTIONS) before anything else. Every change of a file passes
// here, because Node's own module is the one way to files. It notes each, and lets one fail.

import fs, { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { basename, join } from "node:path";

const dir = process.env.PYRO_TEST_FAULTS_DIR;
const watched = process.env.PYRO_TEST_FAULTS_BELOW;
const role = basename(process.argv[1] ?? "") === "supervisor.js" ? "supervisor" : "caller";

/** A path without what differs from run to run. */
function normal(path) {
  return String(path)
    .slice(watched.length)
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID")
    .replace(/[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{12}/g, "ID")
    .replace(/\d+(?=\.(?:qcow2|stdout|stderr))|(?<=history-)\d+/g, "N");
}

/** How often this process has made each change since the plan began */
let counted = { plan: undefined, calls: new Map() };

function timesOf(plan, change) {
  if (counted.plan !== plan) counted = { plan, calls: new Map() };
  const times = (counted.calls.get(change) ?? 0) + 1;
  counted.calls.set(change, times);
  return times;
}

/** System calls behind Node's functions, where the names differ */
const syscalls = {
  appendFile: "write",
  copyFile: "copyfile",
  datasync: "fdatasync",
  sync: "fsync",
  truncate: "ftruncate",
  utimes: "utime",
  writeFile: "write",
};

/** Notes a call. The error that it must end with, if it is the chosen one. */
function faultOf(call, path, isOfOpenFile = false) {
  if (!dir || !String(path).startsWith(watched) || !existsSync(join(dir, "plan.json"))) return undefined;
  const plan = JSON.parse(readFileSync(join(dir, "plan.json"), "utf8"));
  const change = `${role} ${call} ${normal(path)}`;
  const key = `${change} (${timesOf(plan.id, change)})`;
  appendFileSync(join(dir, "trace"), `${key}\n`);
  if (plan.key !== key || existsSync(join(dir, "fired"))) return undefined;
  writeFileSync(join(dir, "fired"), "");
  const { code } = plan;
  const errno = -constants.errno[code];
  const syscall = syscalls[call] ?? call;
  // As Node tells it: of an open file it does not know the path.
  const known = isOfOpenFile ? {} : { path };
  return Object.assign(new Error(`${code}: injected, ${syscall}`), { code, errno, syscall, ...known });
}

const isForWriting = (flags) =>
  typeof flags === "number" ? (flags & (fs.constants.O_ACCMODE ?? 3)) !== 0 : /[wa+]/.test(flags ?? "r");

function patch(object, name, pathOf, { applies = () => true, isOfOpenFile = false } = {}) {
  const original = object[name];
  object[name] = function (...args) {
    const error = applies(...args) ? faultOf(name, pathOf(this, ...args), isOfOpenFile) : undefined;
    if (error) return Promise.reject(error);
    return original.apply(this, args);
  };
}

const first = (_self, path) => path;
const second = (_self, _source, target) => target;
const { promises } = fs;
for (const name of ["mkdir", "chmod", "rm", "utimes"]) patch(promises, name, first);
for (const name of ["rename", "link", "copyFile", "symlink"]) patch(promises, name, second);
patch(promises, "writeFile", first, { applies: (path) => typeof path === "string" });

const paths = new WeakMap();
const { open } = promises;
promises.open = async (path, flags, mode) => {
  const error = isForWriting(flags) ? faultOf("open", path) : undefined;
  if (error) throw error;
  const file = await open(path, flags, mode);
  paths.set(file, path);
  return file;
};
const sample = await open("/dev/null", "r");
for (const name of ["write", "appendFile", "writeFile", "sync", "datasync", "truncate"]) {
  patch(Object.getPrototypeOf(sample), name, (file) => paths.get(file), { isOfOpenFile: true });
}
await sample.close();
syncBuiltinESMExports();
