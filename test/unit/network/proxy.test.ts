import { expect, test } from "vitest";
import { type HostProxies, proxyFor } from "../../../src/network/proxy.ts";

const proxies: HostProxies = {
  forHttp: "http://plain.corp:3128",
  forHttps: "secure.corp:8443",
  except: "example.com, .internal.test,10.0.0.5 *.wild.test other.test:8443",
};

test.each([
  ["www.test", 80, "http://plain.corp:3128"],
  ["www.test", 443, "http://secure.corp:8443"],
  ["www.test", 22, "http://secure.corp:8443"],
  ["example.com", 443, undefined],
  ["sub.example.com", 443, undefined],
  ["notexample.com", 443, "http://secure.corp:8443"],
  ["a.internal.test", 80, undefined],
  ["10.0.0.5", 443, undefined],
  ["10.0.0.50", 443, "http://secure.corp:8443"],
  ["a.wild.test", 443, undefined],
  ["other.test", 8443, undefined],
  ["other.test", 443, "http://secure.corp:8443"],
])("%s:%d goes by %s", (host, port, url) => {
  expect(proxyFor(proxies, host, port)?.url).toBe(url);
});

test("an asterisk excepts everything, and without variables there is no proxy", () => {
  expect(proxyFor({ ...proxies, except: "*" }, "www.test", 443)).toBeUndefined();
  expect(proxyFor({}, "www.test", 443)).toBeUndefined();
  expect(proxyFor({ forAll: "http://all.corp" }, "www.test", 443)?.url).toBe("http://all.corp");
  expect(proxyFor({ forAll: "socks5://all.corp" }, "www.test", 443)).toBeUndefined();
});
