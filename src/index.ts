/** The public core. Adapters and engines have subpaths of their own. */
export type { Carrier, HeadEffects, HeadView, Outcome, Participant } from "./carrier.ts";
export { applyEffects } from "./carrier.ts";
export { type Codec, defaultCodec } from "./codec.ts";
export { SessionError, type SessionErrorCode } from "./errors.ts";
export type { SessionEvent } from "./events.ts";
export type { DeepReadonly, Leaf } from "./frozen.ts";
export { type LoadOptions, SessionManager } from "./manager.ts";
export type {
  CookieOptions,
  Duration,
  Options,
  RequestContext,
  SameSite,
  Sealer,
  Settings,
  Size,
  Transport,
} from "./options.ts";
export { sealedEngine } from "./sealed-engine.ts";
export type {
  CookieChange,
  Cookies,
  Jar,
  Opened,
  RejectedReason,
  Revocations,
  Sealed,
  SealedEngineMaker,
  SealedRecord,
  SealedStore,
  SealedTimes,
  SealRequest,
  Soon,
} from "./sealed.ts";
export type { Key, Session, TokenSession, Value } from "./session.ts";
export type {
  Abilities,
  CreateRecord,
  Guarantee,
  Reply,
  Store,
  StoreRecord,
  UpdateRecord,
  UpdateResult,
} from "./store.ts";
