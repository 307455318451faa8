//! Services of the platform that browsers and Node.js share: the clock, randomness, timers, tasks, and network
//! events.

use blaze_schema::timestamp::Timestamp;
use futures_channel::oneshot;
use js_sys::Function;
use std::cell::RefCell;
use std::pin::Pin;
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill_with_random(buffer: &mut [u8]);
    // A number in browsers, an object in Node.js.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, after_ms: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timeout: &JsValue);
    /// Says something in the console.
    #[wasm_bindgen(js_namespace = console)]
    pub(crate) fn warn(text: &str);
}

/// The local clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros((js_sys::Date::now() * 1_000.0) as i64)
}

/// 128 random bits, fit for ids.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    fill_with_random(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Runs a future. Boxed, because its executor is compiled anew for every type of future.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    let boxed: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    wasm_bindgen_futures::spawn_local(boxed);
}

/// A timer that calls the same callback each time it runs out.
pub(crate) struct Alarm {
    callback: Closure<dyn FnMut()>,
    timeout: RefCell<Option<JsValue>>,
}

impl Alarm {
    pub(crate) fn new(mut callback: impl FnMut(()) + 'static) -> Self {
        Alarm { callback: Closure::new(move || callback(())), timeout: RefCell::default() }
    }

    /// Starts it, and stops what ran before.
    pub(crate) fn start(&self, after_ms: u32) {
        self.stop();
        let callback = self.callback.as_ref().unchecked_ref();
        self.timeout.replace(Some(set_timeout(callback, after_ms)));
    }

    pub(crate) fn stop(&self) {
        if let Some(timeout) = self.timeout.take() {
            clear_timeout(&timeout);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends after so long.
pub(crate) async fn sleep(after_ms: u32) {
    let (done, end) = oneshot::channel();
    let mut done = Some(done);
    let alarm = Alarm::new(move |()| {
        if let Some(done) = done.take() {
            // It is awaited below.
            let _ = done.send(());
        }
    });
    alarm.start(after_ms);
    let _ = end.await;
}

/// Calls back whenever the browser says that the network is back, with `true`, or gone. Node.js never does.
pub(crate) struct NetworkWatch {
    target: Option<EventTarget>,
    callback: Closure<dyn FnMut(Event)>,
}

const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

impl NetworkWatch {
    pub(crate) fn new(mut callback: impl FnMut(bool) + 'static) -> Self {
        let callback = Closure::new(move |event: Event| callback(event.type_() == ONLINE));
        let target = js_sys::global().dyn_into::<EventTarget>().ok().filter(|target| {
            let add = |name| {
                let callback = callback.as_ref().unchecked_ref();
                target.add_event_listener_with_callback(name, callback).is_ok()
            };
            add(ONLINE) && add(OFFLINE)
        });
        NetworkWatch { target, callback }
    }
}

impl Drop for NetworkWatch {
    fn drop(&mut self) {
        for name in [ONLINE, OFFLINE] {
            if let Some(target) = &self.target {
                let callback = self.callback.as_ref().unchecked_ref();
                // It was added, so it can be removed; and if not, the callback finds nothing to do.
                let _ = target.remove_event_listener_with_callback(name, callback);
            }
        }
    }
}
