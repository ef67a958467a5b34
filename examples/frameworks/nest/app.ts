// examples/frameworks/nest/app.ts
import "reflect-metadata";
import {
  BadRequestException,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  Get,
  HttpCode,
  Module,
  Post,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { type Session, SessionManager } from "scs-session";
import { sessionMiddleware } from "scs-session/adapters/express";
import { sessionPlugin } from "scs-session/adapters/fastify";
import { MemoryStore } from "scs-session/stores/memory";

type Data = { user: string; visits: number };
type Visit = Session<Data>;

const sessions = new SessionManager<Data>({ store: new MemoryStore(), idleTimeout: "20m" });

/** `@Visitor() session: Session<Data>` in a controller's method. */
const Visitor = createParamDecorator((_options: unknown, context: ExecutionContext) =>
  sessions.load(context.switchToHttp().getRequest<object>()),
);

@Controller()
class VisitsController {
  @Get()
  show(@Visitor() session: Visit): string {
    return `${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}`;
  }

  @Post("visit")
  @HttpCode(200)
  visit(@Visitor() session: Visit): string {
    return String(session.update("visits", (visits) => (visits ?? 0) + 1));
  }

  @Post("login")
  @HttpCode(200)
  login(@Visitor() session: Visit): string {
    session.set("user", "ada");
    session.renewToken();
    return "welcome";
  }

  @Post("logout")
  @HttpCode(200)
  logout(@Visitor() session: Visit): string {
    session.destroy();
    return "bye";
  }

  @Post("fail")
  fail(@Visitor() session: Visit): never {
    session.set("user", "never stored");
    throw new Error("a status of 500 rolls back");
  }

  @Post("refuse")
  refuse(): never {
    throw new BadRequestException();
  }
}

@Module({ controllers: [VisitsController] })
class AppModule {}

async function onExpress(): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule);
  app.use(sessionMiddleware(sessions));
  return app;
}

async function onFastify(): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter());
  await app.register(sessionPlugin, { sessions });
  return app;
}

const app = await (process.env["PLATFORM"] === "fastify" ? onFastify() : onExpress());
await app.listen(process.env["PORT"] ?? 3000, "127.0.0.1");
