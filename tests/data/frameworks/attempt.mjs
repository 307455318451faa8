// What is tried in every tool: a write, a read, and a change by somebody else that a listener is told.

export async function attempt(blaze, url, id, options) {
  const db = await blaze.connect(url, options);
  try {
    const doc = db.doc(`frameworks/${id}`);
    await doc.set({ n: 1 });
    const read = (await doc.get()).get("n");
    let stop;
    const seen = new Promise((resolve, reject) => {
      let isTold = false;
      const next = (snapshot) => {
        const n = snapshot.get("n");
        if (n === 2) resolve(n);
        if (!isTold) change().catch(reject);
        isTold = true;
      };
      stop = doc.onUpdate(next, reject);
    });
    const change = async () => {
      const headers = { "Content-Type": "application/json" };
      const init = { method: "PATCH", headers, body: '{"n": {"$increment": 1}}' };
      await fetch(`${url}/v1/docs/frameworks/${id}`, init);
    };
    const live = await seen;
    stop();
    return `wrote 1, read ${read}, was told ${live}`;
  } finally {
    db.close();
  }
}

/** The same, and why it failed if it did. */
export const outcome = (...of) => attempt(...of).catch((error) => `failed: ${error?.stack ?? error}`);
