import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

// What a bundler does, in a few lines: files whose names change with their content, and a manifest of them.
const source = readFileSync(new URL("main.js", import.meta.url));
const name = `main-${createHash("sha256").update(source).digest("hex").slice(0, 10)}.js`;
mkdirSync("public/build", { recursive: true });
writeFileSync(`public/build/${name}`, source);
writeFileSync("public/build/manifest.json", JSON.stringify({ "main.js": name }));
