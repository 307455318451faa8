//! The sockets, requests, timers and callbacks around the [`core`](crate::core).

pub(crate) mod audience;
pub(crate) mod callbacks;
pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod fetch;
pub(crate) mod hub;
pub(crate) mod live;
pub(crate) mod live_queries;
pub(crate) mod platform;
pub(crate) mod port;
pub(crate) mod slot;
pub(crate) mod socket;
pub(crate) mod work;
