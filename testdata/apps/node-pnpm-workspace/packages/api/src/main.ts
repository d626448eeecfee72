import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { greet } from '@acme/greet';

const app = new Hono();
app.get('/', (c) => c.text(greet('a pnpm workspace')));
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 8080) });
