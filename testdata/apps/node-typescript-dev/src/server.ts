import Fastify from 'fastify';

const app = Fastify();
app.get('/', async (): Promise<{ greeting: string }> => ({ greeting: 'hello from typescript' }));
await app.listen({ port: Number(process.env.PORT ?? 8080), host: '0.0.0.0' });
