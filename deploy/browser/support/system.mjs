// Processes of the program, each started for one spec.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const START_MS = 90_000;

/** Starts it, and waits until it says that everything answers. */
export async function start(name, ...what) {
  const folder = `${process.env.TGA_BROWSER_WORK}/${name}`;
  const file = `${folder}/ready.json`;
  mkdirSync(folder, { recursive: true });
  const log = openSync(`${folder}/log`, "w");
  const { TGA_DATA_DIR: _, ...env } = process.env;
  const listen = ["--listen", "127.0.0.1:0", "--ready-file", file];
  const child = spawn(process.env.TGA_BINARY, [...what, ...listen], { env, stdio: ["ignore", log, log] });
  const until = Date.now() + START_MS;
  while (!existsSync(file)) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`it did not start: ${folder}/log`);
    await sleep(100);
  }
  return {
    ready: JSON.parse(readFileSync(file, "utf8")),
    async stop() {
      child.kill("SIGINT");
      const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
      if (code !== 0) throw new Error(`it ended with code ${code}: ${folder}/log`);
    },
  };
}

/** A `trackagoat dev` of its own. */
export const startDev = (name) =>
  start(name, "dev", "--data-dir", `${process.env.TGA_BROWSER_WORK}/${name}/data`);

/** A console of its own, over an API. */
export const startConsole = (name, api) => start(name, "serve", "console", "--query-url", api, "--command-url", api);
