//! Requests to servers elsewhere: issuers of tokens and providers of sign-ins.

use blaze_identity::accounts::oidc::{Fetch, Fetched};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Request;

/// Asks a server elsewhere, without cookies, a cache or redirects. Blocks.
pub(crate) fn fetch(fetch: Fetch) -> Fetched {
    let Fetch { method, url, headers, body, limit, within_ms, .. } = fetch;
    let config = Agent::config_builder()
        .timeout_global(Some(Duration::from_millis(within_ms.into())))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build();
    let agent = Agent::new_with_config(config);
    let mut request = Request::builder().method(method).uri(&url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let failed = |error: String| format!("{url}: {error}");
    let request =
        request.body(body.unwrap_or_default()).map_err(|error| failed(error.to_string()))?;
    let mut response = agent.run(request).map_err(|error| failed(error.to_string()))?;
    let status = response.status().as_u16();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let text = response.body_mut().with_config().limit(limit).read_to_string();
    Ok((status, text.map_err(|error| failed(error.to_string()))?))
}
