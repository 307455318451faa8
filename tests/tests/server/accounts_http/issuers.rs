//! Tokens that somebody else issues, whose keys are fetched.

use super::World;
use super::key_server::{Key, KeyServer};
use blaze_engine::http::query_value;
use blaze_schema::limits::{JWKS_PAUSE_MICROS, JWKS_RETRY_MICROS};
use blaze_tests::identity_provider::{Browser, IdentityProvider, REDIRECT, agent};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_micros(JWKS_PAUSE_MICROS.unsigned_abs());

/// The status of a write that a rule allows to `sub` alone.
fn status(world: &World, key: &Key, sub: &str) -> u16 {
    world.write(&key.token(sub), "own/alice")
}

/// Many at once, each with a token of its own.
fn crowd(world: &World, key: &Key) -> Vec<u16> {
    let token = |number: usize| key.token(&format!("somebody{number}"));
    thread::scope(|scope| {
        let ask = |number| scope.spawn(move || world.write(&token(number), "known/a"));
        let asked: Vec<_> = (0..16).map(ask).collect();
        asked.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    })
}

#[test]
fn keys_rotate_are_asked_for_once_and_outlive_their_issuer() {
    let [first, second, third, never] = [1, 2, 3, 4].map(Key::new);
    let keys = KeyServer::start(&[&first]);
    let mut world = World::start(&keys.access(), &[]);
    assert_eq!(status(&world, &first, "alice"), 201);
    let since = Instant::now();
    assert_eq!(status(&world, &first, "bob"), 403);
    assert_eq!(keys.asked(), 1);
    // Names of keys that nobody has cost the issuer nothing for a while.
    for _ in 0..2 {
        assert!(crowd(&world, &never).into_iter().all(|status| status == 401));
        thread::sleep(Duration::from_micros(JWKS_RETRY_MICROS.unsigned_abs()).mul_f32(1.5));
    }
    let asked = keys.asked();
    assert_eq!(asked, 1);
    keys.publish(&[&second]);
    assert_eq!(status(&world, &second, "alice"), 401, "not yet known");
    assert_eq!(status(&world, &first, "alice"), 200, "not yet known to be gone");
    assert_eq!(keys.asked(), asked);
    thread::sleep((PAUSE + Duration::from_secs(1)).saturating_sub(since.elapsed()));
    // Then all who come at once with a new name make one request.
    let statuses = crowd(&world, &second);
    assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
    assert_eq!(keys.asked(), asked + 1);
    assert_eq!(status(&world, &second, "alice"), 200);
    assert_eq!(status(&world, &first, "alice"), 401, "it is gone");
    // The issuer goes away: what is known of its keys goes on, after a power cut too.
    let address = keys.address();
    drop(keys);
    for _ in 0..2 {
        assert_eq!(status(&world, &second, "alice"), 200);
        assert_eq!(status(&world, &second, "bob"), 403);
        assert_eq!(status(&world, &third, "alice"), 401);
        world.power_cut();
    }
    // And comes back with another.
    let keys = KeyServer::start_at(address, &[&third]);
    thread::sleep(PAUSE + Duration::from_secs(1));
    assert_eq!(status(&world, &third, "alice"), 200);
    assert_eq!(status(&world, &second, "alice"), 401);
    assert_eq!(keys.asked(), 1);
}

#[test]
fn an_issuer_that_comes_late_is_asked_again() {
    let key = Key::new(1);
    let keys = KeyServer::start(&[&key]);
    let (address, access) = (keys.address(), keys.access());
    drop(keys);
    let world = World::start(&access, &[]);
    assert_eq!(status(&world, &key, "alice"), 401);
    let _keys = KeyServer::start_at(address, &[&key]);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(status(&world, &key, "alice"), 201);
}

/// An id token of the real provider, as an app that signs in there by itself has one.
fn id_token(issuer: &str, name: &str) -> String {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let url = format!(
        "{issuer}/auth?client_id=public&response_type=code&scope=openid%20email&redirect_uri={REDIRECT}\
         &code_challenge={challenge}&code_challenge_method=S256&state=s"
    );
    let back = Browser::default().log_in(&url, name);
    let code = query_value(back.split_once('?').expect("a query").1, "code").expect("a code");
    let form = format!(
        "grant_type=authorization_code&client_id=public&code={code}&redirect_uri={REDIRECT}&code_verifier={verifier}"
    );
    let request = agent().post(format!("{issuer}/token"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send(form).expect("an answer").body_mut().read_to_string().expect("text");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["id_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn tokens_of_a_real_provider_are_taken_for_what_they_say() {
    let provider = IdentityProvider::start();
    let trust = |audience: &str, algorithms: &Value| {
        json!({"issuers": [{
            "issuer": provider.issuer, "audience": audience,
            "jwks": format!("{}/jwks", provider.issuer), "algorithms": algorithms,
        }]})
    };
    let token = id_token(&provider.issuer, "alice");
    let mut world = World::start(&trust("public", &json!(["RS256", "ES256", "EdDSA"])), &[]);
    for (path, status) in [
        ("own/alice", 201),
        ("own/bob", 403),
        ("mail/alice@example.com", 201),
        ("verified/a", 201),
        ("from/password", 403),
    ] {
        assert_eq!(world.write(&token, path), status, "{path}");
    }
    // It was given to another app, or is signed with what is not trusted.
    for access in [trust("basic", &json!(["RS256"])), trust("public", &json!(["ES256"]))] {
        assert_eq!(World::start(&access, &[]).write(&token, "own/alice"), 401);
    }
    drop(provider);
    world.power_cut();
    assert_eq!(world.write(&token, "own/alice"), 200);
}
