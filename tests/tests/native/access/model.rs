//! Random sequences of events, over two stores, with memory lost at random: what is answered, fetched, noted and shown
//! is what a model says that knows nothing of rows.

use super::*;

/// A step: which event, of which of a few things, whether memory is lost before it, and how much time goes by.
#[derive(Clone, Debug)]
struct Act {
    kind: u8,
    which: usize,
    forgets: bool,
    passes: i64,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let passes = prop_oneof![
        6 => 0..3 * JWKS_RETRY_MICROS,
        3 => 0..2 * JWKS_PAUSE_MICROS,
        2 => 0..2 * JWKS_FRESH_MICROS,
        1 => 0..2 * JWKS_GRACE_MICROS,
    ];
    let act = (0_u8..13, 0_usize..4, prop::bool::weighted(0.2), passes);
    let act = act.prop_map(|(kind, which, forgets, passes)| Act { kind, which, forgets, passes });
    prop::collection::vec(act, 1..60)
}

/// What should be.
#[derive(Default)]
struct Model {
    now: i64,
    /// The text of every version, from 1.
    rules: Vec<String>,
    /// Ids in the order of creation, whether revoked or not.
    ids: Vec<String>,
    keys: BTreeMap<String, Option<i64>>,
    /// When they came, and which.
    jwks: BTreeMap<String, (i64, Vec<Value>)>,
    /// When each issuer was asked last, as far as memory goes.
    asked: BTreeMap<String, i64>,
    /// Until when former own keys are known.
    former: Vec<i64>,
    /// From when on the next one signs.
    next: Option<i64>,
    log: Vec<(&'static str, String)>,
    changes: u64,
}

/// What a step should do besides answering.
struct Expected {
    refused: Option<u16>,
    fetches: Vec<String>,
}

impl Model {
    fn issuer(which: usize) -> String {
        [ISSUER, OTHER, "https://nobody.example", ISSUER][which].to_owned()
    }

    fn event(&self, act: &Act) -> Event {
        let Act { which, .. } = *act;
        let issuer = Self::issuer(which);
        let id = || self.ids.get(which).cloned().unwrap_or("0".repeat(10));
        match act.kind {
            0 | 1 => put_rules(which),
            2 => put_if(which, which as u64),
            3 | 4 => create_key("k", (which == 0).then_some(self.now + JWKS_GRACE_MICROS)),
            5 => revoke(&id()),
            6 => jwks(&issuer, &[jwk("1"), jwk(&which.to_string())]),
            7 => failed(&issuer),
            8 => refresh(&issuer),
            9 => sign(),
            10 if which == 3 => revoke_signing_key(),
            10 => rotate(),
            11 => audited(&which.to_string()),
            _ => Event::Snapshot { known: None },
        }
    }

    fn expire(&mut self) {
        if let Some(from) = self.next.take_if(|from| *from <= self.now) {
            self.former.push(from + OWN_KEY_GRACE_MICROS);
            self.changes += 1;
        }
        let before = self.former.len() + self.jwks.len();
        self.former.retain(|until| *until >= self.now);
        self.jwks.retain(|_, (at, _)| self.now - *at <= JWKS_GRACE_MICROS);
        self.changes += u64::from(before > self.former.len() + self.jwks.len());
    }

    fn note(&mut self, act: &'static str, what: &str) {
        self.log.push((act, what.to_owned()));
    }

    fn may_ask(&self, issuer: &str, pause: i64) -> bool {
        let fetched = self.jwks.get(issuer).map(|(at, _)| *at);
        let last = self.asked.get(issuer).copied().max(fetched);
        last.is_none_or(|last| self.now - last >= pause)
    }

    fn put(&mut self, text: String, if_version: Option<u64>) -> Result<(), u16> {
        if if_version.is_some_and(|version| version != self.rules.len() as u64) {
            return Err(412);
        }
        if self.rules.last() != Some(&text) {
            self.rules.push(text);
            self.note("rules.put", &format!("version {}", self.rules.len()));
            self.changes += 1;
        }
        Ok(())
    }

    fn stale(&mut self) -> Vec<String> {
        let mut stale = Vec::new();
        for issuer in [ISSUER, OTHER] {
            let at = self.jwks.get(issuer).map(|(at, _)| *at);
            let is_stale = at.is_none_or(|at| self.now - at >= JWKS_FRESH_MICROS);
            if is_stale && self.may_ask(issuer, JWKS_PAUSE_MICROS) {
                self.asked.insert(issuer.to_owned(), self.now);
                stale.push(issuer.to_owned());
            }
        }
        stale
    }

