// Makes dist/index.html of the sources, with a package that only the build needs.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { customAlphabet } from "nanoid";

const id = customAlphabet("a", 8)();
mkdirSync("dist", { recursive: true });
const page = readFileSync("src/index.html", "utf8").replace("{{id}}", id);
writeFileSync("dist/index.html", page);
