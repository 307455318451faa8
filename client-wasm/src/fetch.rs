//! HTTP requests by `fetch`.

use crate::http::{Method, Request, Response};
use gloo_net::http::{Method as HttpMethod, RequestBuilder};
use web_sys::{AbortSignal, RequestCache};

/// A request without an answer is given up after so long, in milliseconds.
const TIMEOUT_MS: u32 = 30_000;

/// Sends `request` to the server at `origin`. `None` when nothing came back.
pub(crate) async fn send(origin: &str, token: Option<&str>, request: &Request) -> Option<Response> {
    let method = match request.method {
        Method::Get => HttpMethod::GET,
        Method::Put => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
        Method::Delete => HttpMethod::DELETE,
    };
    let mut builder = RequestBuilder::new(&format!("{origin}{}", request.target))
        .method(method)
        .cache(RequestCache::NoStore)
        .abort_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(token) = token {
        builder = builder.header("Authorization", &format!("Bearer {token}"));
    }
    let ready = match &request.body {
        Some(body) => builder.body(body.as_str()),
        None => builder.build(),
    };
    let response = ready.ok()?.send().await.ok()?;
    Some(Response {
        status: response.status(),
        etag: response.headers().get("ETag"),
        body: response.text().await.ok()?,
    })
}