    fn apply(&mut self, event: &Event) -> Result<Vec<String>, u16> {
        self.expire();
        let is_known = |issuer: &str| [ISSUER, OTHER].contains(&issuer);
        match event {
            Event::PutRules { text, if_version, .. } => self.put(text.clone(), *if_version)?,
            Event::RevokeKey { id, .. } => {
                self.keys.remove(id).ok_or(404_u16)?;
                self.note("key.revoke", id);
                self.changes += 1;
            }
            Event::Jwks { issuer, .. } if !is_known(issuer) => return Err(404),
            Event::Jwks { fetched: Err(_), .. } => return Err(503),
            Event::Jwks { issuer, fetched: Ok(text) } => {
                let set: Value = serde_json::from_str(text).unwrap();
                let keys = set["keys"].as_array().unwrap().clone();
                let before = self.jwks.insert(issuer.clone(), (self.now, keys.clone()));
                self.changes += u64::from(before.is_none_or(|(_, before)| before != keys));
            }
            Event::Refresh { issuer } if !is_known(issuer) => return Err(404),
            Event::Refresh { issuer } => {
                let has = self.jwks.contains_key(issuer);
                let pause = if has { JWKS_PAUSE_MICROS } else { JWKS_RETRY_MICROS };
                if self.may_ask(issuer, pause) {
                    self.asked.insert(issuer.clone(), self.now);
                    return Ok(vec![issuer.clone()]);
                }
            }
            Event::RotateSigningKey { revoke: true, .. } => {
                (self.former, self.next) = (Vec::new(), None);
                self.note("signing-key.revoke", "key ");
                self.changes += 1;
            }
            Event::RotateSigningKey { .. } => {
                if self.next.is_some() {
                    return Err(409);
                }
                if self.former.len() == OWN_KEYS - 1 {
                    // It is a matter of time.
                    return Err(429);
                }
                self.next = Some(self.now + OWN_KEY_LEAD_MICROS);
                self.note("signing-key.rotate", "key ");
                self.changes += 1;
            }
            Event::Audited { what, .. } => self.note("document.write", what),
            Event::Snapshot { .. } => return Ok(self.stale()),
            _ => {}
        }
        Ok(Vec::new())
    }

    /// What an event should do. A refused one changes nothing, not even what has expired.
    fn expect(&mut self, event: &Event) -> Expected {
        let changes = self.changes;
        let before = (self.former.clone(), self.next, self.jwks.clone());
        match self.apply(event) {
            Ok(fetches) => Expected { refused: None, fetches },
            Err(status) => {
                self.changes = changes;
                (self.former, self.next, self.jwks) = before;
                Expected { refused: Some(status), fetches: Vec::new() }
            }
        }
    }

    /// What only the answer tells.
    fn learn(&mut self, event: &Event, answer: &str) {
        if let Event::CreateKey { expires, .. } = event {
            let made: Value = serde_json::from_str(answer).unwrap();
            let id = made["id"].as_str().unwrap().to_owned();
            self.ids.insert(0, id.clone());
            self.note("key.create", &id);
            self.keys.insert(id, expires.map(Timestamp::micros));
            self.changes += 1;
        }
    }

    fn check(&self, snapshot: &Snapshot, log: &Value) {
        let rules = snapshot.rules.as_ref().map(|rules| (rules.version, rules.text.clone()));
        let expected = self.rules.last().map(|text| (self.rules.len() as u64, text.clone()));
        assert_eq!(rules, expected);
        let keys: BTreeMap<String, Option<i64>> = snapshot
            .keys
            .iter()
            .map(|key| (key.id.clone(), key.expires.map(Timestamp::micros)))
            .collect();
        assert_eq!(keys, self.keys);
        let keys = |issuer: &str| snapshot.jwks.get(issuer).map(|set| set.keys.clone());
        for issuer in [ISSUER, OTHER] {
            assert_eq!(
                keys(issuer),
                self.jwks.get(issuer).map(|(_, keys)| keys.clone()),
                "{issuer}"
            );
        }
        let own = self.former.len() + 1 + usize::from(self.next.is_some());
        let kids: BTreeSet<String> =
            snapshot.own.keys.iter().map(|key| key["kid"].to_string()).collect();
        assert_eq!((snapshot.own.keys.len(), kids.len()), (own, own));
        let entries = log["entries"].as_array().unwrap();
        assert_eq!(entries.len(), self.log.len());
        for (entry, (act, what)) in entries.iter().zip(self.log.iter().rev()) {
            assert_eq!(entry["act"], *act);
            assert!(entry["what"].as_str().unwrap().contains(what), "{entry} of {what}");
        }
    }
}

fn fetches(effects: &[Effect]) -> Vec<String> {
    let fetch = |effect: &Effect| match effect {
        Effect::FetchJwks { issuer, .. } => Some(issuer.clone()),
        _ => None,
    };
    effects.iter().filter_map(fetch).collect()
}

fn run(acts: Vec<Act>) {
    let mut left = subject();
    let mut right = Subject::over(RusqliteStore::in_memory().unwrap());
    let mut model = Model { now: left.now, ..Model::default() };
    // The first copy makes the signing key; so it is there from here on.
    let mut version = left.snapshot().version;
    assert_eq!(right.snapshot().version, version);
    model.stale();
    for act in acts {
        model.now += act.passes;
        (left.now, right.now) = (model.now, model.now);
        if act.forgets {
            left.forget();
            right.forget();
            model.asked.clear();
        }
        let event = model.event(&act);
        let changes = model.changes;
        let expected = model.expect(&event);
        let effects = left.handle(event.clone());
        assert_eq!(right.handle(event.clone()), effects, "{event:?}");
        let Some(Effect::Answer(answer)) = effects.last() else { panic!("{effects:?}") };
        let refused = answer.as_ref().err().map(|error| error.status);
        assert_eq!(refused, expected.refused, "{event:?}");
        if let Ok(answer) = answer {
            model.learn(&event, answer);
        }
        assert_eq!(fetches(&effects), expected.fetches, "{event:?}");
        // What a fresh object says of the rows, at the same time.
        let mut fresh = Subject::over(left.store.clone());
        (fresh.now, fresh.random) = (model.now, left.random);
        if expected.refused.is_none() {
            let snapshot = fresh.snapshot();
            model.check(&snapshot, &fresh.json(list_audit(None, AUDIT_PAGE)));
            assert_eq!(snapshot.version > version, model.changes > changes, "{event:?}");
            assert!(snapshot.version >= version);
            version = snapshot.version;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn random_sequences_are_as_the_model_says(acts in acts()) {
        run(acts);
    }
}
