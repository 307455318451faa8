//! Rules as Firestore's documentation writes them: "Structuring rules", "Writing conditions", "Control field access",
//! "Securely query data".

use super::compile;
use crate::cases::run;

/// Runs the table; every case has to be decided as it says.
fn check(rules: &str, cases: &str) {
    let report = run(&compile(rules), cases).unwrap();
    assert_eq!(report.failures, [], "{rules}");
    assert!(report.cases > 0);
}

#[test]
fn structure() {
    check(
        "rules_version = '2';
        service cloud.firestore {
          match /databases/{database}/documents {
            match /cities/{city} {
              allow get: if true;
              allow list: if request.auth != null;
              allow create: if request.auth != null && database == '(default)';
              allow update, delete: if false;
              match /landmarks/{landmark} { allow read, write: if request.auth.uid == city; }
            }
            match /open/{document=**} { allow read; }
            match /{path=**}/songs/{song} { allow read: if song != 'secret'; }
            match /overlap/{a} { allow read: if false; }
            match /overlap/{b=**} { allow read: if b == /x; }
          }
        }",
        r#"[
        {"method":"get","path":"cities/sf","allow":true},
        {"method":"list","path":"cities/sf","allow":false},
        {"method":"list","path":"cities/sf","auth":{"uid":"a"},"allow":true},
        {"method":"create","path":"cities/sf","auth":{"uid":"a"},"after":{},"allow":true},
        {"method":"update","path":"cities/sf","auth":{"uid":"a"},"before":{},"after":{},"allow":false},
        {"name":"rules do not cascade","method":"get","path":"cities/sf/parks/1","allow":false},
        {"method":"get","path":"cities/sf/landmarks/1","auth":{"uid":"sf"},"allow":true},
        {"method":"delete","path":"cities/sf/landmarks/1","auth":{"uid":"sf"},"before":{},"allow":true},
        {"method":"get","path":"cities/sf/landmarks/1","auth":{"uid":"la"},"allow":false},
        {"method":"get","path":"open/a","allow":true},
        {"method":"get","path":"open/a/b/c","allow":true},
        {"method":"create","path":"open/a","after":{},"allow":false},
        {"method":"get","path":"songs/1","allow":true},
        {"method":"get","path":"bands/1/songs/1","allow":true},
        {"method":"get","path":"bands/1/songs/secret","allow":false},
        {"method":"get","path":"bands/1/songs/1/x/y","allow":false},
        {"method":"get","path":"overlap/x","allow":true},
        {"method":"get","path":"overlap/y","allow":false},
        {"method":"get","path":"elsewhere/y","allow":false},
        {"method":"list","query":{"from":"cities"},"allow":false},
        {"method":"list","query":{"from":"cities"},"auth":{"uid":"a"},"allow":true},
        {"method":"list","query":{"from":"cities/sf/landmarks"},"auth":{"uid":"sf"},"allow":true},
        {"method":"list","query":{"from":"open"},"allow":true},
        {"name":"the id is not known","method":"list","query":{"from":"songs"},"allow":false},
        {"method":"list","query":{"from":"songs","where":{"field":"__name__","op":"==","value":"1"}},"allow":true},
        {"method":"list","query":{"from":"songs","where":{"field":"__name__","op":"in","value":["1","secret"]}},"allow":false}
        ]"#,
    );
}

