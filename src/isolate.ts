/**
 * Whether input and output belong to the request that began them, as on Cloudflare's workerd: when a
 * request ends or is aborted, its timers and its replies are dropped, and what another request awaits
 * of it never comes. Nothing that waits may then be shared between requests.
 *
 * Told by a class that only workerd has: `navigator.userAgent` depends on the compatibility date.
 */
export const perRequest: boolean = "WebSocketPair" in globalThis;
