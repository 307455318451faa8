// What the types of the npm package allow, and what they refuse. It is compiled, not run.
import {
  BlazeError,
  DocumentReference,
  type FirestoreDataConverter,
  GeoPoint,
  Timestamp,
  arrayUnion,
  average,
  connect,
  count,
  deleteField,
  increment,
  serverTimestamp,
  sum,
} from "blaze-client";

interface Address {
  city: string;
  zip?: number;
  at: GeoPoint;
  parts: { street: string; floor: number };
}
interface User {
  name: string;
  visits: number;
  joined: Date;
  address?: Address;
  tags: string[];
  scores: Record<string, number>;
  more: any;
  boss: DocumentReference<User> | null;
}

const db = await connect(new URL("http://127.0.0.1:8787"));
const users = db.collection<User>("users");
const alice = users.doc("alice");

// `exists()` is a guard.
const snapshot = await alice.get();
// @ts-expect-error: it may not exist
snapshot.data().name;
if (snapshot.exists()) snapshot.data().name.toUpperCase();
snapshot.data()?.joined.getTime();
const at: Timestamp | undefined = snapshot.updateTime;
const exactly: [bigint, string] | undefined = at && [at.microseconds, at.text];

// Updates by dotted paths.
await alice.update({ name: "Alice", visits: increment(1), "address.city": "Paris", "address.parts.floor": 3 });
await alice.update({ "address.zip": deleteField(), tags: arrayUnion("vip"), joined: serverTimestamp() });
await alice.update({ "scores.chess": 5, "more.of.anything": true, "`a.b`.c": 1, address: { city: "Paris" } as Address });
await alice.update("address.city", "Paris", "visits", 3);
// @ts-expect-error: a city is a string
await alice.update({ "address.city": 3 });
// @ts-expect-error: a floor is a number
await alice.update({ "address.parts.floor": "third" });
// @ts-expect-error: there is no such field
await alice.update({ "address.town": "Paris" });
// @ts-expect-error: there is no such field
await alice.update({ nmae: "Alice" });
// @ts-expect-error: a place has no fields
await alice.update({ "address.at.latitude": 3 });
// @ts-expect-error: a score is a number
await alice.update({ "scores.chess": "five" });
await db.doc("any/thing").update({ "a.b": 1, c: { d: 2 } });

// A type that holds itself.
interface Tree {
  value: number;
  left?: Tree;
}
await db.doc<Tree>("trees/oak").update({ "left.left.value": 1 });
// @ts-expect-error: a value is a number
await db.doc<Tree>("trees/oak").update({ "left.left.value": "one" });

// Sets.
await alice.set({ name: "Alice" }, { merge: true });
await alice.set({ name: "Alice", address: { city: "Paris" } }, { mergeFields: ["name", "address.city"] });
// @ts-expect-error: fields are missing
await alice.set({ name: "Alice" });
// @ts-expect-error: one or the other
await alice.set({ name: "Alice" }, { merge: true, mergeFields: ["name"] });
// @ts-expect-error: no such option
await alice.set({ name: "Alice" }, { merg: true });

// Ids are texts.
const fresh: DocumentReference<User> = users.doc();
// @ts-expect-error: an id is a text
users.doc(undefined);
// @ts-expect-error: an id is a text
users.doc(5);

// Parents.
const parent: string = alice.parent.path;
const owner: string | undefined = db.collection("users/alice/orders").parent?.id;

// Listeners.
const stops = [
  alice.onUpdate((now) => now.data()?.name, (error: BlazeError) => error.code),
  alice.onSnapshot({ includeMetadataChanges: true }, (now) => now.metadata.hasPendingWrites),
  users.onSnapshot({ next: (now) => now.docs[0]?.data().visits, error: (error) => error.status }),
  users.onUpdate({ includeMetadataChanges: true }, { next: (now) => now.docChanges({ includeMetadataChanges: true }) }),
];
stops.forEach((stop) => stop());
// @ts-expect-error: without `next` nothing is heard
alice.onUpdate({ error: () => {} });
// @ts-expect-error: no such option
alice.onUpdate({ source: "cache" }, () => {});

// Converters.
class Person {
  constructor(readonly name: string) {}
}
const converter: FirestoreDataConverter<Person, { full_name: string }> = {
  toFirestore: (person: Person) => ({ full_name: person.name }),
  fromFirestore: (read, options) => new Person(read.data(options).full_name),
};
const people = db.collection("people").withConverter(converter);
await people.doc("bob").set(new Person("Bob"));
await people.add(new Person("Carol"));
const bob: Person | undefined = (await people.doc("bob").get()).data();
const names: string[] = (await people.where("full_name", ">", "B").get()).docs.map((doc) => doc.data().name);
const grouped: Person[] = (await db.collectionGroup("people").withConverter(converter).get()).docs.map((doc) => doc.data());
await people.doc("bob").update({ full_name: "Robert" });
// @ts-expect-error: an update is of what is stored
await people.doc("bob").update({ name: "Robert" });
// @ts-expect-error: a person is needed
await people.doc("bob").set({ age: 5 });
const plain: { [field: string]: any } | undefined = (await people.doc("bob").withConverter(null).get()).data();

// Aggregates.
const all = await users.aggregate({ users: count(), visits: sum("visits"), mean: average("visits") });
const answers: [number, number | bigint, number | null] = [all.users, all.visits, all.mean];
await users.orderBy("visits").limit(5n).startAfter(snapshot).get();
// @ts-expect-error: no such operator
users.where("age", "=", 1);

export { answers, bob, exactly, fresh, grouped, names, owner, parent, plain };