#[test]
fn conditions() {
    check(
        "service cloud.firestore { match /databases/{database}/documents {
            function signedIn() { return request.auth != null; }
            function owns(id) { let me = request.auth.uid; return signedIn() && me == id; }
            match /users/{userId} {
              allow read, update, delete: if owns(userId);
              allow create: if signedIn();
            }
            match /cities/{city} {
              allow create: if exists(/databases/$(database)/documents/users/$(request.auth.uid));
              allow delete: if get(/databases/$(database)/documents/users/$(request.auth.uid)).data.admin == true;
              allow update: if request.resource.data.population > 0
                            && request.resource.data.name == resource.data.name;
              allow read: if resource.data.visibility == 'public' || hasRole('auditor');
            }
            match /restaurant/{id} {
              allow create: if request.resource.data.keys().hasAll(['name', 'location', 'city'])
                && request.resource.data.keys().hasOnly(['name', 'location', 'city', 'hours'])
                && request.resource.data.name is string
                && request.resource.data.get('hours', []) is list;
              allow update: if (request.resource.data.diff(resource.data).affectedKeys()
                .hasOnly(['name', 'location', 'city', 'hours']));
            }
        } }",
        r#"[
        {"method":"get","path":"users/a","auth":{"uid":"a"},"allow":true},
        {"method":"get","path":"users/a","auth":{"uid":"b"},"allow":false},
        {"method":"get","path":"users/a","auth":null,"allow":false},
        {"method":"create","path":"users/a","auth":{"uid":"b"},"after":{},"allow":true},
        {"method":"create","path":"cities/a","auth":{"uid":"b"},"after":{},"documents":{"users/b":{}},"allow":true},
        {"method":"create","path":"cities/a","auth":{"uid":"b"},"after":{},"allow":false},
        {"method":"create","path":"cities/a","after":{},"documents":{"users/b":{}},"allow":false},
        {"method":"delete","path":"cities/a","auth":{"uid":"b"},"documents":{"users/b":{"admin":true}},"allow":true},
        {"method":"delete","path":"cities/a","auth":{"uid":"b"},"documents":{"users/b":{"admin":1}},"allow":false},
        {"method":"update","path":"cities/a","before":{"name":"x"},"after":{"name":"x","population":1},"allow":true},
        {"method":"update","path":"cities/a","before":{"name":"y"},"after":{"name":"x","population":1},"allow":false},
        {"method":"update","path":"cities/a","before":{"name":"x"},"after":{"name":"x"},"allow":false},
        {"method":"get","path":"cities/a","before":{"visibility":"public"},"allow":true},
        {"method":"get","path":"cities/a","before":{"visibility":"private"},"allow":false},
        {"method":"get","path":"cities/a","before":{},"auth":{"uid":"b","roles":["auditor"]},"allow":true},
        {"method":"get","path":"cities/a","before":{},"auth":{"uid":"b"},"documents":{"roles/b":{"roles":["auditor"]}},"allow":true},
        {"method":"get","path":"cities/a","before":{},"auth":{"uid":"b"},"documents":{"roles/c":{"roles":["auditor"]}},"allow":false},
        {"method":"create","path":"restaurant/1","after":{"name":"n","location":{"$geopoint":[1,2]},"city":"c"},"allow":true},
        {"method":"create","path":"restaurant/1","after":{"name":"n","location":1,"city":"c","hours":3},"allow":false},
        {"method":"create","path":"restaurant/1","after":{"name":"n","location":1,"city":"c","x":3},"allow":false},
        {"method":"create","path":"restaurant/1","after":{"name":1,"location":1,"city":"c"},"allow":false},
        {"method":"update","path":"restaurant/1","before":{"name":1,"k":1},"after":{"name":2,"k":1},"allow":true},
        {"method":"update","path":"restaurant/1","before":{"name":1,"k":1},"after":{"name":2},"allow":false}
        ]"#,
    );
}

