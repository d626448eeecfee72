import { Hono } from "hono";

const app = new Hono();
app.get("/", (c) => c.text("hello from deno"));
app.get("/note", async (c) => c.text(await Deno.readTextFile("static/note.txt")));

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8000) }, app.fetch);
