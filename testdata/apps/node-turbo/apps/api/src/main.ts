import { text } from "@acme/text";
import Fastify from "fastify";

declare const process: { env: Record<string, string | undefined> };

const app = Fastify();
app.get("/", async () => text("a turborepo"));
app.listen({ port: Number(process.env.PORT ?? 3000), host: "0.0.0.0" });
