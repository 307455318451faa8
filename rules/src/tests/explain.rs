//! Explanations: which condition, where, and what was missing.

use super::super::explain::Values;
use super::*;

const TEXT: &str = r#"function signedIn() { return request.auth != null; }
function owner(data) {
  let who = data.owner;
  return signedIn() && who == request.auth.uid;
}
match /notes/{id} {
  allow get: if owner(resource.data);
  allow create: if signedIn() && request.resource.data.tags.all(tag, tag is string);
  allow update: if !(resource.data.locked || resource.data.n > 10)
    && get(/teams/$(resource.data.team)).data.open == true;
  allow update: if (id == 'x' ? false : hasRole("editor"));
  allow delete: if resource.data.owner;
  allow list: if resource.data.owner == request.auth.uid && request.query.limit <= 10;
}
match /other/{id} { allow get, list; }
"#;

struct Asked<'a> {
    method: Method,
    uid: Option<&'a str>,
    before: Value,
    after: Value,
    values: Values,
}

fn asked(method: Method) -> Asked<'static> {
    Asked {
        method,
        uid: Some("bob"),
        before: Value::Null,
        after: Value::Null,
        values: Values::Shown,
    }
}

impl Asked<'_> {
    /// Explains the request, which must be denied, line by line.
    fn lines(&self) -> Vec<String> {
        let rules = compile(TEXT);
        let [before, after] = [&self.before, &self.after].map(Value::to_string);
        let resource = |data, value: &Value| {
            let there = Resource { data, create_time: now(), update_time: now() };
            (!value.is_null()).then_some(there)
        };
        let lookups = Lookups::from([
            (path("teams/none"), None),
            (path("teams/red"), Some(json!({"open": false}).as_object().unwrap().clone())),
            (path("roles/bob"), None),
        ]);
        let auth = self.uid.map(|uid| Auth { roles: BTreeSet::new(), ..auth(uid) });
        let path = path("notes/a");
        let request = Request {
            method: self.method,
            path: &path,
            auth: auth.as_ref(),
            time: now(),
            before: resource(&before, &self.before),
            after: resource(&after, &self.after),
            lookups: &lookups,
        };
        assert!(matches!(rules.decide(&request), Verdict::Denied(_)));
        rules.explain(&request, self.values).lines()
    }
}

#[test]
fn the_part_that_decided_is_named_with_its_place() {
    let get = Asked { before: json!({"owner": "ann"}), ..asked(Method::Get) };
    let owner = "refused by 7:3 `allow get: if owner(resource.data)`: ";
    assert_eq!(
        get.lines(),
        [format!(
            "{owner}4:24 in owner(): `who == request.auth.uid` is false: `who` is \"ann\", `request.auth.uid` is \"bob\""
        )]
    );
    let hidden = Asked { values: Values::Hidden, ..get };
    assert_eq!(
        hidden.lines(),
        [format!(
            "{owner}4:24 in owner(): `who == request.auth.uid` is false: `who` is a string, `request.auth.uid` is a string"
        )]
    );
    let anonymous = Asked { uid: None, ..asked(Method::Get) };
    assert_eq!(
        anonymous.lines(),
        [format!(
            "{owner}1:30 in signedIn(): `request.auth != null` is false: `request.auth` is null"
        )]
    );
}

#[test]
fn what_is_missing_or_null_is_named() {
    let owner = "refused by 7:3 `allow get: if owner(resource.data)`: ";
    let missing = Asked { before: json!({"o": 1}), ..asked(Method::Get) };
    assert_eq!(missing.lines(), [format!("{owner}3:13 in owner(): `data.owner` is missing")]);
    assert_eq!(
        asked(Method::Get).lines(),
        [format!(
            "{owner}7:23 `resource.data` is in error: `resource` is null, for the document does not exist"
        )]
    );
    let delete = Asked { before: json!({"owner": "ann"}), ..asked(Method::Delete) };
    assert_eq!(
        delete.lines(),
        [
            "refused by 12:3 `allow delete: if resource.data.owner`: 12:20 `resource.data.owner` is a string, and not a bool"
        ]
    );
    let team = |team: &str, locked: bool| {
        let before = json!({"team": team, "locked": locked, "n": 1});
        Asked { before, after: json!({}), ..asked(Method::Update) }.lines()
    };
    let update = "refused by 9:3 `allow update: if !(resource.data.locked || resource.data.n > 10) && get(/teams/$(resource.data.team)…`: ";
    let role = "refused by 11:3 `allow update: if (id == 'x' ? false : hasRole(\"editor\"))`: 11:41 `hasRole(\"editor\")` is false";
    let get = "`get(/teams/$(resource.data.team)).data";
    assert_eq!(
        team("none", false),
        [
            format!(
                "{update}10:8 {get}` is in error: `get(/teams/$(resource.data.team))` is null, for there is no document /teams/none"
            ),
            role.to_owned()
        ]
    );
    assert_eq!(
        team("red", false),
        [
            format!("{update}10:8 {get}.open == true` is false: {get}.open` is false"),
            role.to_owned()
        ]
    );
    assert_eq!(
        team("red", true),
        [format!("{update}9:22 `resource.data.locked` is true"), role.to_owned()]
    );
}

#[test]
fn an_element_is_named() {
    let create = Asked { after: json!({"tags": ["a", 7]}), ..asked(Method::Create) };
    let all = "`request.resource.data.tags.all(tag, tag is string)`";
    assert_eq!(
        create.lines(),
        [format!(
            "refused by 8:3 `allow create: if signedIn() && request.resource.data.tags.all(tag, tag is string)`: \
          8:70 `tag is string` is false: `tag` is 7; 8:34 {all} does not hold for element 1, 7"
        )]
    );
}

#[test]
fn a_query_is_told_what_it_does_not_say() {
    let rules = compile(TEXT);
    let explained = |query: Value| {
        let query = Query::from_json(query).unwrap();
        let auth = auth("bob");
        let lookups = Lookups::new();
        let request =
            QueryRequest { query: &query, auth: Some(&auth), time: now(), lookups: &lookups };
        rules.explain_query(&request, Values::Shown)
    };
    let lines = explained(json!({"from": "notes", "limit": 5})).lines();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("13:18 `resource.data.owner == request.auth.uid` is not known of all"),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("a filter of \"owner\" would"), "{lines:?}");
    let lines = explained(json!({"from": "notes", "limit": 50, "where": {"field": "owner", "op": "==", "value": "bob"}})).lines();
    assert!(
        lines[0].contains("`request.query.limit <= 10` is false: `request.query.limit` is 50"),
        "{lines:?}"
    );
    assert!(explained(json!({"from": "other"})).allowed.is_some());
    let nowhere = explained(json!({"from": "nowhere"})).lines();
    assert_eq!(nowhere, ["no allow concerns this method of this path"]);
}

#[test]
fn other_methods_of_the_path_are_named() {
    let rules = compile("match /a/{b} { allow get, list: if true; }");
    let (path, lookups) = (path("a/b"), Lookups::new());
    let request = Request {
        method: Method::Delete,
        path: &path,
        auth: None,
        time: now(),
        before: None,
        after: None,
        lookups: &lookups,
    };
    assert_eq!(
        rules.explain(&request, Values::Shown).lines(),
        [
            "no allow concerns this method of this path",
            "the path has 1:16 `allow get, list: if true`"
        ]
    );
}
