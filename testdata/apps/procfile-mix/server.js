import { createServer } from 'node:http';

const greeting = process.argv[process.argv.indexOf('--greeting') + 1];
createServer((req, res) => res.end(`${greeting}\n`)).listen(process.env.PORT || 8080);
