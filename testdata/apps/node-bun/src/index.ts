import ms from "ms";

const server = Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  fetch: (): Response => new Response(`hello from bun ${Bun.version.split(".")[0]}, a day has ${ms("1d")} ms`),
});

console.log(`listening on ${server.url}`);
