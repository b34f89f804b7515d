// Executes the effects that the Rust code in WebAssembly asks for: `effects[kind](payload, { request, env })`. Each function
// returns a promise of a text or of bytes. If the promise fails, the Rust code gets the error's message.

/** The message of a thrown value, with the message of its cause: D1 puts the database's error into either. */
export function message(error) {
  const own = error?.message ?? String(error);
  const cause = error?.cause?.message;
  return cause && !own.includes(cause) ? `${own}: ${cause}` : own;
}

/** Timeout of a bucket operation. ElevenLabs waits for it, and the database can store the event instead. */
const BUCKET_TIMEOUT_MS = 5_000;

/** The result of the promise, or an error after the timeout. */
async function withTimeout(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer within 5 seconds")), BUCKET_TIMEOUT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A longer text, in characters, goes into WebAssembly as bytes: wasm-bindgen copies a text character by character. */
const LONG = 1000;
const encoder = new TextEncoder();

export const effects = {
  /** The request's whole body as bytes. */
  body: async (_, { request }) => new Uint8Array(await request.arrayBuffer()),

  /** The next chunk of the request's body as bytes; an empty text at the end of the body. */
  async chunk(_, io) {
    io.reader ??= io.request.body?.getReader();
    const { value } = (await io.reader?.read()) ?? {};
    return value ?? "";
  },

  /**
   * Runs statements, `[[sql, [parameter, …]], …]`, on D1 in one round trip and one transaction. The result has two lines for
   * each statement: the number of rows read and written, and the rows as JSON.
   */
  async query(statements, { env }) {
    if (typeof env.DB?.prepare !== "function") throw new Error("the D1 binding is missing from the configuration");
    const prepared = statements.map(([sql, parameters]) => {
      const statement = env.DB.prepare(sql);
      return parameters.length > 0 ? statement.bind(...parameters) : statement;
    });
    const results = prepared.length === 1 ? [await prepared[0].all()] : await env.DB.batch(prepared);
    let text = "";
    for (const { meta, results: rows } of results) {
      text += `${meta.rows_read ?? 0} ${meta.rows_written ?? 0}\n${rows?.length ? JSON.stringify(rows) : ""}\n`;
    }
    return text.length > LONG ? encoder.encode(text) : text;
  },

  /** Sends one request to ElevenLabs. The result is the status, a line end and the body; or "timeout". */
  async exchange({ method, url, api_key, body, timeout_ms }) {
    const headers = { "xi-api-key": api_key, accept: "application/json" };
    if (body !== null) headers["content-type"] = "application/json";
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeout_ms);
    try {
      // Following a redirect would send the same request twice, which is a second phone call.
      const answer = await fetch(url, { method, headers, body, redirect: "manual", signal: abort.signal });
      return `${answer.status}\n${await answer.text()}`;
    } catch (error) {
      if (abort.signal.aborted) return "timeout";
      throw error;
    } finally {
      clearTimeout(timer);
    }
  },

  /** Writes a text into the bucket. It replaces an object with the same key. */
  async put([key, text], { env }) {
    await withTimeout(env.EVENTS.put(key, text));
    return "";
  },

  /** Reads a text from the bucket: "=" and the text, or an empty text if there is no object. */
  async get(key, { env }) {
    const read = async () => (await env.EVENTS.get(key))?.text();
    const text = await withTimeout(read());
    return text === undefined ? "" : `=${text}`;
  },

  /** Deletes objects of the bucket. A key without an object is not an error. */
  async delete(keys, { env }) {
    await withTimeout(env.EVENTS.delete(keys));
    return "";
  },

  /** Waits this many milliseconds. */
  sleep: (millis) => new Promise((resolve) => setTimeout(resolve, millis, "")),

  /** Asks a rate limit binding whether the key is below its limit: "yes" or "no". */
  async limit([name, key], { env }) {
    const { success } = await env[name].limit({ key });
    return success === false ? "no" : "yes";
  },
};
