import { PyroError } from "./core/errors.ts";
import { layoutFromEnvironment } from "./host/layout.ts";
import { type AcceleratorChoice, acceleratorChoices } from "./machines/accelerator.ts";
import type { EngineContext } from "./machines/context.ts";

type HostEnvironment = Readonly<Record<string, string | undefined>>;

const defaultTemplateBudgetMib = 4096;
const defaultSeedBudgetMib = 4096;
const defaultMaxActiveWorkspaces = 32;
/** The longest time limit of a command */
const maxPatienceSeconds = 86_400;
const mib = 1024 * 1024;

/** Reads in one place what the environment decides. */
export function composeEngineContext(env: HostEnvironment): EngineContext {
  return {
    layout: layoutFromEnvironment(env),
    searchPath: word(env, "PATH") ?? "/usr/local/bin:/usr/bin:/bin",
    mirror: word(env, "PYRO_DEBIAN_MIRROR") || undefined,
    acceleratorChoice: acceleratorChoice(env["PYRO_ACCELERATOR"]),
    uid: process.getuid?.() ?? 0,
    templateBudgetBytes: positiveNumber(env, "PYRO_TEMPLATE_BUDGET_MIB", defaultTemplateBudgetMib) * mib,
    seedBudgetBytes: positiveNumber(env, "PYRO_SEED_BUDGET_MIB", defaultSeedBudgetMib) * mib,
    certificateFiles: certificateFiles(env),
    trustsHostCertificates: env["PYRO_HOST_CERTIFICATES"] === "1",
    hostProxies: {
      forHttp: word(env, "http_proxy") || undefined,
      forHttps: word(env, "https_proxy") || word(env, "HTTPS_PROXY") || undefined,
      forAll: word(env, "all_proxy") || word(env, "ALL_PROXY") || undefined,
      except: word(env, "no_proxy") || word(env, "NO_PROXY") || undefined,
    },
    variables: env,
    maxActiveWorkspaces: positiveNumber(env, "PYRO_MAX_ACTIVE_WORKSPACES", defaultMaxActiveWorkspaces),
  };
}

/**
 * Whether a model may run commands on the host if no machine can be had. The user decides that, not
 * the model
 */
export function composeMayUseHost(env: HostEnvironment): boolean {
  return env["PYRO_MCP_ALLOW_HOST_COMPAT"] === "1";
}

/** Patience of the MCP client, if its user sets it */
export function composePatienceMs(env: HostEnvironment): number | undefined {
  const name = "PYRO_MCP_PATIENCE_SECONDS";
  if (!env[name]) return undefined;
  const seconds = positiveNumber(env, name, maxPatienceSeconds);
  if (seconds <= maxPatienceSeconds) return seconds * 1000;
  throw new PyroError(
    "invalid_argument",
    `cannot use ${name}='${env[name]}': it must be at most ${maxPatienceSeconds}`,
  );
}

/** Variables by which programs are told of a host's certificate authorities */
const certificateVariables = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"];

function certificateFiles(env: HostEnvironment): string[] {
  return [...new Set(certificateVariables.map((name) => word(env, name) ?? "").filter((path) => path !== ""))];
}

function acceleratorChoice(value: string | undefined): AcceleratorChoice {
  const choice = acceleratorChoices.find((candidate) => candidate === (value || "auto"));
  if (choice) return choice;
  throw new PyroError(
    "invalid_argument",
    `cannot use PYRO_ACCELERATOR='${value}': choose one of ${acceleratorChoices.join(", ")}`,
  );
}

/** A value that becomes a word of a command. The process's own variables cannot contain NUL. */
function word(env: HostEnvironment, name: string): string | undefined {
  const value = env[name];
  if (!value?.includes("\0")) return value;
  throw new PyroError("invalid_argument", `cannot use ${name}: it has a NUL character in it`);
}

function positiveNumber(env: HostEnvironment, name: string, fallback: number): number {
  const value = env[name];
  if (value === undefined || value === "") return fallback;
  const parsed = Number(value);
  if (Number.isFinite(parsed) && parsed > 0) return parsed;
  throw new PyroError("invalid_argument", `cannot use ${name}='${value}': it must be a positive number`);
}
