import { greeting } from "./lib/greeting.ts";

export default {
  fetch(request: Request): Response {
    return new Response(greeting(new URL(request.url).pathname));
  },
} satisfies Deno.ServeDefaultExport;
