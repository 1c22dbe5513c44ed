/**
 * A program for a guest that tries hard to print the variable SECRET: in every encoding, at every
 * place in a base64 group, to both streams, in pieces of the size that it is called with. 0: at
 * once.
 */
export const printer = `
import base64, json, os, sys, time, urllib.parse
secret, size = os.environ["SECRET"], int(sys.argv[1])
raw = secret.encode()
texts = [secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps(secret).replace("/", "\\\\/")]
texts += [urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)]
texts += ["".join("%%%02x" % byte for byte in raw), "".join("%%%02X" % byte for byte in raw)]
for before in (b"", b"x", b"xy"):
    texts += [base64.b64encode(before + raw).decode(), base64.urlsafe_b64encode(before + raw + b"z").decode()]
    texts += [base64.encodebytes((before + raw) * 3).decode()]
out = ("<" + ">\\n<".join(texts) + ">\\n").encode()
for stream in (sys.stdout.buffer, sys.stderr.buffer):
    for at in range(0, len(out), size or len(out)):
        stream.write(out[at : at + (size or len(out))])
        stream.flush()
        if size: time.sleep(0.0003)
`;
