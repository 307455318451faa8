//! The page at `/` of a database of one's own.

use blaze_tests::browser::{Browser, PATIENCE};
use blaze_tests::server::{self, TestServer};
use blaze_tests::static_files::StaticFiles;
use serde_json::json;
use std::process::Command;
use std::time::Instant;

/// The contrast of a page's text that is lowest, and whose it is. Backgrounds are those of the nearest ancestor that has one.
const LEAST_CONTRAST: &str = r#"
    const numbers = (color) => color.match(/[\d.]+/g).map(Number);
    const light = (color) => {
      const [r, g, b] = numbers(color).map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const color = getComputedStyle(one).backgroundColor;
        if (numbers(color)[3] !== 0) return color;
      }
      return "rgb(255, 255, 255)";
    };
    let least = [99, ""];
    for (const element of document.querySelectorAll("body *")) {
      if (!Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim())) continue;
      const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < least[0]) least = [contrast, element.outerHTML];
    }
    return least;"#;

/// Looks at the page in both colours, at a desk and on a phone.
fn is_legible(page: &Browser) {
    for is_phone in [false, true] {
        if is_phone {
            page.become_phone();
        }
        let wide = page
            .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wide, 0, "wider than the window: a phone's {is_phone}");
        for is_dark in [false, true] {
            page.prefer_dark(is_dark);
            page.see(&format!("matchMedia('(prefers-color-scheme: dark)').matches === {is_dark}"));
            let least = page.run(LEAST_CONTRAST);
            assert!(least[0].as_f64().unwrap() >= 4.5, "dark {is_dark}: {least}");
        }
    }
    let low = "Array.from(document.querySelectorAll('a')).filter((link) => link.getBoundingClientRect().height < 44).length";
    assert_eq!(page.value(low), 0);
}

#[test]
fn a_database_of_ones_own_has_a_page_that_says_what_it_is() {
    let server = server::shared();
    let page = Browser::open(&server.url());
    page.see("document.querySelector('#state')?.dataset.state === 'open'");
    let text = page.value("document.body.innerText");
    let text = text.as_str().unwrap();
    let version = concat!("version ", env!("CARGO_PKG_VERSION"));
    for part in ["Blaze", version, "Open: there are no rules.", &server.url()] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.to_lowercase().contains("countr"), "{text}");
    assert_eq!(page.value("document.documentElement.lang"), "en");
    // Its style is one that its policy allows.
    assert_eq!(
        page.value("getComputedStyle(document.querySelector('.state')).borderLeftWidth"),
        "4px"
    );
    let links = page.value(
        "Array.from(document.querySelectorAll('a, link, img'), (one) => one.href ?? one.src)",
    );
    let links = links.as_array().unwrap();
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        let path =
            link.as_str().unwrap().strip_prefix(&server.url()).expect("a link to this server");
        server.client().get(path).send().expect(200);
    }
    is_legible(&page);
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn what_can_be_pasted_from_the_page_works() {
    // Its own: what is pasted writes to users/alice, as other tests do.
    let server = TestServer::start();
    let page = Browser::open(&server.url());
    let blocks =
        page.value("Array.from(document.querySelectorAll('pre'), (pre) => pre.textContent)");
    let [terminal, script] = [&blocks[0], &blocks[1]].map(|block| block.as_str().unwrap());
    let output = Command::new("bash").args(["-ec", terminal]).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
    let files = StaticFiles::new();
    files.add("/index.html", format!("<!doctype html>{script}"));
    let page = Browser::open(&format!("{}/index.html", files.url()));
    let deadline = Instant::now() + PATIENCE;
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.contains("Object")) {
        assert!(Instant::now() < deadline, "{lines:?}");
        lines.extend(page.console());
    }
    assert_eq!(server.client().data("/v1/docs/users/alice")["name"], "Alice");
}

#[test]
fn the_page_says_whether_there_are_rules() {
    let server = TestServer::start_closed(&json!({}), &[("OPEN", "1")]);
    let page = Browser::open(&server.url());
    page.see("document.querySelector('#state').dataset.state === 'open'");
    let rules = "match /notes/{id} { allow get: if true; }";
    server.client().request("PUT", "/v1/rules").body("text/plain", rules).send().expect(201);
    page.go(&server.url());
    page.see("document.querySelector('#state').dataset.state === 'rules'");
    page.see("document.querySelector('pre').textContent.includes('Authorization: Bearer')");

    let closed = TestServer::start_closed(&json!({}), &[]);
    page.go(&closed.url());
    page.see("document.querySelector('#state').dataset.state === 'closed'");
    is_legible(&page);
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn only_the_demo_has_the_atlas() {
    let (own, demo) = (server::shared(), server::shared_demo());
    let opened = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for path in
        ["/countries/FRA", "/table", "/start.js", "/demo_bg.wasm", "/flags/fra.svg", "/index.html"]
    {
        own.client().get(path).header(opened.0, opened.1).send().problem(404, "not-found");
        demo.client().get(path).header(opened.0, opened.1).send().expect(200);
    }
    for path in ["/favicon.svg", "/client/index.js", "/client/blaze_client_bg.wasm"] {
        own.client().get(path).send().expect(200);
        demo.client().get(path).send().expect(200);
    }
    // The parts of a page are there or not, and never another page.
    for path in ["/nothing.js", "/countries/FRA.js", "/client/nothing.js", "/client/nothing"] {
        demo.client().get(path).header("accept", "*/*").send().problem(404, "not-found");
    }
    demo.client()
        .get("/client/nothing.js")
        .header(opened.0, opened.1)
        .send()
        .problem(404, "not-found");
    demo.client().get("/countries/FRA").header("accept", "*/*").send().expect(200);
    let json = demo.client().get("/countries/FRA").header("accept", "application/json").send();
    json.problem(404, "not-found");
}
