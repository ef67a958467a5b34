// examples/frameworks/next/app/page.tsx
import { currentSession } from "../sessions";
import { fail, login, logout, visit } from "./actions";

export default async function Page() {
  const session = await currentSession();
  return (
    <main>
      <p id="state">{`${session.get("user") ?? "nobody"} ${session.get("visits") ?? 0}`}</p>
      <form id="visit" action={visit}>
        <button>Visit</button>
      </form>
      <form id="login" action={login}>
        <button>Log in</button>
      </form>
      <form id="logout" action={logout}>
        <button>Log out</button>
      </form>
      <form id="fail" action={fail}>
        <button>Fail</button>
      </form>
    </main>
  );
}