#[test]
fn queries() {
    check(
        "service cloud.firestore { match /databases/{database}/documents {
            match /stories/{id} {
              allow read: if resource.data.published == true || resource.data.author == request.auth.uid;
            }
            match /limited/{id} { allow list: if request.query.limit <= 10; allow get: if true; }
            match /{path=**}/posts/{post} { allow read: if resource.data.state in ['open', 'done']; }
            match /rooms/{room}/posts/{post} { allow read; }
            match /ages/{id} { allow list: if resource.data.age >= 18 && resource.data.kind != 'secret'; }
            match /tagged/{id} { allow list: if 'public' in resource.data.tags; }
            match /shared/{id} { allow list: if request.auth.uid in resource.data.members; }
            match /mapped/{id} { allow list: if resource.data.roles[request.auth.uid] == 'reader'; }
            match /dated/{id} { allow list: if resource.data.at < request.time && 'at' in resource.data; }
            match /gated/{id} { allow list: if get(/settings/gate).data.open; }
            match /kinds/{id} { allow list: if resource.data.n is number && resource.data.s is string; }
        } }",
        r#"[
        {"method":"list","query":{"from":"stories"},"auth":{"uid":"a"},"allow":false},
        {"method":"list","query":{"from":"stories","where":{"field":"author","op":"==","value":"a"}},"auth":{"uid":"a"},"allow":true},
        {"method":"list","query":{"from":"stories","where":{"field":"author","op":"==","value":"b"}},"auth":{"uid":"a"},"allow":false},
        {"method":"list","query":{"from":"stories","where":{"field":"published","op":"==","value":true}},"allow":true},
        {"method":"list","query":{"from":"stories","where":{"or":[{"field":"published","op":"==","value":true},{"field":"author","op":"==","value":"a"}]}},"auth":{"uid":"a"},"allow":true},
        {"method":"list","query":{"from":"stories","where":{"or":[{"field":"published","op":"==","value":true},{"field":"author","op":"==","value":"b"}]}},"auth":{"uid":"a"},"allow":false},
        {"method":"list","query":{"from":"limited","limit":10},"allow":true},
        {"method":"list","query":{"from":"limited","limit":11},"allow":false},
        {"method":"list","query":{"from":"limited"},"allow":false},
        {"method":"list","query":{"from":{"group":"posts"},"where":{"field":"state","op":"in","value":["open","done"]}},"allow":true},
        {"method":"list","query":{"from":{"group":"posts"},"where":{"field":"state","op":"in","value":["open","draft"]}},"allow":false},
        {"method":"list","query":{"from":{"group":"posts"}},"allow":false},
        {"method":"list","query":{"from":"rooms/1/posts"},"allow":true},
        {"method":"list","query":{"from":"ages","where":{"and":[{"field":"age","op":">","value":20},{"field":"kind","op":"!=","value":"secret"}]}},"allow":true},
        {"method":"list","query":{"from":"ages","where":{"and":[{"field":"age","op":">=","value":18},{"field":"kind","op":"in","value":["a","b"]}]}},"allow":true},
        {"method":"list","query":{"from":"ages","where":{"and":[{"field":"age","op":">=","value":17},{"field":"kind","op":"==","value":"a"}]}},"allow":false},
        {"method":"list","query":{"from":"ages","where":{"and":[{"field":"age","op":">=","value":"18"},{"field":"kind","op":"==","value":"a"}]}},"allow":false},
        {"method":"list","query":{"from":"tagged","where":{"field":"tags","op":"array-contains","value":"public"}},"allow":true},
        {"method":"list","query":{"from":"tagged","where":{"field":"tags","op":"array-contains","value":"private"}},"allow":false},
        {"method":"list","query":{"from":"tagged","where":{"field":"tags","op":"array-contains-any","value":["public","x"]}},"allow":false},
        {"method":"list","query":{"from":"shared","where":{"field":"members","op":"array-contains","value":"a"}},"auth":{"uid":"a"},"allow":true},
        {"method":"list","query":{"from":"shared","where":{"field":"members","op":"array-contains","value":"b"}},"auth":{"uid":"a"},"allow":false},
        {"method":"list","query":{"from":"mapped","where":{"field":"roles.a","op":"==","value":"reader"}},"auth":{"uid":"a"},"allow":true},
        {"method":"list","query":{"from":"mapped","where":{"field":"roles.b","op":"==","value":"reader"}},"auth":{"uid":"a"},"allow":false},
        {"method":"list","query":{"from":"dated","where":{"field":"at","op":"<","value":{"$timestamp":"1999-01-01T00:00:00Z"}}},"allow":true},
        {"method":"list","query":{"from":"dated","where":{"field":"at","op":"<","value":{"$timestamp":"2001-01-01T00:00:00Z"}}},"allow":false},
        {"method":"list","query":{"from":"dated","orderBy":[{"field":"at"}]},"allow":false},
        {"method":"list","query":{"from":"gated"},"documents":{"settings/gate":{"open":true}},"allow":true},
        {"method":"list","query":{"from":"gated"},"documents":{"settings/gate":{"open":false}},"allow":false},
        {"method":"list","query":{"from":"gated"},"allow":false},
        {"method":"list","query":{"from":"kinds","where":{"and":[{"field":"n","op":"<","value":3},{"field":"s","op":"==","value":"x"}]}},"allow":true},
        {"method":"list","query":{"from":"kinds","where":{"and":[{"field":"n","op":"!=","value":3},{"field":"s","op":"==","value":"x"}]}},"allow":false}
        ]"#,
    );
}

