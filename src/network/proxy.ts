import * as z from "zod";
import type { HostProxy } from "./dial.ts";

/** The host's proxies, as its environment variables have them. */
export const hostProxiesSchema = z.object({
  /** `http_proxy`; not `HTTP_PROXY`, which a CGI request can set */
  forHttp: z.string().optional(),
  /** `https_proxy` or `HTTPS_PROXY` */
  forHttps: z.string().optional(),
  /** `all_proxy` or `ALL_PROXY` */
  forAll: z.string().optional(),
  /** `no_proxy` or `NO_PROXY`: hosts that are reached without a proxy */
  except: z.string().optional(),
});
export type HostProxies = z.output<typeof hostProxiesSchema>;

const httpPort = 80;

/** The proxy for a host and port; undefined: it is reached without one. */
export function proxyFor(proxies: HostProxies, host: string, port: number): HostProxy | undefined {
  const { forHttp, forHttps, forAll, except = "" } = proxies;
  const given = (port === httpPort ? forHttp : forHttps) || forAll;
  if (!given || isExcepted(except, host, port)) return undefined;
  const url = given.includes("://") ? given : `http://${given}`;
  // Of other kinds, such as SOCKS, pyro knows nothing.
  return /^https?:/i.test(url) && URL.canParse(url) ? { url } : undefined;
}

/**
 * Whether a list such as `example.com,.corp:8443,10.0.0.5,*` names a host. As with curl, a name
 * also means all names below it.
 */
function isExcepted(list: string, host: string, port: number): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, name = "", onlyPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      const suffix = name.replace(/^\*?\./, "");
      if (suffix === "" || (onlyPort !== undefined && Number(onlyPort) !== port)) return false;
      return host === suffix || host.endsWith(`.${suffix}`);
    });
}
