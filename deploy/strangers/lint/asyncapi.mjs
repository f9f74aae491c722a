// The AsyncAPI document, as AsyncAPI's own parser reads it. An error or a warning fails.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const WARNING = 1;
// That a newer version of AsyncAPI is out says nothing about the document.
const IGNORED = new Set(["asyncapi-latest-version"]);

const text = await readFile(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const found = diagnostics.filter(({ code, severity }) =>
  (severity === ERROR || severity === WARNING) && !IGNORED.has(code));
for (const { code, message, path } of found) {
  console.error(`${code}: ${message} at ${path.join(".")}`);
}
// What a subscriber over NATS must know beside subject and credential.
const pull = document?.json().channels?.events?.["x-pull"] ?? {};
const missing = ["stream", "durable", "apiPrefix", "inboxPrefix"].filter((name) => !pull[name]);
for (const name of missing) console.error(`x-pull of the channel events lacks ${name}`);
const findings = found.length + missing.length;
const messages = document?.messages().all().length ?? 0;
console.log(`asyncapi.json: ${messages} messages, ${findings} findings`);
process.exit(findings > 0 || messages === 0 ? 1 : 0);
