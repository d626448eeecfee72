import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Controller()
class Orders {
  @Get()
  hello(): string {
    return 'hello from nest';
  }
}

@Module({ controllers: [Orders] })
class App {}

async function main() {
  const app = await NestFactory.create(App);
  await app.listen(process.env.PORT ?? 3000, '0.0.0.0');
}

void main();
