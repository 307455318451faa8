//! What knowing somebody costs. Ignored: `cargo test --release -p blaze-tests --test tokens -- --ignored --nocapture`.

use super::keys::{ALL, NOW, at, backend, claims, token};
use blaze_identity::auth::{ApiKey, Signer};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds of one call, the least of ten rounds.
fn nanos(times: u32, mut call: impl FnMut()) -> u128 {
    let round = |_| {
        let start = Instant::now();
        (0..times).for_each(|_| call());
        start.elapsed().as_nanos() / u128::from(times)
    };
    (0..10).map(round).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn cost_of_identity() {
    for algorithm in ALL {
        let token = token(algorithm, &claims());
        let mut fresh = Vec::from_iter((0..2_000).map(|_| backend()));
        let verify = nanos(200, || {
            black_box(fresh.pop().unwrap().identify(&token, at(NOW)));
        });
        let mut known = backend();
        let _ = known.identify(&token, at(NOW));
        let hit = nanos(100_000, || {
            black_box(known.identify(black_box(&token), at(NOW)));
        });
        println!("{algorithm:?}, {} bytes: verify {verify} ns, hit {hit} ns", token.len());
    }
    let (key, text) = ApiKey::mint([1, 2], String::new(), BTreeSet::new(), at(NOW), None);
    let mut identities = backend();
    identities.set_api_keys(BTreeMap::from([(key.id.clone(), key)]));
    let hit = nanos(10_000, || {
        black_box(identities.identify(black_box(&text), at(NOW)));
    });
    println!("API key: {hit} ns");
    let signer = Signer::from_seed([1; 32]);
    let claims = claims();
    let sign = nanos(1_000, || {
        black_box(signer.sign(black_box(claims.as_object().unwrap())).unwrap());
    });
    println!("sign: {sign} ns");
}
