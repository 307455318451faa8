//! Refresh tokens: each is used once, and what is used twice has been stolen or was lost on the way.

use super::{Session, World, refused};
use blaze_identity::accounts::session::GRACE_MICROS;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn world() -> World {
    World::accounts(&json!({"passwords": true, "signUp": true}), &[])
}

fn refresh(world: &World, token: &str) -> Session {
    Session::of(&world.refresh(token).expect(200))
}

const GRACE: Duration = Duration::from_micros(GRACE_MICROS.unsigned_abs());

#[test]
fn a_token_that_comes_back_late_ends_the_session() {
    let mut world = world();
    let first = world.sign_up("a@b.c");
    let other = world.sign_in("a@b.c");
    let second = refresh(&world, &first.refresh);
    assert_eq!(second.uid, first.uid);
    assert_ne!(second.refresh, first.refresh);
    // The answer may have been lost, and the server with it: the same again is the same.
    assert_eq!(refresh(&world, &first.refresh).refresh, second.refresh);
    world.power_cut();
    assert_eq!(refresh(&world, &first.refresh).refresh, second.refresh);
    let third = refresh(&world, &second.refresh);
    let replaced = Instant::now();
    world.power_cut();
    // One before the last comes back: at once, whatever the time. So of another session of the account.
    let others = refresh(&world, &refresh(&world, &other.refresh).refresh);
    refused(&world.refresh(&other.refresh));
    refused(&world.refresh(&others.refresh));
    // The last but one, when nobody waits for an answer any more.
    assert_eq!(refresh(&world, &second.refresh).refresh, third.refresh);
    thread::sleep((GRACE + Duration::from_millis(200)).saturating_sub(replaced.elapsed()));
    refused(&world.refresh(&second.refresh));
    world.power_cut();
    refused(&world.refresh(&third.refresh));
    assert_eq!(world.write(&third.access, "known/a"), 201, "an access token lives until it ends");
    let reused: Vec<String> =
        world.audited("session.reuse").into_iter().map(|(actor, _)| actor).collect();
    assert_eq!(reused, [first.uid.clone(), first.uid.clone()]);
    assert_eq!(world.sign_in("a@b.c").uid, first.uid);
}

#[test]
fn many_at_once_are_one() {
    let world = world();
    let mut token = world.sign_up("a@b.c").refresh;
    for _ in 0..10 {
        let next: BTreeSet<String> = thread::scope(|scope| {
            let asked = [(); 8].map(|()| scope.spawn(|| refresh(&world, &token).refresh));
            asked.into_iter().map(|thread| thread.join().expect("an answer")).collect()
        });
        assert_eq!(next.len(), 1, "two lines of one session");
        token = next.into_iter().next().expect("one");
    }
    assert!(world.audited("session.reuse").is_empty());
}

#[test]
fn power_cuts_cost_nobody_a_session() {
    let mut world = world();
    let mut token = world.sign_up("a@b.c").refresh;
    let mut refreshed = 0;
    for round in 0..8 {
        let is_over = AtomicBool::new(false);
        let client = world.client.clone();
        token = thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let mut newest = token.clone();
                while !is_over.load(Ordering::SeqCst) {
                    let body = json!({ "refreshToken": newest });
                    let call = client.post("/v1/accounts/refresh", &body);
                    // Whatever did not come was lost: the owner has only what they had before.
                    let Ok(reply) = call.try_send() else { continue };
                    if reply.status == 503 {
                        continue;
                    }
                    newest = Session::of(&reply.expect(200)).refresh;
                    refreshed += 1;
                }
                newest
            });
            thread::sleep(Duration::from_millis(150 + 13 * round));
            world.server.crash();
            is_over.store(true, Ordering::SeqCst);
            owner.join().expect("every answer is good")
        });
        world.server.restart();
        token = refresh(&world, &token).refresh;
    }
    assert!(refreshed > 20, "{refreshed}");
    assert!(world.audited("session.reuse").is_empty());
}
