const http = require("node:http");
const ms = require("ms");

http
  .createServer((_, res) => res.end(`hello from plug'n'play, a day has ${ms("1d")} ms\n`))
  .listen(process.env.PORT ?? 3000);
