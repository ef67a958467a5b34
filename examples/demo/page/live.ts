/**
 * The script that keeps the list of requests fresh. It asks for the list alone: that neither loads
 * the session nor counts as its use.
 */
export const script: string = `(() => {
  const list = document.querySelector("#log");
  const plain = { createHTML: (text) => text };
  // What the server sends is made of escaped parts; the policy's name is in the page's CSP.
  const policy = globalThis.trustedTypes?.createPolicy("log", plain) ?? plain;
  const localTimes = () => {
    for (const time of document.querySelectorAll("time")) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
    }
  };
  let { version, session } = list.dataset;
  const refresh = async () => {
    const seen = list.querySelector("li")?.dataset.number ?? "0";
    const answer = await fetch("/log?" + new URLSearchParams({ version, session, seen }));
    if (answer.status !== 200) return;
    version = answer.headers.get("Log-Version");
    list.innerHTML = policy.createHTML(await answer.text());
    localTimes();
  };
  const poll = async () => {
    if (!document.hidden) await refresh().catch(() => {}); // the server may be back later
    setTimeout(poll, 1000);
  };
  localTimes();
  void poll();
})()`;
