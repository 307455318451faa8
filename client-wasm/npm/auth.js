// Accounts: who is signed in, kept between visits and shared by the tabs of an origin. A tab that renews the session holds
// a lock, and looks first whether another one has: the server ends a session whose refresh token is used twice.
import { BlazeError, guarded } from "./index.js";

/** An access token that ends within so many milliseconds is as good as ended. */
const MARGIN = 30_000;
/** What the server says of a session that is no more. */
const OVER = ["unauthenticated", "permission-denied", "invalid-argument"];

/** What keeps nothing beyond the page. */
class Memory extends Map {
  getItem(key) {
    return this.get(key) ?? null;
  }
  setItem(key, value) {
    this.set(key, value);
  }
  removeItem(key) {
    this.delete(key);
  }
}

function storage(persistence) {
  try {
    const kept = { local: "localStorage", session: "sessionStorage" }[persistence];
    return (kept && globalThis.window?.[kept]) || new Memory();
  } catch {
    // The browser forbids it.
    return new Memory();
  }
}

/** The claims of a token: nobody has verified them here. */
function claimsOf(token) {
  const binary = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0))));
}

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
    this.#store = storage(persistence);
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
    const told = { call: guarded(callback) };
    this.#callbacks.add(told);
    queueMicrotask(() => this.#tell(told));
    return () => this.#callbacks.delete(told) && undefined;
  }

  signUp(email, password) {
    return this.#begin("signUp", { email, password });
  }

  signIn(email, password) {
    return this.#begin("signIn", { email, password });
  }

  async signOut() {
    const { refreshToken } = this.#read() ?? {};
    this.#keep(null);
    // Here nobody is signed in any more, whether the server hears of it or not.
    if (refreshToken) await this.#post("signOut", { refreshToken }).catch(() => {});
  }

  async signInWithRedirect(provider, redirectUri = location.origin + location.pathname) {
    const { authorizationUrl, state, secret } = await this.#post(`oidc/${provider}/start`, { redirectUri });
    sessionStorage.setItem(this.#key, JSON.stringify({ provider, redirectUri, state, secret }));
    location.assign(authorizationUrl);
  }

  async completeSignIn() {
    const url = new URL(location.href);
    const begun = JSON.parse(sessionStorage.getItem(this.#key) ?? "{}");
    const [state, code, error, iss, why] = ["state", "code", "error", "iss", "error_description"].map((name) => {
      const value = url.searchParams.get(name) ?? undefined;
      url.searchParams.delete(name);
      return value;
    });
    if (!begun.state || !state || !(code || error)) return null;
    sessionStorage.removeItem(this.#key);
    history.replaceState(history.state, "", url);
    if (state !== begun.state) throw new BlazeError("failed-precondition", "This sign-in was not begun in this tab", 409);
    if (error) throw new BlazeError("permission-denied", `${begun.provider}: ${why ?? error}`, 403);
    const { provider, redirectUri, secret } = begun;
    return this.#begin(`oidc/${provider}/finish`, { state, code, redirectUri, secret, iss });
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
    const answer = await this.#post(path, body);
    this.#session = null;
    this.#keep(answer);
    return this.#user;
  }

  #read() {
    try {
      return JSON.parse(this.#store.getItem(this.#key));
    } catch {
      return null;
    }
  }

  /** Keeps what the server answered; `null` is nobody. */
  #keep(answer) {
    if (answer === null) {
      this.#store.removeItem(this.#key);
      return this.#become(null);
    }
    const { uid, accessToken, refreshToken, expiresIn } = answer;
    const session = { uid, accessToken, refreshToken, ends: Date.now() + expiresIn * 1000 };
    this.#store.setItem(this.#key, JSON.stringify(session));
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
      const answer = await this.#post("refresh", { refreshToken }).catch((error) => {
        if (!OVER.includes(error.code)) throw error;
        return null;
      });
      // Unless somebody has signed in or out meanwhile.
      if (this.#read()?.refreshToken === refreshToken) return this.#keep(answer);
    }
    this.#become(this.#read());
  }

  #locked(work) {
    // Pages without TLS have no locks; there the server overlooks a second use within a few seconds.
    const locks = globalThis.navigator?.locks;
    return locks && !(this.#store instanceof Memory) ? locks.request(this.#key, work) : work();
  }

  async #post(path, body) {
    const unavailable = () => new BlazeError("unavailable", "the server cannot be reached", 503);
    const headers = { "Content-Type": "application/json" };
    const init = { method: "POST", cache: "no-store", headers, body: JSON.stringify(body) };
    const response = await fetch(this.#url + path, init).catch(() => {
      throw unavailable();
    });
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => {
      throw unavailable();
    });
    if (response.ok) return answer;
    throw new BlazeError(answer.code ?? "unavailable", answer.detail ?? "", response.status);
  }
}
