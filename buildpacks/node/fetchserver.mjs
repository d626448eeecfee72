// Serves what a framework has built that makes a request handler and no server: the files for browsers, and the handler
// for everything else. Added by s2i.
import { createServer } from "node:http";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, extname, join, normalize, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import built from "./server/server.js";

const files = join(dirname(fileURLToPath(import.meta.url)), "client");
const types = {
  ".avif": "image/avif", ".css": "text/css; charset=utf-8", ".gif": "image/gif", ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon", ".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8",
  ".json": "application/json", ".map": "application/json", ".mjs": "text/javascript; charset=utf-8", ".mp4": "video/mp4",
  ".pdf": "application/pdf", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm", ".webmanifest": "application/manifest+json", ".webp": "image/webp", ".woff": "font/woff",
  ".woff2": "font/woff2", ".xml": "application/xml",
};

// file finds the file for a path: none for directories, and none outside.
async function file(path) {
  let name;
  try {
    name = normalize(join(files, decodeURIComponent(path)));
  } catch {
    return null;
  }
  if (!name.startsWith(files + sep) || name.includes("\0")) return null;
  const info = await stat(name).catch(() => null);
  return info?.isFile() ? { name, size: info.size } : null;
}

function request(req, res) {
  const scheme = String(req.headers["x-forwarded-proto"] ?? "http").split(",")[0].trim();
  const url = new URL(`${scheme === "https" ? "https" : "http"}://${req.headers.host ?? "localhost"}${req.url}`);
  const headers = new Headers();
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
  const gone = new AbortController();
  res.on("close", () => gone.abort());
  const bodiless = req.method === "GET" || req.method === "HEAD";
  return new Request(url, {
    method: req.method, headers, signal: gone.signal, ...(bodiless ? {} : { body: Readable.toWeb(req), duplex: "half" }),
  });
}

async function answer(req, res) {
  const path = req.url.split("?")[0];
  if (req.method === "GET" || req.method === "HEAD") {
    const found = await file(path);
    if (found) {
      res.writeHead(200, {
        "content-type": types[extname(found.name).toLowerCase()] ?? "application/octet-stream",
        "content-length": found.size, "x-content-type-options": "nosniff",
        "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      });
      return req.method === "HEAD" ? res.end() : pipeline(createReadStream(found.name), res);
    }
  }
  const response = await built.fetch(request(req, res));
  const headers = Object.fromEntries(response.headers);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  res.writeHead(response.status, headers);
  if (!response.body || req.method === "HEAD") return res.end();
  return pipeline(Readable.fromWeb(response.body), res);
}

const server = createServer((req, res) => {
  answer(req, res).catch((err) => {
    if (err?.code === "ERR_STREAM_PREMATURE_CLOSE" || err?.name === "AbortError") return res.destroy();
    console.error(err);
    if (res.headersSent) return res.destroy();
    res.writeHead(500, { "content-type": "text/plain" }).end("internal error\n");
  });
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => server.close(() => process.exit(0)).closeIdleConnections());
}
server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "0.0.0.0", () => {
  console.log(`listening on port ${server.address().port}`);
});
