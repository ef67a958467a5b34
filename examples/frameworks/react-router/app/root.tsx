// examples/frameworks/react-router/app/root.tsx
import { Outlet } from "react-router";
import { sessionMiddleware } from "./sessions.server";

export const middleware = [sessionMiddleware];

export default function Root() {
  return (
    <html lang="en">
      <body>
        <Outlet />
      </body>
    </html>
  );
}
