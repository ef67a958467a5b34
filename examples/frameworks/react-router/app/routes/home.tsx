// examples/frameworks/react-router/app/routes/home.tsx
import { Form, redirect, type RouterContextProvider } from "react-router";
import { currentSession } from "../sessions.server";

type Args = { request: Request; context: Readonly<RouterContextProvider> };

export async function loader({ context }: Args) {
  const session = await context.get(currentSession)();
  return `${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}`;
}

export async function action({ request, context }: Args) {
  const session = await context.get(currentSession)();
  switch ((await request.formData()).get("intent")) {
    case "visit":
      session.update("visits", (visits) => (visits ?? 0) + 1);
      break;
    case "login":
      session.set("user", "ada");
      session.renewToken();
      break;
    case "logout":
      session.destroy();
      break;
    default:
      session.set("user", "never stored");
      throw new Error("a status of 500 rolls back");
  }
  return redirect("/");
}

export default function Home({ loaderData }: { loaderData: string }) {
  return (
    <Form method="post">
      <p id="state">{loaderData}</p>
      <button name="intent" value="visit">
        Visit
      </button>
      <button name="intent" value="login">
        Log in
      </button>
      <button name="intent" value="logout">
        Log out
      </button>
    </Form>
  );
}
