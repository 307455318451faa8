// Accounts: who is signed in, kept between visits and shared by the tabs of an origin. A tab that renews the session holds
// a lock, and looks first whether another one has: the server ends a session whose refresh token is used twice.
import { BlazeError, applied, callbackOf, guarded, strict, textOf } from "./errors.js";
import { isMap } from "./values.js";

/** An access token that ends within so many milliseconds is as good as ended. */
const MARGIN = 30_000;
/** What the server says of a session that is no more. */
const OVER = ["unauthenticated", "permission-denied", "invalid-argument"];

/** The place of the session's text: the browser's storage, or this page's memory where that is full or forbidden. */
class Store {
  #key;
  #kept;
  #text = null;

  constructor(persistence, key) {
    this.#key = key;
    const name = { local: "localStorage", session: "sessionStorage" }[persistence];
    this.#attempt(() => (this.#kept = (name && globalThis.window?.[name]) || undefined));
  }
  /** True if other pages can see the text. */
  get isShared() {
    return this.#kept !== undefined;
  }
  read() {
    this.#attempt((kept) => (this.#text = kept ? kept.getItem(this.#key) : this.#text));
    return this.#text;
  }
  /** Keeps a text; `null` removes it. */
  write(text) {
    this.#text = text;
    const kept = this.#kept;
    if (this.#attempt(() => (text === null ? kept?.removeItem(this.#key) : kept?.setItem(this.#key, text)))) return;
    try {
      // The text that stood there before must not come back.
      kept.removeItem(this.#key);
    } catch {}
  }
  /** Tries something with the storage; after an exception, of which there is one warning, the memory stands in for it. */
  #attempt(call) {
    try {
      call(this.#kept);
      return true;
    } catch (error) {
      this.#kept = undefined;
      console.warn("Blaze: the session is kept in this page's memory only:", error);
      return false;
    }
  }
}

const areTexts = (...values) => values.every((value) => typeof value === "string" && value !== "");
/** The shapes of the server's answers: nothing (204), a session, the start of a sign-in with a provider, a refusal. */
const isNothing = (answer) => answer === null;
const isSession = (answer) =>
  areTexts(answer?.uid, answer?.accessToken, answer?.refreshToken) && Number.isFinite(answer.expiresIn);
const isStart = (answer) =>
  areTexts(answer?.authorizationUrl, answer?.state, answer?.secret) && /^https?:/.test(answer.authorizationUrl);
const isProblem = (answer) => areTexts(answer?.code, answer?.detail) && answer.type === `urn:blaze:${answer.code}`;

/** The claims of a token: nobody has verified them here. */
function claimsOf(token) {
  const binary = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  const text = new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  // All readers of a user share them.
  return JSON.parse(text, (_, value) => Object.freeze(value));
}

/** The session that a value is; `null` for what is none, such as one that another version kept. */
function sessionOf(value) {
  const { uid, accessToken, refreshToken, ends } = value;
  const isOne = areTexts(uid, accessToken, refreshToken) && Number.isFinite(ends);
  return isOne && isMap(claimsOf(accessToken)) ? { uid, accessToken, refreshToken, ends } : null;
}

/** The session that the server answered. */
function answeredSession(answer) {
  const text = JSON.stringify({ ...answer, ends: Date.now() + answer?.expiresIn * 1000 });
  const session = parsed(text, sessionOf);
  if (!session) throw strange();
  return session;
}

/** The sign-in with a provider that was begun in this tab, if one was. */
function begunOf(storage, key) {
  const isOne = (begun) => areTexts(begun.provider, begun.state) && begun;
  return parsed(storage.getItem(key), isOne);
}

const areTexts = (...values) => values.every((value) => typeof value === "string");

/** Reads a JSON text; `null` for one that `read` makes nothing of. */
function parsed(text, read) {
  try {
    return read(JSON.parse(text)) || null;
  } catch {
    return null;
  }
}

const strange = () => new BlazeError("unavailable", "the answer is none to what was asked", 503);

/** The parts of the page that a redirect needs. */
function page() {
  return applied("a sign-in with a redirect needs a page with sessionStorage", () => {
    const { location, history, sessionStorage } = globalThis;
    if (!(location && history && sessionStorage)) throw new Error("there is none");
    return { location, history, sessionStorage };
  });
}

const credentialsOf = (email, password) => ({ email: textOf(email, "email"), password: textOf(password, "password") });

function userOf(session) {
  if (!session) return null;
  const claims = claimsOf(session.accessToken);
  const { email = null, email_verified: emailVerified = false, provider: providerId } = claims;
  return Object.freeze({ uid: session.uid, email, emailVerified, providerId, claims });
}

/** The accounts of one server. */
export class Auth {
  #url;
  #key;
  #store;
  #setToken;
  #session = null;
  #user = null;
  /** The access token that was shown last. */
  #shown;
  #callbacks = new Set();
  #listener;

  constructor(url, persistence, setToken) {
    this.#url = `${url.replace(/\/+$/, "")}/v1/accounts/`;
    this.#key = `blaze:${this.#url}`;
    this.#store = new Store(persistence, this.#key);
    this.#setToken = setToken;
    this.#listener = ({ key }) => {
      if (key === this.#key || key === null) this.#become(this.#read());
    };
    globalThis.window?.addEventListener("storage", this.#listener);
  }

  get currentUser() {
    return this.#user;
  }

  onAuthStateChanged(callback) {
    callbackOf(callback, "onAuthStateChanged");
    const told = { call: guarded(callback) };
    this.#callbacks.add(told);
    queueMicrotask(() => this.#tell(told));
    return () => this.#callbacks.delete(told) && undefined;
  }

  async signUp(email, password) {
    return this.#begin("signUp", credentialsOf(email, password));
  }

  async signIn(email, password) {
    return this.#begin("signIn", credentialsOf(email, password));
  }

  async signOut() {
    const { refreshToken } = this.#read() ?? {};
    this.#keep(null);
    // Here nobody is signed in any more, whether the server hears of it or not.
    if (refreshToken) await this.#post("signOut", { refreshToken }, isNothing).catch(() => {});
  }

  async signInWithRedirect(provider, redirectUri) {
    textOf(provider, "signInWithRedirect: provider");
    const { location, sessionStorage } = page();
    redirectUri = redirectUri === undefined ? location.origin + location.pathname : textOf(redirectUri, "redirectUri");
    const path = `oidc/${encodeURIComponent(provider)}/start`;
    const { authorizationUrl, state, secret } = await this.#post(path, { redirectUri }, isStart);
    const begun = JSON.stringify({ provider, redirectUri, state, secret });
    applied("signInWithRedirect: sessionStorage", () => sessionStorage.setItem(this.#key, begun));
    location.assign(authorizationUrl);
  }

  async completeSignIn() {
    const { location, history, sessionStorage } = page();
    const url = new URL(location.href);
    const begun = begunOf(sessionStorage, this.#key);
    const [state, code, error, iss, why] = ["state", "code", "error", "iss", "error_description"].map((name) => {
      const value = url.searchParams.get(name) ?? undefined;
      url.searchParams.delete(name);
      return value;
    });
    if (!begun || !state || !(code || error)) return null;
    sessionStorage.removeItem(this.#key);
    history.replaceState(history.state, "", url);
    if (state !== begun.state) throw new BlazeError("failed-precondition", "This sign-in was not begun in this tab", 409);
    if (error) throw new BlazeError("permission-denied", `${begun.provider}: ${why ?? error}`, 403);
    const { provider, redirectUri, secret } = begun;
    return this.#begin(`oidc/${encodeURIComponent(provider)}/finish`, { state, code, redirectUri, secret, iss });
  }

  /** Goes on with the session that was kept, if there is one. */
  resume() {
    this.#become(this.#read());
  }

  close() {
    globalThis.window?.removeEventListener("storage", this.#listener);
    this.#callbacks.clear();
  }

  async #begin(path, body) {
    const session = answeredSession(await this.#post(path, body, isSession));
    this.#session = null;
    this.#keep(session);
    return this.#user;
  }

  #read() {
    return parsed(this.#store.read(), sessionOf);
  }

  /** Keeps a session; `null` is nobody. */
  #keep(session) {
    this.#store.write(session && JSON.stringify(session));
    this.#become(session);
  }

  /** From now on this is the session. */
  #become(session) {
    const before = this.#session?.uid;
    this.#session = session;
    if (session?.uid === before) return;
    this.#user = userOf(session);
    this.#setToken(session && ((fresh) => this.#token(fresh)));
    for (const told of this.#callbacks) this.#tell(told);
  }

  /** Tells of the user, once of each. */
  #tell(told) {
    if (!this.#callbacks.has(told) || told.user === this.#user) return;
    told.user = this.#user;
    told.call(this.#user);
  }

  async #token(fresh) {
    const isGood = (session) => session.ends > Date.now() + MARGIN && !(fresh && session.accessToken === this.#shown);
    if (this.#session && !isGood(this.#session)) await this.#locked(() => this.#renew(isGood));
    return (this.#shown = this.#session?.accessToken ?? null);
  }

  async #renew(isGood) {
    const session = this.#read();
    if (session && !isGood(session)) {
      const { refreshToken } = session;
      const renewed = await this.#post("refresh", { refreshToken }, isSession).then(answeredSession, (error) => {
        if (!OVER.includes(error.code)) throw error;
        return null;
      });
      // Unless somebody has signed in or out meanwhile.
      if (this.#read()?.refreshToken === refreshToken) return this.#keep(renewed);
    }
    this.#become(this.#read());
  }

  #locked(work) {
    // Pages without TLS have no locks; there the server overlooks a second use within a few seconds.
    const locks = globalThis.navigator?.locks;
    return locks && this.#store.isShared ? locks.request(this.#key, work) : work();
  }

  /** Asks the server. What `isAnswer` does not take is none of Blaze, and decides nothing. */
  async #post(path, body, isAnswer) {
    const url = this.#url + path;
    const headers = { "Content-Type": "application/json" };
    const init = { method: "POST", cache: "no-store", headers, body: JSON.stringify(body) };
    const response = await fetch(url, init).catch(() => {
      throw new BlazeError("unavailable", `the server cannot be reached: no answer from ${url}`, 503);
    });
    const { ok, status } = response;
    const answer = await response.json().catch(() => null);
    if (ok && isAnswer(answer)) return answer;
    if (!ok && isProblem(answer)) {
      const isRoute = answer.code !== "not-found" || !answer.detail.startsWith("no route ");
      throw new BlazeError(answer.code, isRoute ? answer.detail : `${url}: ${answer.detail}`, status);
    }
    const detail = `${response.url || url} answered ${status}, which is no answer of Blaze to this request`;
    throw new BlazeError("unavailable", detail, status);
  }
}

strict(Auth, {
  direct: { onAuthStateChanged: 1, resume: 0, close: 0 },
  promised: { signUp: 2, signIn: 2, signOut: 0, signInWithRedirect: 2, completeSignIn: 0 },
});