#[test]
fn a_report_names_what_failed() {
    let rules = compile("match /a/{b} { allow get; }");
    let report = run(&rules, r#"[{"method":"get","path":"a/b","allow":false},{"name":"mine","method":"list","path":"a/b","allow":true},{"method":"get","path":"a/c","allow":true}]"#).unwrap();
    let failures: Vec<_> =
        report.failures.iter().map(|f| (f.number, f.name.as_str(), f.reason.as_str())).collect();
    assert_eq!(report.cases, 3);
    assert_eq!(
        failures,
        [
            (1, "get a/b", "expected denied, was allowed"),
            (2, "mine", "expected allowed, was denied")
        ]
    );
    assert_eq!(report.failures[0].explanation, ["allowed by 1:16 `allow get`"]);
    let other = ["no allow concerns this method of this path", "the path has 1:16 `allow get`"];
    assert_eq!(report.failures[1].explanation, other);
    for bad in [
        "{}",
        r#"[{"method":"get","path":"a","allow":true}]"#,
        r#"[{"method":"got","path":"a/b","allow":true}]"#,
        r#"[{"method":"get","allow":true}]"#,
        r#"[{"method":"get","query":{"from":"a"},"allow":true}]"#,
        r#"[{"method":"get","path":"a/b","before":{"$x":1},"allow":true}]"#,
        r#"[{"method":"get","path":"a/b","allow":true,"befor":{}}]"#,
    ] {
        assert!(run(&rules, bad).is_err(), "{bad}");
    }
}

/// What would be easy to take for known, and is not.
#[test]
fn a_query_says_no_more_than_it_does() {
    let rules = "match /int/{d} { allow list: if resource.data.n is int; }
        match /young/{d} { allow list: if !(resource.data.n > 18); }
        match /below/{d} { allow list: if !(resource.data.n < 18); }
        match /text/{d} { allow list: if resource.data.n is string; }
        match /{a}/{b}/{c}/{rest=**} { allow list; }
        match /x/{rest=**}/{c}/{d} { allow list; }
        match /{rest=**}/{d} { allow list: if resource.data.n == 7; }";
    let queries = [
        ("int", "==", "1", false),
        ("young", "<", "20", false),
        ("young", "<", "18", true),
        ("young", "<=", "18", true),
        ("young", "<=", "19", false),
        ("below", ">", "17", false),
        ("below", ">=", "18", true),
        ("text", ">=", "\"a\"", true),
        ("text", "!=", "\"a\"", false),
    ];
    let mut cases: Vec<String> = Vec::new();
    for (from, op, value, allow) in queries {
        let filter = format!(r#"{{"field":"n","op":"{op}","value":{value}}}"#);
        cases.push(format!(
            r#"{{"method":"list","query":{{"from":"{from}","where":{filter}}},"allow":{allow}}}"#
        ));
    }
    cases.push(r#"{"method":"list","query":{"from":{"group":"x"}},"allow":false}"#.to_owned());
    let seven = r#"{"field":"n","op":"==","value":7}"#;
    cases.push(format!(
        r#"{{"method":"list","query":{{"from":{{"group":"x"}},"where":{seven}}},"allow":true}}"#
    ));
    check(rules, &format!("[{}]", cases.join(",")));
}
