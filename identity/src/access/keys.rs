//! API keys: made, listed, revoked. Only their hashes are kept.

use super::Step;
use super::state::api_key_row;
use crate::auth::api_key::ApiKey;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{API_KEY_NAME_BYTES, API_KEY_ROLES, API_KEYS};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl<S: Store> Step<'_, S> {
    pub(super) fn create_key(
        &mut self,
        name: String,
        roles: BTreeSet<String>,
        expires: Option<Timestamp>,
        actor: &str,
    ) -> Result<String, Error> {
        check(&name, &roles)?;
        if expires.is_some_and(|expires| expires <= self.now) {
            return Err(Error::invalid("expireTime: it has passed"));
        }
        if self.state.keys.len() >= API_KEYS {
            self.drop_expired_keys()?;
        }
        if self.state.keys.len() >= API_KEYS {
            let detail = format!("keys: there are {API_KEYS}, which is the most; revoke one first");
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        let (key, text) = ApiKey::mint(self.random, name, roles, self.now, expires);
        if self.state.keys.contains_key(&key.id) {
            return Err(Error::new(Code::Unavailable, "keys: an id came up twice; repeat it"));
        }
        let roles: Vec<&str> = key.roles.iter().map(String::as_str).collect();
        let what = format!("key {} ({}) with roles [{}]", key.id, key.name, roles.join(", "));
        self.audit(actor, "key.create", &what)?;
        let record = self.state.new_record();
        self.batch.put_record(api_key_row(&key.id), record, &key)?;
        let answer = json!({"id": key.id, "key": text}).to_string();
        self.state.keys.insert(key.id.clone(), key);
        self.state.changed(self.now);
        Ok(answer)
    }

    pub(super) fn list_keys(&self) -> String {
        let shown = |key: &ApiKey| -> Value {
            json!({
                "id": key.id,
                "name": key.name,
                "roles": key.roles,
                "createTime": key.created.to_string(),
                "expireTime": key.expires.map(|expires| expires.to_string()),
            })
        };
        let keys: Vec<Value> = self.state.keys.values().map(shown).collect();
        json!({"keys": keys}).to_string()
    }

    pub(super) fn revoke_key(&mut self, id: &str, actor: &str) -> Result<String, Error> {
        let Some(key) = self.state.keys.remove(id) else {
            return Err(Error::new(Code::NotFound, format!("keys: there is no key {id:.40}")));
        };
        self.audit(actor, "key.revoke", &format!("key {} ({})", key.id, key.name))?;
        self.batch.delete_record(self.store, api_key_row(id))?;
        self.state.changed(self.now);
        Ok(String::new())
    }

    fn drop_expired_keys(&mut self) -> Result<(), Error> {
        let has_expired = |key: &ApiKey| key.expires.is_some_and(|expires| expires <= self.now);
        let expired = self.state.keys.extract_if(.., |_, key| has_expired(key));
        for (id, _) in expired.collect::<Vec<_>>() {
            self.batch.delete_record(self.store, api_key_row(&id))?;
        }
        Ok(())
    }
}

fn check(name: &str, roles: &BTreeSet<String>) -> Result<(), Error> {
    let fits = |text: &str| (1..=API_KEY_NAME_BYTES).contains(&text.len());
    if !fits(name) {
        return Err(Error::invalid(format!("name: 1 to {API_KEY_NAME_BYTES} bytes")));
    }
    if roles.len() > API_KEY_ROLES {
        let detail = format!("roles: {}, of {API_KEY_ROLES} at most", roles.len());
        return Err(Error::invalid(detail));
    }
    if !roles.iter().all(|role| fits(role)) {
        return Err(Error::invalid(format!("roles: each has 1 to {API_KEY_NAME_BYTES} bytes")));
    }
    Ok(())
}
